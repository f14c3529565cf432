"""Every identity there is: its labels, who carries it, and which rules of which policies are about it.

Numbers and labels come from CiliumIdentity objects and the agents' lists, members from CiliumEndpoints (or, where
they are batched, CiliumEndpointSlices) and pods. Which rules use an identity is the policy engine's answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from lab_helpers.policy.identities import LOCAL_SCOPE, RESERVED
from lab_helpers.policy.inventories import Inventory
from lab_helpers.policy.labels import Label, LabelSet, parse_labels
from lab_helpers.policy.rules import Action, Direction, Rule
from lab_helpers.policy.services import service_peers
from lab_helpers.views.identities.snapshots import Snapshot, called

__all__ = ["Catalogue", "Entry", "Kind", "Seat", "Use", "catalogue", "shown_labels", "uses_of"]

_OWN_CLUSTER: Final = "k8s:io.cilium.k8s.policy.cluster="
"""What Cilium adds to every selector of pods; it tells nothing in a list."""
_SHARED: Final = ("io.cilium.k8s.namespace.labels.", "io.cilium.k8s.policy.cluster")


class Kind(StrEnum):
    """What an identity stands for."""

    PODS = "pods"
    RESERVED = "reserved"
    OUTSIDE = "addresses outside"


class Seat(NamedTuple):
    """One who carries an identity: ``namespace/pod``, addresses and the node, by name where it is known."""

    pod: str
    addresses: tuple[str, ...]
    node: str

    def __str__(self) -> str:
        return f"{self.pod} ({', '.join(self.addresses) or 'no address'} on {self.node or 'no node'})"


class Use(NamedTuple):
    """A rule that is about an identity. ``subject``: the rule holds for those who carry it; else it is about them as
    peers. ``says`` is what the rule allows or denies.
    """

    policy: str
    path: str
    subject: bool
    direction: Direction
    action: Action
    selector: str
    says: str

    def __str__(self) -> str:
        if self.subject:
            role = f"holds for it, {self.direction}"
        else:
            role = f"{self.action}s it as {'source' if self.direction is Direction.INGRESS else 'destination'}"
        return f"{self.policy} {self.path}: {role} ({self.selector}){self.says and f', {self.says}'}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One identity. ``nodes`` is filled for numbers that only these nodes understand."""

    numeric: int
    kind: Kind
    labels: tuple[str, ...]
    seats: tuple[Seat, ...] = ()
    uses: tuple[Use, ...] = ()
    nodes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Unique in a catalogue."""
        return f"{self.numeric}@{','.join(self.nodes)}" if self.nodes else str(self.numeric)

    @property
    def name(self) -> str:
        """What people call it: the reserved name, the prefix or name outside, or the labels people wrote."""
        return ", ".join(shown_labels(self.labels)) or "no labels"

    def policies(self) -> tuple[str, ...]:
        """The policies whose rules are about it, in either role."""
        return tuple(sorted({use.policy for use in self.uses}))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Entries: pods by number, then reserved ones, then addresses outside. ``notes`` say what is missing and why."""

    entries: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()

    def find(self, key: str) -> Entry | None:
        """The entry of a key, of a number, of a pod (``namespace/pod``) or of an address."""
        for entry in self.entries:
            if key in (entry.key, str(entry.numeric)):
                return entry
        for entry in self.entries:
            if any(key == seat.pod or key in seat.addresses for seat in entry.seats):
                return entry
        return None


def catalogue(snapshot: Snapshot, inventory: Inventory | None = None) -> Catalogue:
    """Make it. ``inventory``: the snapshot's, when it is at hand."""
    inventory = inventory or snapshot.inventory()
    seats = _seats(snapshot, inventory)
    labels = _labels(snapshot, inventory)
    found = [
        Entry(
            numeric,
            Kind.RESERVED if numeric in RESERVED else Kind.PODS,
            tuple(texts.strings()),
            tuple(sorted(seats.get(numeric, ()))),
            uses_of(texts, inventory, host=numeric == 1),
        )
        for numeric, texts in labels.items()
    ]
    for (numeric, texts), nodes in _outside(snapshot).items():
        uses = uses_of(parse_labels(texts), inventory)
        found.append(Entry(numeric, Kind.OUTSIDE, texts, (), uses, tuple(sorted(nodes))))
    order = list(Kind)
    return Catalogue(tuple(sorted(found, key=lambda e: (order.index(e.kind), e.numeric, e.nodes))), snapshot.notes)


def shown_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels that tell identities apart: without those every pod of a namespace carries."""
    kept = []
    for text in labels:
        bare = text.removeprefix("k8s:")
        if not bare.startswith(_SHARED) and bare != "io.cilium.k8s.policy.serviceaccount=default":
            kept.append(bare.replace("io.kubernetes.pod.namespace=", "namespace="))
    return tuple(kept)


def uses_of(labels: LabelSet, inventory: Inventory, *, host: bool = False) -> tuple[Use, ...]:
    """The rules about whoever carries these labels, first those that hold for them. ``host``: a node's own policies."""
    found = []
    for policy in inventory.policies:
        for rule in policy.rules:
            if rule.node == host and rule.subject.matches(labels):
                found.append(_use(rule, subject=True, selector=str(rule.subject)))
            for selector in _peers(rule, inventory):
                if selector.matches(labels):
                    found.append(_use(rule, subject=False, selector=str(selector)))
                    break
    return tuple(sorted(dict.fromkeys(found), key=lambda use: (not use.subject, use.policy, use.path)))


def _peers(rule: Rule, inventory: Inventory) -> tuple[Any, ...]:
    if not rule.services:
        return rule.peers
    repository = inventory.repository
    return service_peers(rule, repository.services(), repository.config)


def _use(rule: Rule, *, subject: bool, selector: str) -> Use:
    ports = "every port" if rule.ports is None else ", ".join(str(port.match) for port in rule.ports) or "no port"
    shown = ", ".join(part for part in selector.split(", ") if not part.startswith(_OWN_CLUSTER))
    return Use(str(rule.ref.policy), rule.ref.path, subject, rule.direction, rule.action, shown or selector, ports)


def _labels(snapshot: Snapshot, inventory: Inventory) -> dict[int, LabelSet]:
    """Labels by number: identities that every node understands."""
    found = {numeric: identity.labels for numeric, identity in RESERVED.items() if numeric <= _LAST_SINGLE_STACK}
    if snapshot.config.dual_stack:
        found = {numeric: identity.labels for numeric, identity in RESERVED.items()}
    for item in snapshot.of("CiliumIdentity"):
        name = str(item["metadata"]["name"])
        pairs: Mapping[str, str] = item.get("security-labels") or {}
        if name.isdigit():
            found[int(name)] = LabelSet(_label(key, value) for key, value in pairs.items())
    for endpoint in snapshot.of("CiliumEndpoint"):  # it may be known sooner than its identity's object
        carried = (endpoint.get("status") or {}).get("identity") or {}
        if carried.get("id"):
            found.setdefault(int(carried["id"]), parse_labels(carried.get("labels") or ()))
    for member in inventory.members:
        found.setdefault(member.endpoint.identity.numeric, member.endpoint.identity.labels)
    for agent in snapshot.agents:
        if agent.numeric < LOCAL_SCOPE and (agent.numeric not in RESERVED or agent.numeric == _APISERVER):
            found.setdefault(agent.numeric, parse_labels(agent.labels))
    return found


_LAST_SINGLE_STACK: Final = 8
_APISERVER: Final = 7


def _label(key: str, value: str) -> Label:
    source, _, name = key.partition(":")
    return Label(source, name, value)


def _seats(snapshot: Snapshot, inventory: Inventory) -> dict[int, list[Seat]]:
    nodes = _nodes(snapshot)
    placed = {called(pod): str((pod.get("spec") or {}).get("nodeName") or "") for pod in snapshot.of("Pod")}
    found: dict[int, list[Seat]] = {}
    known = set()
    for endpoint in snapshot.of("CiliumEndpoint"):
        status = endpoint.get("status") or {}
        networking = status.get("networking") or {}
        numeric = int((status.get("identity") or {}).get("id") or 0)
        pod = called(endpoint)
        node = placed.get(pod) or nodes.get(str(networking.get("node") or ""), str(networking.get("node") or ""))
        found.setdefault(numeric, []).append(Seat(pod, _addresses(networking), node))
        known.add(pod)
    for batch in snapshot.of("CiliumEndpointSlice"):
        for endpoint in batch.get("endpoints") or ():
            pod = f"{batch.get('namespace', '')}/{endpoint.get('name', '')}"
            if pod not in known:
                networking = endpoint.get("networking") or {}
                node = placed.get(pod) or nodes.get(str(networking.get("node") or ""), "")
                found.setdefault(int(endpoint.get("id") or 0), []).append(Seat(pod, _addresses(networking), node))
                known.add(pod)
    for member in inventory.members:
        name = f"{member.namespace}/{member.name}"
        if name in placed and name not in known:
            addresses = (member.ip,) if member.ip else ()
            found.setdefault(member.endpoint.identity.numeric, []).append(Seat(name, addresses, placed[name]))
    found.pop(0, None)
    return found


def _outside(snapshot: Snapshot) -> dict[tuple[int, tuple[str, ...]], set[str]]:
    """Identities of addresses, by number and labels, with the nodes that have them so."""
    found: dict[tuple[int, tuple[str, ...]], set[str]] = {}
    for agent in snapshot.agents:
        if agent.numeric >= LOCAL_SCOPE:
            found.setdefault((agent.numeric, tuple(sorted(agent.labels))), set()).add(agent.node)
    return found


def _addresses(networking: Mapping[str, Any]) -> tuple[str, ...]:
    pairs = networking.get("addressing") or ()
    return tuple(str(pair[family]) for pair in pairs for family in ("ipv4", "ipv6") if pair.get(family))


def _nodes(snapshot: Snapshot) -> dict[str, str]:
    """Node names by their addresses."""
    found = {}
    for node in snapshot.of("Node"):
        for address in (node.get("status") or {}).get("addresses") or ():
            found[str(address.get("address"))] = str(node["metadata"]["name"])
    return found
