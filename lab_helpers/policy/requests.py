"""Layer-7 rules and the requests they judge.

HTTP follows Envoy as Cilium programs it (pkg/envoy/policy, proxy cilium/network_policy.cc): every field is a regular
expression that must match the whole value, the path with its query string. Several fields of a rule all have to match;
one matching rule is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lab_helpers.policy.matchpatterns import FQDNSelector
from lab_helpers.policy.regexes import compile_pattern

__all__ = [
    "KAFKA_KEYS",
    "KAFKA_ROLES",
    "DNSRule",
    "HTTPRequest",
    "HTTPRule",
    "HeaderMatch",
    "KafkaRequest",
    "KafkaRule",
    "L7Parser",
    "L7Rules",
    "dns_allows",
    "http_allows",
    "kafka_allows",
    "server_name_allows",
]


class L7Parser(StrEnum):
    """Who looks at the bytes of a redirected connection."""

    NONE = ""
    HTTP = "http"
    DNS = "dns"
    TLS = "tls"
    CRD = "crd"
    KAFKA = "kafka"


DNSRule = FQDNSelector


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """A header that must have a value. ``value`` None asks for presence. ``mismatch`` of LOG, ADD, DELETE or
    REPLACE lets the request pass.
    """

    name: str
    value: str | None = None
    mismatch: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class HTTPRule:
    """One element of ``rules.http``. Empty fields ask nothing, so ``HTTPRule()`` lets every request pass."""

    path: str = ""
    method: str = ""
    host: str = ""
    headers: tuple[HeaderMatch, ...] = ()

    def matches(self, request: HTTPRequest) -> bool:
        """Does a request fit?"""
        for pattern, value in ((self.method, request.method), (self.path, request.path), (self.host, request.host)):
            if pattern and compile_pattern(pattern).fullmatch(value) is None:
                return False
        return all(_header_fits(wanted, request) for wanted in self.headers)


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """What Envoy compares: ``path`` is the request target with its query string, ``host`` the authority with its
    port if written.
    """

    method: str = "GET"
    path: str = "/"
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def _header_fits(wanted: HeaderMatch, request: HTTPRequest) -> bool:
    if wanted.mismatch:
        return True
    values = [value for name, value in request.headers if name.lower() == wanted.name.lower()]
    if wanted.value is None:
        return bool(values)
    return ",".join(values) == wanted.value if values else False


@dataclass(frozen=True, slots=True)
class KafkaRule:
    """One element of ``rules.kafka`` (Cilium 1.19 and earlier). ``role`` stands for the API keys in ``KAFKA_ROLES``."""

    role: str = ""
    api_key: str = ""
    api_version: str = ""
    client_id: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True)
class KafkaRequest:
    """The fields of a Kafka request header, and the topics it names."""

    api_key: str
    api_version: str = "0"
    client_id: str = ""
    topics: tuple[str, ...] = ()


KAFKA_KEYS: Final[Mapping[str, int]] = {
    "produce": 0,
    "fetch": 1,
    "offsets": 2,
    "metadata": 3,
    "leaderandisr": 4,
    "stopreplica": 5,
    "updatemetadata": 6,
    "controlledshutdown": 7,
    "offsetcommit": 8,
    "offsetfetch": 9,
    "findcoordinator": 10,
    "joingroup": 11,
    "heartbeat": 12,
    "leavegroup": 13,
    "syncgroup": 14,
    "describegroups": 15,
    "listgroups": 16,
    "saslhandshake": 17,
    "apiversions": 18,
    "createtopics": 19,
    "deletetopics": 20,
    "deleterecords": 21,
    "initproducerid": 22,
    "offsetforleaderepoch": 23,
    "addpartitionstotxn": 24,
    "addoffsetstotxn": 25,
    "endtxn": 26,
    "writetxnmarkers": 27,
    "txnoffsetcommit": 28,
    "describeacls": 29,
    "createacls": 30,
    "deleteacls": 31,
    "describeconfigs": 32,
    "alterconfigs": 33,
}
"""Names of API keys that a rule may use (Cilium pkg/policy/api/kafka, up to 1.19), with Kafka's numbers."""

KAFKA_ROLES: Final[Mapping[str, frozenset[str]]] = {
    "produce": frozenset({"produce", "metadata", "apiversions"}),
    "consume": frozenset(
        {
            "fetch",
            "offsets",
            "metadata",
            "offsetcommit",
            "offsetfetch",
            "findcoordinator",
            "joingroup",
            "heartbeat",
            "leavegroup",
            "syncgroup",
            "apiversions",
        }
    ),
}
"""What ``role`` expands to."""

_KEYS_WITH_TOPIC: Final = frozenset(
    {
        "produce",
        "fetch",
        "offsets",
        "metadata",
        "leaderandisr",
        "stopreplica",
        "updatemetadata",
        "offsetcommit",
        "offsetfetch",
        "createtopics",
        "deletetopics",
        "deleterecords",
        "offsetforleaderepoch",
        "addpartitionstotxn",
        "writetxnmarkers",
        "txnoffsetcommit",
        "34",  # AlterReplicaLogDirs, which has no name in a rule
        "35",  # DescribeLogDirs
        "37",  # CreatePartitions
    }
)


@dataclass(frozen=True, slots=True)
class L7Rules:
    """What one ``toPorts`` element demands above L4. ``parser`` NONE means: nothing, no redirect."""

    parser: L7Parser = L7Parser.NONE
    http: tuple[HTTPRule, ...] = ()
    dns: tuple[DNSRule, ...] = ()
    kafka: tuple[KafkaRule, ...] = ()
    server_names: tuple[str, ...] = ()
    terminating_tls: bool = False
    originating_tls: bool = False
    listener: str = ""
    listener_priority: int = 0

    @property
    def redirects(self) -> bool:
        """Does a match send the connection to a proxy?"""
        return self.parser is not L7Parser.NONE


def http_allows(rules: Iterable[HTTPRule], request: HTTPRequest) -> bool:
    """May the request pass? An empty list of rules restricts nothing. Raises RegexError on a pattern Envoy would
    refuse.
    """
    listed = tuple(rules)
    return not listed or any(rule.matches(request) for rule in listed)


def dns_allows(rules: Iterable[DNSRule], name: str) -> bool:
    """May the name be asked? An empty list of rules restricts nothing."""
    listed = tuple(rules)
    return not listed or any(rule.matches(name) for rule in listed)


def server_name_allows(patterns: Sequence[str], name: str) -> bool:
    """May a TLS connection with this SNI pass? The grammar is that of ``matchPattern``; an empty list restricts
    nothing.
    """
    return not patterns or any(FQDNSelector(match_pattern=pattern).matches(name) for pattern in patterns)


def kafka_allows(rules: Iterable[KafkaRule], request: KafkaRequest) -> bool:
    """May the Kafka request pass? An empty list restricts nothing.

    Each of its topics needs a rule that fits. A rule with a topic lets requests pass that are of a kind without
    topics; one of a kind with topics that names none (metadata of all topics, say) needs a rule without a topic.
    Follows Cilium pkg/kafka/policy.go.
    """
    listed = tuple(rules)
    if not listed:
        return True
    fitting = [rule for rule in listed if _kafka_fits(rule, request)]
    if any(not rule.topic for rule in fitting):
        return True
    if request.api_key.lower() not in _KEYS_WITH_TOPIC:
        return bool(fitting)
    return bool(request.topics) and {rule.topic for rule in fitting} >= set(request.topics)


def _kafka_fits(rule: KafkaRule, request: KafkaRequest) -> bool:
    key = request.api_key.lower()
    if rule.role and key not in KAFKA_ROLES.get(rule.role.lower(), ()):
        return False
    if rule.api_key and rule.api_key.lower() != key:
        return False
    if rule.api_version and rule.api_version != request.api_version:
        return False
    return not rule.client_id or rule.client_id == request.client_id
