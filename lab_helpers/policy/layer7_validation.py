"""Are L7 rules and DNS names well formed? Follows Cilium pkg/policy/api/{l7,http,fqdn}.go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_helpers.policy.errors import PolicyError, RegexError
from lab_helpers.policy.matchpatterns import NAME_CHARACTERS, PATTERN_CHARACTERS
from lab_helpers.policy.paths import Path, render
from lab_helpers.policy.regexes import compile_pattern

__all__ = ["check_fqdn", "check_l7", "rules_count"]

_Node = Mapping[str, Any]
_KINDS = {"http": "HTTP", "dns": "DNS", "kafka": "Kafka"}
_MISMATCHES = ("", "LOG", "ADD", "DELETE", "REPLACE")
_LONGEST_NAME = 255


def rules_count(rules: _Node | None) -> dict[str, int]:
    """How many rules of each kind there are; empty lists count as none at all."""
    found = {name: len(rules.get(kind) or ()) for kind, name in _KINDS.items()} if rules else {}
    return {name: count for name, count in found.items() if count}


def check_l7(rules: _Node, has_ports: bool, path: Path) -> None:
    """Raise PolicyError at the first thing wrong with a non-empty ``rules`` block."""
    for number, item in enumerate(rules.get("http") or ()):
        _check_http(item or {}, (*path, "http", number))
    if rules.get("dns") is not None:
        if not has_ports:
            raise _fail("port 53 must be specified for DNS rules", "dns-without-port", (*path, "dns"))
        for number, item in enumerate(rules["dns"]):
            check_fqdn(item or {}, (*path, "dns", number), dns_rule=True)
    given = [kind for kind in (*_KINDS, "l7proto") if rules.get(kind) is not None]
    if rules.get("l7") is not None and not rules.get("l7proto"):
        raise _fail("'l7' may only be specified when a 'l7proto' is also specified", "l7-proto", (*path, "l7"))
    if len(given) > 1:
        raise _fail("multiple L7 protocol rule types specified in single rule", "l7-multiple", (*path, given[1]))


def _check_http(rule: _Node, path: Path) -> None:
    for field in ("path", "method"):
        if rule.get(field):
            try:
                compile_pattern(rule[field])
            except RegexError as error:
                raise _fail(f"error parsing regexp: {error}", "bad-regex", (*path, field)) from None
    for number, match in enumerate(rule.get("headerMatches") or ()):
        place = (*path, "headerMatches", number)
        match = match or {}
        if match.get("mismatch", "") not in _MISMATCHES:
            raise _fail(f"invalid header action {match['mismatch']}", "header-mismatch", (*place, "mismatch"))
        if not match.get("name"):
            raise _fail("header name missing", "header-name", (*place, "name"))
        if match.get("secret") is not None and not match["secret"].get("name"):
            raise _fail("secret name missing", "header-secret", (*place, "secret"))


def check_fqdn(item: _Node, path: Path, *, dns_rule: bool = False) -> None:
    """Raise PolicyError when an FQDN selector (or, with ``dns_rule``, a DNS rule) is not well formed. Neither field
    is fine.
    """
    name, pattern = item.get("matchName", ""), item.get("matchPattern", "")
    if name and pattern:
        raise _fail("only one of MatchName or MatchPattern is allowed in an FQDNSelector", "fqdn-both", path)
    tail = "0-9, a-z, A-Z and . and - characters" if dns_rule else "0-9, a-z, A-Z and ., -, _ characters"
    if not NAME_CHARACTERS.fullmatch(name):
        raise _fail(
            f'Invalid characters in MatchName: "{name}". Only {tail} are allowed', "fqdn-chars", (*path, "matchName")
        )
    if not PATTERN_CHARACTERS.fullmatch(pattern):
        raise _fail(
            f'Invalid characters in MatchPattern: "{pattern}". '
            "Only 0-9, a-z, A-Z and ., -, _ and * characters are allowed",
            "fqdn-chars",
            (*path, "matchPattern"),
        )
    for field, text in (("matchName", name), ("matchPattern", pattern)):
        if len(text) > _LONGEST_NAME:
            raise _fail(f"{field} is longer than {_LONGEST_NAME} characters", "fqdn-length", (*path, field))


def _fail(message: str, category: str, path: Path) -> PolicyError:
    return PolicyError(message, category=category, path=render(path))
