"""Events as text: one line each; with ``-vv`` the packet below (pkg/monitor/datapath_*.go, logrecord.go)."""

from __future__ import annotations

from typing import Any, Final

from lab_helpers.hubble.events import trace_point
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.twin.agent.dbg.dissecting import connection, dissected, hex_dump
from lab_helpers.twin.agent.dbg.events import DROP, TRACE, VERDICT, Event
from lab_helpers.twin.agent.dbg.identities import identity_name
from lab_helpers.twin.datapath.points import TracePoint

__all__ = [
    "SOCKET_POINTS",
    "STATES",
    "event_line",
    "event_lines",
    "kafka_code",
    "layer7_verdict",
    "socket_line",
    "trace_summary",
]

_SEPARATOR: Final = "-" * 78
_SUMMARIES: Final = {
    TracePoint.TO_HOST: "-> host from",
    TracePoint.TO_STACK: "-> stack",
    TracePoint.TO_OVERLAY: "-> overlay",
    TracePoint.TO_NETWORK: "-> network",
    TracePoint.FROM_OVERLAY: "<- overlay",
    TracePoint.FROM_NETWORK: "<- network",
}
STATES: Final = {0: "unknown", 1: "new", 2: "established", 3: "reply", 4: "related", 5: "reopened"}
_MATCHES: Final = ("none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only")
SOCKET_POINTS: Final = {1: "pre-xlate-fwd", 2: "post-xlate-fwd", 3: "pre-xlate-rev", 4: "post-xlate-rev"}
_TOPIC_DENIED: Final = 29
_PROTOCOLS: Final = {"TCP": 6, "UDP": 17, "ICMPv4": 1}


def _identity(number: int, *, numeric: bool) -> str:
    return str(number) if numeric else identity_name(number)


def _pair(event: Event, *, numeric: bool) -> str:
    return "->".join(_identity(number, numeric=numeric) for number in event.identities)


def trace_summary(event: Event) -> str:
    """``-> endpoint 123``."""
    if event.point == TracePoint.TO_ENDPOINT:
        return f"-> endpoint {event.destination}"
    if event.point == TracePoint.TO_PROXY:
        return "-> proxy" + (f" port {event.destination}" if event.destination else "")
    if event.point == TracePoint.FROM_ENDPOINT:
        return f"<- endpoint {event.source}"
    return _SUMMARIES.get(event.point, "unknown trace")


def _original(event: Event) -> str:
    return str(event.flow.IP.source) if event.point == TracePoint.TO_ENDPOINT else "0.0.0.0"


def event_line(event: Event, *, numeric: bool = False) -> str:
    """One event on one line."""
    flow = event.flow
    if event.kind == DROP:
        return (
            f"xx drop ({event.reason}) flow {event.hash:#x} to endpoint {event.destination}, "
            f"ifindex {flow.interface.index}, file {flow.file.name}:{flow.file.line}, "
            f", identity {_pair(event, numeric=numeric)}: {connection(event.data)}"
        )
    if event.kind == VERDICT:
        remote = flow.source if event.ingress else flow.destination
        auth = "spire" if flow.auth_type == flow_pb2.SPIRE else "disabled"
        return (
            f"Policy verdict log: flow {event.hash:#x} local EP ID {event.source}, "
            f"remote ID {_identity(remote.identity, numeric=numeric)}, "
            f"proto {_PROTOCOLS.get(flow.l4.WhichOneof('protocol'), 0)}, {'ingress' if event.ingress else 'egress'}, "
            f"action {_action(flow)}, auth: {auth}, match {_MATCHES[flow.policy_match_type]}, {connection(event.data)}"
        )
    if event.kind == TRACE:
        return (
            f"{trace_summary(event)} flow {event.hash:#x} , identity {_pair(event, numeric=numeric)} "
            f"state {STATES.get(flow.trace_reason, 'unknown')} ifindex {flow.interface.name or '0'} "
            f"orig-ip {_original(event)}: {connection(event.data)}"
        )
    return _layer7(flow)


def event_lines(event: Event, *, dissect: bool, numeric: bool = False) -> str:
    """One event with ``-vv``. A drop shows numbers where others show layers, and the other way round: so does the real
    monitor.
    """
    flow = event.flow
    if event.kind not in (DROP, TRACE):
        return event_line(event, numeric=numeric) + "\n"
    head = f"{event.cpu} MARK {event.hash:#x} FROM {event.source}"
    pair = f", identity {_pair(event, numeric=numeric)}" if any(event.identities) else ""
    if event.kind == DROP:
        head += f" DROP: {event.length} bytes, reason {event.reason}{pair}"
        target = f", to endpoint {event.destination}" if event.destination else ""
        dissect = not dissect
    else:
        head += (
            f" {trace_point(event.point)}: {event.length} bytes ({len(event.data)} captured), "
            f"state {STATES.get(flow.trace_reason, 'unknown')}"
        )
        head += f", interface {flow.interface.name}" if flow.interface.index else ""
        head += (f", {pair}" if pair else "") + f", orig-ip {_original(event)}"
        what = "proxy-port" if event.point == TracePoint.TO_PROXY else "endpoint"
        target = f", to {what} {event.destination}" if event.destination else ""
    body = dissected(event.data) if dissect else hex_dump(event.data)
    return f"{_SEPARATOR}\n{head}{target}\n{body}"


def socket_line(event: Event) -> str:
    """A translation by the socket load balancer; the monitor prints it with ``-v`` alone."""
    flow = event.flow
    layer = flow.l4.WhichOneof("protocol")
    return (
        f"{event.cpu} [{SOCKET_POINTS[event.point]}] cgroup_id: {flow.cgroup_id} sock_cookie: {flow.socket_cookie}, "
        f"dst [{flow.IP.destination}]:{getattr(flow.l4, layer).destination_port} {layer.lower()} "
    )


def _action(flow: Any) -> str:
    return {flow_pb2.DROPPED: "deny", flow_pb2.REDIRECTED: "redirect", flow_pb2.AUDIT: "audit"}.get(
        flow.verdict, "allow"
    )


def layer7_verdict(flow: Any) -> str:
    """A proxy's verdict, as access logs have it."""
    return {flow_pb2.DROPPED: "Denied", flow_pb2.ERROR: "Error"}.get(flow.verdict, "Forwarded")


def kafka_code(flow: Any) -> int:
    """The error code of the access log: a denied request's is the one that its client is told."""
    return _TOPIC_DENIED if flow.verdict == flow_pb2.DROPPED else int(flow.l7.kafka.error_code)


def _layer7(flow: Any) -> str:
    response = flow.l7.type == flow_pb2.RESPONSE
    arrow = {flow_pb2.INGRESS: "<-", flow_pb2.EGRESS: "->"}.get(flow.traffic_direction, "??")
    record = flow.l7.WhichOneof("record") or "unknown-l7"
    source, destination = (f"{end.ID} ([{' '.join(end.labels)}])" for end in (flow.source, flow.destination))
    ends = f"to {destination} from {source}" if response else f"from {source} to {destination}"
    head = (
        f"{arrow} {'Response' if response else 'Request'} {record} {ends}, "
        f"identity {flow.source.identity}->{flow.destination.identity}, verdict {layer7_verdict(flow)}"
    )
    if record == "http":
        return f"{head} {flow.l7.http.method} {flow.l7.http.url} => {flow.l7.http.code}"
    if record == "kafka":
        return f"{head} {flow.l7.kafka.api_key} topic {flow.l7.kafka.topic} => {kafka_code(flow)}"
    dns = flow.l7.dns
    asked = f"{head} DNS {dns.observation_source}: {dns.query} {','.join(dns.qtypes)}"
    if not response:
        return asked
    names = f" CNAMEs: {','.join(dns.cnames)}" if dns.cnames else ""
    return f"{asked} TTL: {dns.ttl} Answer: '{','.join(dns.ips)}'{names}"
