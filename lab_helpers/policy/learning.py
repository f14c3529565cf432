"""Policies from observed flows: minimal, readable, and checked against the flows they came from.

One CiliumNetworkPolicy per workload. Peers are pods by the labels that say what they are, names where an address
was known by one (with the
DNS rule that makes names work), entities for nodes, and single addresses for the rest of the world.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.counterfactuals import distinguishing_labels
from lab_helpers.policy.identities import pod_namespace
from lab_helpers.policy.labels import NAMESPACE_LABEL, LabelSet
from lab_helpers.policy.parsing import parse
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.recorded_flows import Cut, FlowEnd, FlowRecord, would_be_cut
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.rules import Direction

__all__ = ["Learned", "learn"]

_Labels = tuple[tuple[str, str], ...]
_Peer = tuple[str, tuple[tuple[str, str], ...]]
_Port = tuple[Protocol, int]
_DNS_PORT: Final = 53
_RESOLVER: Final[_Labels] = ((NAMESPACE_LABEL, "kube-system"), ("k8s-app", "kube-dns"))
_FAMILIES: Final = {Protocol.ICMP: "IPv4", Protocol.ICMPV6: "IPv6"}


@dataclass(frozen=True, slots=True)
class Learned:
    """The policies as manifests, ready to be written; ``used`` flows led to them. ``cut`` are flows they would not
    allow: none, unless the flows cannot be told apart by labels.
    """

    policies: tuple[Mapping[str, Any], ...]
    used: int
    cut: tuple[Cut, ...] = ()


@dataclass(slots=True)
class _Subject:
    namespace: str
    labels: _Labels
    peers: dict[Direction, dict[_Peer, set[_Port]]] = field(default_factory=lambda: {d: {} for d in Direction})
    resolvers: set[_Labels] = field(default_factory=set)

    def note(self, direction: Direction, peer: _Peer, port: _Port) -> None:
        self.peers[direction].setdefault(peer, set()).add(port)


def _selector(labels: LabelSet, home: str) -> _Labels:
    wanted = distinguishing_labels(labels)
    namespace = pod_namespace(labels)
    if namespace is not None and namespace != home:
        wanted = {NAMESPACE_LABEL: namespace, **wanted}
    return tuple(wanted.items())


def _peer(end: FlowEnd, home: str, direction: Direction) -> _Peer:
    if pod_namespace(end.labels) is not None:
        return "pods", _selector(end.labels, home)
    if end.names and direction is Direction.EGRESS:
        return "names", tuple(("matchName", name.rstrip(".").lower()) for name in sorted(set(end.names))[:1])
    reserved = [label.key for label in end.labels.of("reserved")]
    for entity in ("host", "kube-apiserver", "remote-node", "health", "ingress", "unmanaged", "init"):
        if entity in reserved:
            return "entity", ((entity, ""),)
    if end.ip:
        return "address", ((f"{end.ip}/{128 if ':' in end.ip else 32}", ""),)
    return "entity", (("world", ""),)


def _subjects(
    flows: Iterable[FlowRecord], namespaces: Collection[str]
) -> tuple[dict[tuple[str, _Labels], _Subject], int]:
    found: dict[tuple[str, _Labels], _Subject] = {}
    used = 0
    for flow in flows:
        counted = False
        for direction, own, other in (
            (Direction.EGRESS, flow.source, flow.target),
            (Direction.INGRESS, flow.target, flow.source),
        ):
            home = pod_namespace(own.labels)
            if home is None or home not in namespaces:
                continue
            labels = _selector(own.labels, home)
            subject = found.setdefault((home, labels), _Subject(home, labels))
            peer = _peer(other, home, direction)
            counted = True
            if direction is Direction.EGRESS and flow.port == _DNS_PORT and peer[0] == "pods":
                subject.resolvers.add(peer[1])
                continue
            if direction is Direction.INGRESS and peer == ("entity", (("host", ""),)):
                subject.peers[direction].setdefault(("nobody", ()), set())
                continue
            subject.note(direction, peer, (flow.protocol, flow.port))
        used += counted
    return found, used


def _ports(ports: Iterable[_Port]) -> dict[str, Any]:
    plain = sorted(port for port in ports if port[0] not in _FAMILIES)
    return {"toPorts": [{"ports": [{"port": str(number), "protocol": protocol.text} for protocol, number in plain]}]}


def _elements(way: str, peers: Mapping[_Peer, set[_Port]]) -> list[dict[str, Any]]:
    """Peers of one kind with the same ports share an element."""
    grouped: dict[tuple[str, frozenset[_Port]], list[tuple[tuple[str, str], ...]]] = {}
    for (kind, what), ports in sorted(peers.items(), key=lambda item: item[0]):
        plain = frozenset(port for port in ports if port[0] not in _FAMILIES)
        icmp = frozenset(port for port in ports if port[0] in _FAMILIES)
        for part in (plain, icmp):
            if part:
                grouped.setdefault((kind, part), []).append(what)
    elements = []
    for (kind, shared), found in grouped.items():
        element: dict[str, Any] = {}
        if kind == "pods":
            element[f"{way}Endpoints"] = [{"matchLabels": dict(labels)} for labels in found]
        elif kind == "names":
            element["toFQDNs"] = [dict(names) for names in found]
        elif kind == "entity":
            element[f"{way}Entities"] = [what[0][0] for what in found]
        else:
            element[f"{way}CIDR"] = [what[0][0] for what in found]
        if next(iter(shared))[0] in _FAMILIES:
            fields = [{"family": _FAMILIES[protocol], "type": number} for protocol, number in sorted(shared)]
            element["icmps"] = [{"fields": fields}]
        else:
            element.update(_ports(shared))
        elements.append(element)
    return elements


def _dns_element(resolvers: Iterable[_Labels]) -> dict[str, Any]:
    return {
        "toEndpoints": [{"matchLabels": dict(labels)} for labels in sorted(resolvers) or [_RESOLVER]],
        "toPorts": [
            {"ports": [{"port": str(_DNS_PORT), "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}
        ],
    }


def _manifest(subject: _Subject) -> dict[str, Any]:
    spec: dict[str, Any] = {"endpointSelector": {"matchLabels": dict(subject.labels)}}
    inward, outward = subject.peers[Direction.INGRESS], subject.peers[Direction.EGRESS]
    named = any(kind == "names" for kind, _ in outward)
    ingress, egress = _elements("from", inward), _elements("to", outward)
    if subject.resolvers or named:
        egress.insert(0, _dns_element(subject.resolvers))
    if ingress or inward:
        spec["ingress"] = ingress or [{}]
    if egress:
        spec["egress"] = egress
    name = "-".join(value for key, value in subject.labels if key != NAMESPACE_LABEL and value) or "pods"
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {
            "name": f"{name}-observed".lower().replace("_", "-").replace(".", "-"),
            "namespace": subject.namespace,
        },
        "spec": spec,
    }


def learn(flows: Iterable[FlowRecord], namespaces: Collection[str], config: PolicyConfig | None = None) -> Learned:
    """Policies for the pods of ``namespaces`` that allow what was observed to get through, and nothing else.

    Replies and dropped flows are not learned from. The result was checked: ``cut`` lists what it would not allow.
    """
    config = config or PolicyConfig()
    observed = [flow for flow in dict.fromkeys(flows) if not flow.reply and not flow.dropped]
    subjects, used = _subjects(observed, set(namespaces))
    policies = tuple(_manifest(subject) for _, subject in sorted(subjects.items()))
    policies = tuple(policy for policy in policies if len(policy["spec"]) > 1)
    repository = Repository(config)
    for policy in policies:
        repository.upsert(parse(policy, config))
    return Learned(policies, used, would_be_cut(repository, observed))
