"""Rules after parsing: what Cilium calls policy entries.

One :class:`Rule` per element of ``ingress``/``ingressDeny``/``egress``/``egressDeny`` (NetworkPolicy: per peer).
Follows
Cilium pkg/policy/types/policyentry.go and pkg/policy/utils/parserules.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from lab_helpers.policy.errors import Position
from lab_helpers.policy.labels import Label
from lab_helpers.policy.paths import Path
from lab_helpers.policy.prefixes import Prefix
from lab_helpers.policy.protocols import PortMatch
from lab_helpers.policy.requests import L7Rules
from lab_helpers.policy.selectors import LabelSelector, Selector

__all__ = [
    "Action",
    "CIDRGroup",
    "Direction",
    "Notice",
    "Origin",
    "ParsedPolicy",
    "PolicyRef",
    "PortRule",
    "Rule",
    "RuleRef",
    "Service",
    "ServiceRef",
    "Tier",
]


class Direction(StrEnum):
    """Seen from the endpoint that enforces."""

    INGRESS = "ingress"
    EGRESS = "egress"


class Action(StrEnum):
    """What a matching rule says. PASS skips the rest of its tier."""

    ALLOW = "allow"
    DENY = "deny"
    PASS = "pass"  # noqa: S105 - no password


class Tier(IntEnum):
    """Walked upwards. CNP, CCNP and NetworkPolicy are NORMAL; the others are ClusterNetworkPolicy's."""

    ADMIN = 100
    NORMAL = 200
    BASELINE = 250


class PolicyRef(NamedTuple):
    """Which object. ``namespace`` is "" for cluster-scoped ones."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


@dataclass(frozen=True, slots=True)
class RuleRef:
    """Which element of which object. ``spec_index`` counts ``specs`` (None for ``spec``); ``index`` counts in
    ``section``.
    """

    policy: PolicyRef
    section: str
    index: int
    spec_index: int | None = None
    labels: tuple[Label, ...] = ()
    """The policy's provenance labels (``io.cilium.k8s.policy.name`` …), with those of the rule."""
    position: Position | None = None

    def __hash__(self) -> int:
        """The place alone: labels and position follow from it."""
        return hash((self.policy, self.section, self.index, self.spec_index))

    @property
    def path(self) -> str:
        """E.g. ``spec.ingress[0]`` or ``specs[1].egressDeny[2]``."""
        spec = "spec" if self.spec_index is None else f"specs[{self.spec_index}]"
        return f"{spec}.{self.section}[{self.index}]"

    def __str__(self) -> str:
        place = f" ({self.position})" if self.position else ""
        return f"{self.policy} {self.path}{place}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The object that rules come from; ``locate`` finds places in its text."""

    policy: PolicyRef
    labels: tuple[Label, ...]
    locate: Callable[[Path], Position | None]

    def ref(self, section: str, index: int, spec_index: int | None = None, labels: tuple[Label, ...] = ()) -> RuleRef:
        """A reference to one element; ``labels`` are the rule's own, before those of the policy."""
        start: Path = ("spec",) if spec_index is None else ("specs", spec_index)
        position = self.locate((*start, section, index))
        return RuleRef(self.policy, section, index, spec_index, (*labels, *self.labels), position)


class PortRule(NamedTuple):
    """Ports, and what is demanded above them."""

    match: PortMatch
    l7: L7Rules = L7Rules()


class ServiceRef(NamedTuple):
    """One element of ``toServices``: by name (``selector`` None) or by labels; ``namespace`` "" means any."""

    name: str
    namespace: str
    selector: LabelSelector | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """What ``toServices`` needs of a Service. With ``selector`` its pods count, else its ``backends`` (addresses)."""

    namespace: str
    name: str
    labels: tuple[tuple[str, str], ...] = ()
    selector: tuple[tuple[str, str], ...] = ()
    backends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CIDRGroup:
    """A CiliumCIDRGroup: addresses within ``prefixes`` carry ``group_label`` and one ``cidrgroup:`` label per label
    of the object.
    """

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    prefixes: tuple[Prefix, ...] = ()

    def identity_labels(self) -> tuple[Label, ...]:
        """The labels that addresses of the group carry."""
        named = Label("cidrgroup", f"io.cilium.policy.cidrgroupname/{self.name}")
        return (named, *(Label("cidrgroup", key, value) for key, value in self.labels))


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry. It matches a connection when a peer selector matches the peer *and* a port rule matches protocol
    and port.

    ``peers`` empty: nobody. ``ports`` None: every protocol and port, ICMP too; empty: nothing.
    ``default_deny``: an endpoint this rule selects is closed in ``direction`` except for what rules allow.
    ``services``: peers to be found from Services; ``service_ports_open`` says that without any such Service the
    rule is for everybody.
    """

    ref: RuleRef
    direction: Direction
    action: Action
    subject: LabelSelector
    peers: tuple[Selector, ...]
    ports: tuple[PortRule, ...] | None
    default_deny: bool
    node: bool = False
    tier: Tier = Tier.NORMAL
    priority: float = 0.0
    services: tuple[ServiceRef, ...] = ()
    authentication: str = ""
    log: str = ""


class Notice(NamedTuple):
    """Something accepted that hardly is meant, e.g. an unknown field, which the agent ignores."""

    path: str
    message: str
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class ParsedPolicy:
    """One object, accepted. ``rules`` may be empty (``specs: []``, a CIDR group)."""

    ref: PolicyRef
    rules: tuple[Rule, ...] = ()
    uid: str = ""
    warnings: tuple[Notice, ...] = ()
    cidr_group: CIDRGroup | None = None
    position: Position | None = None
