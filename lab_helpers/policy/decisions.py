"""What the engine answers.

Follows Cilium bpf/lib/policy.h and pkg/monitor/api (numbers of match types and drop reasons).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.requests import DNSRule, HTTPRule, KafkaRule, L7Parser
from lab_helpers.policy.rules import Direction, RuleRef

__all__ = ["Decision", "DropReason", "Enforcement", "MapEntry", "MatchType", "Redirect", "SelectorUse", "Why"]


class Why(StrEnum):
    """The reason of a verdict."""

    NOT_ENDPOINT = "not-endpoint"
    NOT_ENFORCED = "not-enforced"
    ALLOW = "allow"
    DENY = "deny"
    DEFAULT_DENY = "default-deny"
    DEFAULT_ALLOW = "default-allow"
    LOCALHOST = "localhost"


class MatchType(IntEnum):
    """How specific the deciding entry of the policy map is, as policy-verdict events report it."""

    NONE = 0
    L3_ONLY = 1
    L3_L4 = 2
    L4_ONLY = 3
    ALL = 4
    L3_PROTO = 5
    PROTO_ONLY = 6

    @property
    def text(self) -> str:
        """As Hubble prints it."""
        return ("none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only")[self]


class DropReason(IntEnum):
    """Why the datapath drops. 0: it does not."""

    NONE = 0
    POLICY = 133
    POLICY_DENY = 181
    AUTH_REQUIRED = 189

    @property
    def text(self) -> str:
        """As ``cilium-dbg monitor`` and Hubble print it."""
        return {0: "", 133: "Policy denied", 181: "Policy denied by denylist", 189: "Authentication required"}[self]


@dataclass(frozen=True, slots=True)
class Redirect:
    """The connection goes through a proxy, which judges each request by the union of these rules.

    ``unrestricted``: some matching rule allows the port without L7 rules, so the proxy sees the requests but lets
    all pass.
    """

    parser: L7Parser
    http: tuple[HTTPRule, ...] = ()
    dns: tuple[DNSRule, ...] = ()
    kafka: tuple[KafkaRule, ...] = ()
    server_names: tuple[str, ...] = ()
    listener: str = ""
    priority: int = 0
    unrestricted: bool = False


@dataclass(frozen=True, slots=True)
class Enforcement:
    """Is policy enforced for an endpoint, per direction?"""

    ingress: bool
    egress: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """One direction of one new connection.

    ``rules`` are the rules that decided (several may agree); ``drop_reason`` is NONE when allowed or audited.
    ``authentication`` is the mode a matching rule asks for ("" none); it does not change ``allowed``.
    ``audited``: policy says no, but the endpoint is in audit mode, so the packet passes.
    """

    direction: Direction
    allowed: bool
    why: Why
    match: MatchType = MatchType.NONE
    drop_reason: DropReason = DropReason.NONE
    enforced: bool = True
    redirect: Redirect | None = None
    rules: tuple[RuleRef, ...] = ()
    authentication: str = ""
    audited: bool = False
    log: tuple[str, ...] = ()
    conflict: str = ""
    """Not empty when Cilium cannot compute this endpoint's policy and keeps the previous one; holds its message."""


@dataclass(frozen=True, slots=True)
class MapEntry:
    """One line of ``cilium-dbg bpf policy get``. ``identity`` 0 means any; ``port``/``port_bits``: a prefix of 16
    bits.
    """

    direction: Direction
    identity: int
    protocol: Protocol
    port: int
    port_bits: int
    deny: bool
    parser: L7Parser
    authentication: str
    precedence: int
    prefix_length: int
    rules: tuple[RuleRef, ...]


@dataclass(frozen=True, slots=True)
class SelectorUse:
    """One line of ``cilium-dbg policy selectors``: the selector, the policies that use it, whom it selects now."""

    text: str
    users: tuple[RuleRef, ...]
    identities: tuple[int, ...]
