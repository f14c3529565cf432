"""Are L7 rules and DNS names well formed? Follows Cilium pkg/policy/api/{l7,http,fqdn}.go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lab_helpers.policy.errors import PolicyError, RegexError
from lab_helpers.policy.matchpatterns import NAME_CHARACTERS, PATTERN_CHARACTERS
from lab_helpers.policy.paths import Path, render
from lab_helpers.policy.regexes import compile_pattern
from lab_helpers.policy.requests import KAFKA_KEYS, KAFKA_ROLES

__all__ = ["check_fqdn", "check_l7", "rules_count"]

_Node = Mapping[str, Any]
_KINDS = {"http": "HTTP", "dns": "DNS", "kafka": "Kafka"}
_MISMATCHES = ("", "LOG", "ADD", "DELETE", "REPLACE")
_LONGEST_NAME = 255
_TOPIC = re.compile(r"[a-zA-Z0-9\\._-]+")
_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_LARGEST_VERSION = 32767


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
    for number, item in enumerate(rules.get("kafka") or ()):
        _check_kafka(item or {}, (*path, "kafka", number))
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


def _check_kafka(rule: _Node, path: Path) -> None:
    """Follows Cilium pkg/policy/api/kafka."""
    role, key = rule.get("role", ""), rule.get("apiKey", "")
    version, topic = rule.get("apiVersion", ""), rule.get("topic", "")
    if role and key:
        raise _fail(f'cannot set both Role "{role}" and APIKey "{key}" together', "kafka-role-and-key", path)
    if key and key.lower() not in KAFKA_KEYS:
        raise _fail(f'invalid Kafka APIKey "{key}"', "kafka-key", (*path, "apiKey"))
    if role and role.lower() not in KAFKA_ROLES:
        raise _fail(f'invalid Kafka Role "{role}"', "kafka-role", (*path, "role"))
    if version and not (_NUMBER.fullmatch(version) and 0 <= int(version) <= _LARGEST_VERSION):
        raise _fail(f'invalid Kafka APIVersion "{version}"', "kafka-version", (*path, "apiVersion"))
    if len(topic) > _LONGEST_NAME:
        raise _fail(f"kafka topic exceeds maximum len of {_LONGEST_NAME}", "kafka-topic", (*path, "topic"))
    if topic and not _TOPIC.fullmatch(topic):
        raise _fail(f'invalid Kafka Topic name "{topic}"', "kafka-topic", (*path, "topic"))


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
