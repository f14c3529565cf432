"""What one flow says about a service map: who spoke to whom, on which port, with what verdict, and what was asked.

Reads ``flow.Flow`` messages. Socket events are left out (their address is the Service's, before translation), and so
are trace points that cannot tell who began.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lab_helpers.views.map.places import Place, PlaceKind, place_of

if TYPE_CHECKING:
    from lab_helpers.hubble.protos.flow_pb2 import Flow

__all__ = ["Asked", "Connection", "Line", "Sighting", "dns_names", "sighting"]

_DROP, _TRACE, _POLICY_VERDICT, _ACCESS_LOG = 1, 4, 5, 129
_TO_ENDPOINT, _TO_STACK, _TO_NETWORK = 0, 3, 11
_ARRIVALS: Final = {True: (_TO_ENDPOINT,), False: (_TO_STACK, _TO_NETWORK)}
"""The trace points at which a packet has arrived, as far as this cluster sees: at a pod, or on its way out."""
_AUDIT, _REDIRECTED = 4, 5
_RCODES: Final = {0: "answered", 1: "FORMERR", 2: "SERVFAIL", 3: "no such name", 4: "NOTIMP", 5: "REFUSED"}


class Line(NamedTuple):
    """The key of an edge: ends, protocol in capitals, port (0 where there is none), verdict as Hubble names it."""

    source: Place
    target: Place
    protocol: str
    port: int
    verdict: str


class Connection(NamedTuple):
    """What makes a connection: both addresses and ports. Packets of one connection count once."""

    source_ip: str
    source_port: int
    target_ip: str
    target_port: int
    protocol: str


class Asked(NamedTuple):
    """A request or its answer. ``kind`` is "http" or "dns"; ``what`` method and path, or type and name.

    ``answer`` is the status or the DNS outcome, "" for the request.
    """

    kind: str
    what: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One flow, read. ``time`` in nanoseconds since 1970. ``counts``: it stands for a connection of its own."""

    line: Line
    time: int
    connection: Connection
    counts: bool
    asked: Asked | None = None
    policies: tuple[str, ...] = ()
    reason: str = ""
    pods: tuple[str, str] = ("", "")
    identities: tuple[int, int] = (0, 0)


def sighting(flow: Flow, learned: Mapping[str, str]) -> Sighting | None:
    """Read one flow; None when it says nothing about who speaks to whom. ``learned``: names by address."""
    event, sub_type = flow.event_type.type, flow.event_type.sub_type
    protocol, source_port, target_port = _ports(flow)
    if not protocol or event not in (_DROP, _TRACE, _POLICY_VERDICT, _ACCESS_LOG):
        return None
    answered = event == _ACCESS_LOG and flow.l7.type == 2
    if event == _TRACE:
        if not flow.HasField("is_reply") or flow.is_reply.value:
            return None
        if sub_type not in _ARRIVALS[bool(flow.destination.pod_name)]:
            return None
    ends = [
        (flow.source, flow.IP.source, flow.source_names, source_port),
        (flow.destination, flow.IP.destination, flow.destination_names, target_port),
    ]
    if answered:
        ends.reverse()
    (source, source_ip, source_names, from_port), (target, target_ip, target_names, port) = ends
    line = Line(
        place_of(source, source_ip, source_names, learned),
        place_of(target, target_ip, target_names, learned),
        protocol,
        port,
        _verdict(flow, event),
    )
    return Sighting(
        line,
        flow.time.seconds * 1_000_000_000 + flow.time.nanos,
        Connection(source_ip, from_port, target_ip, port, protocol),
        # what goes to a proxy arrives there, what is audited is dropped by nobody: their verdicts stand for them
        counts=event in (_DROP, _TRACE) or (event == _POLICY_VERDICT and flow.verdict in (_AUDIT, _REDIRECTED)),
        asked=_asked(flow) if event == _ACCESS_LOG else None,
        policies=_policies(flow),
        reason=_reason(flow, event),
        pods=(_pod(source, source_ip, line.source), _pod(target, target_ip, line.target)),
        identities=(int(source.identity), int(target.identity)),
    )


def dns_names(flow: Flow) -> Mapping[str, str]:
    """Address → name, from an answer that Hubble's DNS proxy saw; empty for everything else."""
    if flow.event_type.type != _ACCESS_LOG or not flow.l7.dns.ips:
        return {}
    name = flow.l7.dns.query.rstrip(".")
    return dict.fromkeys(flow.l7.dns.ips, name)


def _verdict(flow: Flow, event: int) -> str:
    """A redirected packet is forwarded: to the proxy first. What the proxy then says has lines of its own."""
    from lab_helpers.hubble.protos import flow_pb2

    name = flow_pb2.Verdict.Name(flow.verdict)
    if name in ("REDIRECTED", "TRACED", "TRANSLATED"):
        return "FORWARDED"
    return "DROPPED" if name == "ERROR" and event == _DROP else name


def _ports(flow: Any) -> tuple[str, int, int]:
    protocol = flow.l4.WhichOneof("protocol")
    if protocol in ("TCP", "UDP", "SCTP"):
        ports = getattr(flow.l4, protocol)
        return protocol, ports.source_port, ports.destination_port
    if protocol in ("ICMPv4", "ICMPv6"):
        return "ICMP", 0, 0
    return "", 0, 0


def _asked(flow: Any) -> Asked | None:
    record = flow.l7.WhichOneof("record")
    answer = flow.l7.type == 2
    if record == "http":
        path = urllib.parse.urlsplit(flow.l7.http.url).path or "/"
        return Asked("http", f"{flow.l7.http.method} {path}", str(flow.l7.http.code) if answer else "")
    if record == "dns":
        kinds = "/".join(flow.l7.dns.qtypes) or "?"
        outcome = _RCODES.get(flow.l7.dns.rcode, f"rcode {flow.l7.dns.rcode}") if answer else ""
        return Asked("dns", f"{kinds} {flow.l7.dns.query.rstrip('.')}", outcome)
    return None


def _policies(flow: Any) -> tuple[str, ...]:
    found = []
    for field in ("ingress_denied_by", "egress_denied_by", "ingress_allowed_by", "egress_allowed_by"):
        for policy in getattr(flow, field):
            where = f"{policy.namespace}/{policy.name}" if policy.namespace else policy.name
            found.append(f"{policy.kind} {where}".strip())
    return tuple(dict.fromkeys(found))


def _reason(flow: Any, event: int) -> str:
    from lab_helpers.hubble import events

    if flow.drop_reason:
        return str(events.drop_text(flow.drop_reason))
    if event == _ACCESS_LOG and flow.l7.type == 1 and flow.verdict == 2:
        return "refused by the proxy"
    return ""


def _pod(endpoint: Any, ip: str, place: Place) -> str:
    return f"{endpoint.namespace}/{endpoint.pod_name}" if place.kind is PlaceKind.WORKLOAD and endpoint.pod_name else ip
