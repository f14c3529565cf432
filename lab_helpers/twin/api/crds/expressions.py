"""``x-kubernetes-validations``: rules in the Common Expression Language.

Simple rules (``has(self.x)``, ``self == oldSelf`` and the like, joined by ``||`` and ``&&``: all that Cilium's
definitions use) are decided here. Others need the cel-python library, which is used when it is importable; without it
such a rule is not checked, and the log says so.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from lab_helpers.twin.api.crds.structural import Finding

__all__ = ["check_rules"]

Schema = Mapping[str, Any]
Rule = Callable[[Any, Any], bool]

_LOG = logging.getLogger(__name__)
_HAS = re.compile(r"^(?P<not>!\s*)?has\(self((?:\.\w+)+)\)$")


def check_rules(value: Any, schema: Schema, path: str = "", old: Any = None) -> list[Finding]:
    """The rules that ``value`` breaks, here and below."""
    found: list[Finding] = []
    for rule in schema.get("x-kubernetes-validations") or ():
        if "oldSelf" in rule["rule"] and old is None:
            continue
        if not _holds(rule["rule"], value, old):
            message = (rule.get("message") or f"failed rule: {rule['rule']}").strip()
            place = path + rule.get("fieldPath", "")
            reason = rule.get("reason") or "FieldValueInvalid"
            kind = json.dumps(schema.get("type", "object"))
            texts = {"FieldValueRequired": "Required value", "FieldValueForbidden": "Forbidden"}
            text = texts.get(reason, f"Invalid value: {kind}")
            found.append((reason, f"{text}: {message}", place.lstrip(".") or "<nil>"))
    if isinstance(value, Mapping):
        before = old if isinstance(old, Mapping) else {}
        extra = schema.get("additionalProperties")
        for key, item in value.items():
            below = (schema.get("properties") or {}).get(key, extra if isinstance(extra, Mapping) else None)
            if below is not None and _has_rules(id(below), below):
                found += check_rules(item, below, f"{path}.{key}" if path else key, before.get(key))
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        items = schema["items"]
        if _has_rules(id(items), items):
            for position, item in enumerate(value):
                found += check_rules(item, items, f"{path}[{position}]")
    return found


_KNOWN: dict[int, tuple[Schema, bool]] = {}


def _has_rules(identity: int, schema: Schema) -> bool:
    """Is there a rule anywhere below? Remembered per schema node."""
    known = _KNOWN.get(identity)
    if known is None or known[0] is not schema:
        known = (schema, '"x-kubernetes-validations"' in json.dumps(schema))
        if len(_KNOWN) > 10_000:
            _KNOWN.clear()
        _KNOWN[identity] = known
    return known[1]


def _holds(text: str, value: Any, old: Any) -> bool:
    rule = _compiled(text)
    if rule is None:
        return True
    try:
        return rule(value, old)
    except Exception as error:  # noqa: BLE001 - any failure of a foreign evaluator means: not decided
        _LOG.warning("validation rule %r could not be evaluated: %s", text, error)
        return True


@lru_cache(maxsize=256)
def _compiled(text: str) -> Rule | None:
    simple = _simple(text)
    return simple if simple is not None else _foreign(text)


def _simple(text: str) -> Rule | None:
    """Terms such as ``has(self.a)`` or ``self == oldSelf``, joined by ``||`` and ``&&``, without parentheses."""
    alternatives: list[list[Rule]] = []
    for part in text.split("||"):
        terms = [_term(term.strip()) for term in part.split("&&")]
        if not all(terms):
            return None
        alternatives.append([term for term in terms if term is not None])
    return lambda value, old: any(all(term(value, old) for term in terms) for terms in alternatives)


def _term(text: str) -> Rule | None:
    if found := _HAS.match(text):
        path, wanted = found[2].strip(".").split("."), not found["not"]
        return lambda value, _: _present(value, path) is wanted
    return _TERMS.get(text)


def _is_address(value: Any) -> bool:
    try:
        return bool(ipaddress.ip_address(value))
    except ValueError:
        return False


_TERMS: Mapping[str, Rule] = {
    "self == oldSelf": lambda value, old: value == old,
    "self == ''": lambda value, _: value == "",
    "isIP(self)": lambda value, _: isinstance(value, str) and _is_address(value),
}


def _present(value: Any, path: list[str]) -> bool:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = value[name]
    return True


def _foreign(text: str) -> Rule | None:
    try:
        import celpy
        from celpy.adapter import json_to_cel
    except ImportError:
        _LOG.warning("validation rule %r is not checked: install cel-python to check it", text)
        return None
    try:
        environment = celpy.Environment()
        program = environment.program(environment.compile(text))
    except Exception as error:  # noqa: BLE001 - a rule in a newer dialect must not stop the server
        _LOG.warning("validation rule %r is not checked: %s", text, error)
        return None

    def rule(value: Any, old: Any) -> bool:
        return bool(program.evaluate({"self": json_to_cel(value), "oldSelf": json_to_cel(old)}))

    return rule
