"""Label selectors in Kubernetes' syntax over Cilium's labels.

A key may name its source (``k8s:app``, ``reserved:world``); without one it means any source. Internally a key is
``source.key``, and errors show it so. Labels of flows are ``source:key=value``. Follows Kubernetes
``apimachinery/pkg/labels`` and Cilium ``pkg/labels``.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from lab_helpers.hubble.errors import FilterError

_NAME = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_VALUE = re.compile(r"(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_WORD = re.compile(r"\s*(==|!=|[=!,()<>]|[^\s=!,()<>]+)")
_SYMBOLS = frozenset({"=", "==", "!=", "!", ",", "(", ")", "<", ">"})
_CACHE_LIMIT = 10_000


class Requirement(NamedTuple):
    """One condition: `operator` is exists, absent, in, notin, gt or lt."""

    source: str
    key: str
    operator: str
    values: frozenset[str]


def compile_selectors(selectors: Iterable[str], what: str) -> Callable[[tuple[str, ...]], bool]:
    """A function of a flow's labels that holds when one of the selectors selects them. Results are remembered."""
    parsed = []
    for text in selectors:
        try:
            parsed.append(parse_selector(text))
        except FilterError as error:
            raise FilterError(f"invalid {what} filter: {error}") from None
    known: dict[tuple[str, ...], bool] = {}

    def check(labels: tuple[str, ...]) -> bool:
        found = known.get(labels)
        if found is None:
            split = [split_label(label) for label in labels]
            found = any(all(holds(requirement, split) for requirement in selector) for selector in parsed)
            if len(known) >= _CACHE_LIMIT:
                known.clear()
            known[labels] = found
        return found

    return check


def split_label(label: str) -> tuple[str, str, str]:
    """Source, key and value of ``source:key=value``; without a source it is ``unspec``."""
    name, _, value = label.partition("=")
    source, colon, key = name.partition(":")
    return (source or "unspec", key, value) if colon else ("unspec", name, value)


def holds(requirement: Requirement, labels: list[tuple[str, str, str]]) -> bool:
    """Whether labels meet a requirement."""
    source, wanted, operator, values = requirement
    value = next((v for s, k, v in labels if k == wanted and (source == "any" or s in (source, "any"))), None)
    match operator:
        case "exists":
            return value is not None
        case "absent":
            return value is None
        case "in":
            return value is not None and value in values
        case "notin":
            return value is None or value not in values
    (limit,) = values
    if value is None or not re.fullmatch(r"[+-]?\d+", value):
        return False
    return int(value) > int(limit) if operator == "gt" else int(value) < int(limit)


def parse_selector(text: str) -> list[Requirement]:
    """Requirements of a selector; FilterError with Kubernetes' text for a broken one."""
    try:
        return _Parser(text).parse()
    except _SelectorError as error:
        raise FilterError(f"unable to parse requirement: {error}") from None


class _SelectorError(ValueError):
    """What is wrong with a requirement."""


class _Parser:
    """Recursive descent over words."""

    def __init__(self, text: str) -> None:
        self._words = _WORD.findall(text)
        self._next = 0

    def _peek(self) -> str:
        return self._words[self._next] if self._next < len(self._words) else ""

    def _take(self) -> str:
        word = self._peek()
        self._next += 1
        return word

    def parse(self) -> list[Requirement]:
        requirements: list[Requirement] = []
        while True:
            word = self._peek()
            if word == "" and not requirements and self._next == 0:
                return requirements
            if word == "!" or word not in _SYMBOLS or word == "=":
                requirements.append(self._requirement())
                after = self._take()
                if after == "":
                    return requirements
                if after != ",":
                    raise _SelectorError(f"found '{after}', expected: ',' or 'end of string'")
                following = self._peek()
                if following in _SYMBOLS and following != "!":
                    raise _SelectorError(f"found '{following}', expected: identifier after ','")
                if following == "":
                    raise _SelectorError("found '', expected: identifier after ','")
            else:
                raise _SelectorError(f"found '{word}', expected: !, identifier, or 'end of string'")

    def _requirement(self) -> Requirement:
        negated = self._peek() == "!"
        if negated:
            self._take()
        word = "" if self._peek() in _SYMBOLS else self._take()
        source, key = _checked_key(word)
        if negated:
            return Requirement(source, key, "absent", frozenset())
        if self._peek() in ("", ","):
            return Requirement(source, key, "exists", frozenset())
        operator = self._take()
        if operator in ("in", "notin"):
            values = self._values()
            for value in values:
                _check_value(key, value)
            return Requirement(source, key, operator, frozenset(values))
        if operator in ("=", "=="):
            value = self._exact()
            _check_value(key, value)
            return Requirement(source, key, "in", frozenset({value}))
        if operator == "!=":
            value = self._exact()
            _check_value(key, value)
            return Requirement(source, key, "notin", frozenset({value}))
        if operator in ("<", ">"):
            value = self._exact()
            if not re.fullmatch(r"[+-]?\d+", value):
                raise _SelectorError(
                    f"values[0][{_dotted(source, key)}]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, "
                    "the value must be an integer"
                )
            return Requirement(source, key, "gt" if operator == ">" else "lt", frozenset({value}))
        raise _SelectorError(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")

    def _exact(self) -> str:
        return "" if self._peek() in ("", ",") else self._take()

    def _values(self) -> list[str]:
        opening = self._take()
        if opening != "(":
            raise _SelectorError(f"found '{opening}' expected: '('")
        values, expect_value = [], True
        while True:
            word = self._take()
            if word == ")":
                if expect_value:
                    values.append("")
                return values
            if word == ",":
                if expect_value:
                    values.append("")
                expect_value = True
            elif word and word not in _SYMBOLS and expect_value:
                values.append(word)
                expect_value = False
            elif expect_value:
                raise _SelectorError(f"found '{word}', expected: ',', ')' or identifier")
            else:
                raise _SelectorError(f"found '{word}', expected: ',' or ')'")


def _dotted(source: str, key: str) -> str:
    return f"{source}.{key}"


def _checked_key(text: str) -> tuple[str, str]:
    source, colon, key = text.partition(":")
    if not colon:
        source, key = "any", text
    problem = _key_problem(_dotted(source, key))
    if problem:
        raise _SelectorError(f'<nil>: Invalid value: "{_dotted(source, key)}": {problem}')
    return source, key


def _key_problem(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    if not _NAME.fullmatch(name):
        return (
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )
    return ""


def _check_value(key: str, value: str) -> None:
    if len(value) > 63:
        raise _SelectorError(f'values[0][{key}]: Invalid value: "{value}": must be no more than 63 bytes')
    if not _LABEL_VALUE.fullmatch(value):
        raise _SelectorError(
            f'values[0][{key}]: Invalid value: "{value}": a valid label must be an empty string or consist of '
            "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
            "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
            "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )
