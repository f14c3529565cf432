"""Flows as the engine sees them: who talked with whom, where, and about what. And what a set of policies would have
said.

Flows come from Hubble (or any file of it); reading them is somebody else's work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab_helpers.policy.decisions import Decision
from lab_helpers.policy.identities import LOCAL_SCOPE, Endpoint, Identity, NamedPort, pod_namespace
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.parties import hash_of
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.requests import HTTPRequest, L7Parser, dns_allows, http_allows
from lab_helpers.policy.rules import Direction

__all__ = ["Cut", "FlowEnd", "FlowRecord", "end_endpoint", "judge_flow", "would_be_cut"]


@dataclass(frozen=True, slots=True)
class FlowEnd:
    """One end. ``names`` are the DNS names its address was known by; ``pod`` is "" for what is no pod."""

    identity: int
    labels: LabelSet
    namespace: str = ""
    pod: str = ""
    workload: str = ""
    ip: str = ""
    names: tuple[str, ...] = ()
    named_ports: tuple[NamedPort, ...] = ()

    def __str__(self) -> str:
        if self.pod:
            return f"{self.namespace}/{self.workload or self.pod}"
        if self.names:
            return self.names[0]
        reserved = self.labels.of("reserved")
        known = reserved[0].key if reserved else str(self.identity)
        return f"{self.ip} ({known})" if self.ip else known


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """One observed connection. ``port`` is the destination's, or the ICMP type. ``dropped``: it did not get through."""

    source: FlowEnd
    target: FlowEnd
    protocol: Protocol
    port: int
    dropped: bool = False
    reply: bool = False
    http: HTTPRequest | None = None
    dns: str = ""

    def __str__(self) -> str:
        about = f" {self.http.method} {self.http.path}" if self.http else f" {self.dns}" if self.dns else ""
        return f"{self.source} → {self.target}:{self.port}/{self.protocol.text}{about}"


@dataclass(frozen=True, slots=True)
class Cut:
    """A recorded flow that would not have got through. ``request``: the connection would, but not the request over
    it.
    """

    flow: FlowRecord
    direction: Direction
    decision: Decision
    request: bool = False

    def __str__(self) -> str:
        by = ", ".join(str(rule) for rule in self.decision.rules) or str(self.decision.why)
        return f"{self.flow}: {self.direction} {'request refused by the proxy' if self.request else 'denied'} ({by})"


def end_endpoint(repository: Repository, end: FlowEnd) -> Endpoint:
    """A flow's end as an endpoint of the repository. An address outside gets the labels the policies in use give it."""
    labels = end.labels
    numeric = end.identity
    outside = (
        labels.of("cidr") or labels.of("fqdn") or any(label.key.startswith("world") for label in labels.of("reserved"))
    )
    if outside and pod_namespace(labels) is None:
        labels = _outside_labels(repository, end)
        numeric = LOCAL_SCOPE + 1 + hash_of(labels) if len(labels) > 1 else (end.identity if end.identity < 256 else 2)
    return Endpoint(str(end), Identity(numeric, labels), end.named_ports)


def _outside_labels(repository: Repository, end: FlowEnd) -> LabelSet:
    address = end.ip or "192.0.2.1"
    found = repository.address_labels(address, end.names)
    if not end.ip:
        found = LabelSet(label for label in found if label.source != "cidr")
    kept = [label for label in end.labels if label.source == "reserved" and not label.key.startswith("world")]
    return found.union(kept)


def judge_flow(repository: Repository, flow: FlowRecord) -> Iterator[Cut]:
    """The directions in which a flow would be cut."""
    source, target = end_endpoint(repository, flow.source), end_endpoint(repository, flow.target)
    for direction in (Direction.EGRESS, Direction.INGRESS):
        subject, peer = (source, target) if direction is Direction.EGRESS else (target, source)
        decision = repository.decide(direction, subject, peer, flow.protocol, flow.port)
        if not decision.allowed:
            yield Cut(flow, direction, decision)
        elif decision.redirect is not None and not decision.redirect.unrestricted:
            redirect = decision.redirect
            refused = (
                redirect.parser is L7Parser.HTTP and flow.http is not None and not http_allows(redirect.http, flow.http)
            ) or (redirect.parser is L7Parser.DNS and flow.dns and not dns_allows(redirect.dns, flow.dns))
            if refused:
                yield Cut(flow, direction, decision, request=True)


def would_be_cut(repository: Repository, flows: Iterable[FlowRecord]) -> tuple[Cut, ...]:
    """The flows that got through when they were recorded, and would not under the policies of the repository."""
    seen = dict.fromkeys(flow for flow in flows if not flow.reply and not flow.dropped)
    return tuple(cut for flow in seen for cut in judge_flow(repository, flow))
