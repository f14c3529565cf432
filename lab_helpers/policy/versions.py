"""Where a version of Cilium is at odds with its own documentation: as data.

``why`` and ``lint`` quote from this list, so that nobody is puzzled by a real cluster that answers otherwise.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lab_helpers.policy.configs import PolicyConfig, Version
from lab_helpers.policy.rules import Action, Rule
from lab_helpers.policy.selectors import LabelSelector

__all__ = ["OPEN_FAULTS", "Fault", "faults_of"]


class Fault(NamedTuple):
    """Cilium's code against its own documentation. The engine follows the documentation."""

    key: str
    versions: tuple[Version, ...]
    issue: str
    what: str


OPEN_FAULTS: Final[tuple[Fault, ...]] = (
    Fault(
        "aggregates",
        (Version.V1_20,),
        "https://github.com/cilium/cilium/issues/46949",
        "Cilium 1.20 may apply a peer selector made only of NotIn/DoesNotExist to identities it excludes, because its "
        "aggregate identities fulfil it. This engine follows the documented meaning; "
        "a 1.20 cluster may answer otherwise.",
    ),
    Fault(
        "named-range-merge",
        (Version.V1_20,),
        "",
        "Cilium 1.20 merges rules for one port name whatever their endPort: the range of the first holds for all their "
        "peers. This engine keeps the rules apart.",
    ),
)


def faults_of(rule: Rule, config: PolicyConfig) -> tuple[Fault, ...]:
    """The open faults that may change what a rule does on a cluster of the configured version."""
    if rule.action is Action.PASS:
        return ()
    found = []
    negative = any(isinstance(peer, LabelSelector) and peer.only_negative for peer in rule.peers)
    ranged = any(port.match.name and port.match.last for port in rule.ports or ())
    for fault in OPEN_FAULTS:
        applies = negative if fault.key == "aggregates" else ranged
        if applies and config.version in fault.versions:
            found.append(fault)
    return tuple(found)
