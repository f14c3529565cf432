"""The parts of a flow's line: names, ports, identities, kind, verdict, summary.

Functions of a `flow_pb2.Flow` and the Options; with colours on they colour what they return.
"""

import posixpath
from functools import lru_cache
from typing import Any

from lab_helpers.hubble import events
from lab_helpers.hubble.printing.coloring import BAD, GOOD, HOST, IDENTITY, NOTABLE, PORT, paint
from lab_helpers.hubble.printing.options import Options
from lab_helpers.hubble.protos import flow_pb2

_VERDICTS = flow_pb2.Verdict.DESCRIPTOR.values_by_number
_DIRECTIONS = flow_pb2.TrafficDirection.DESCRIPTOR.values_by_number
_CAPTURES = flow_pb2.DebugCapturePoint.DESCRIPTOR.values_by_number
_SOCKS = flow_pb2.SocketTranslationPoint.DESCRIPTOR.values_by_number
_L7 = flow_pb2.L7FlowType.DESCRIPTOR.values_by_number
_AUTH = flow_pb2.AuthType.DESCRIPTOR.values_by_number
_VERDICT_COLORS = {
    flow_pb2.FORWARDED: GOOD,
    flow_pb2.REDIRECTED: GOOD,
    flow_pb2.DROPPED: BAD,
    flow_pb2.ERROR: BAD,
    flow_pb2.AUDIT: NOTABLE,
    flow_pb2.TRACED: NOTABLE,
    flow_pb2.TRANSLATED: NOTABLE,
}
_WITH_PORTS = ("TCP", "UDP", "SCTP")


def enum_name(values: Any, number: int) -> str:
    """The name of an enum value, or the number."""
    known = values.get(number)
    return known.name if known else str(number)


@lru_cache(maxsize=4096)
def joined(namespace: str, name: str) -> str:
    """Namespace and name as Go's path.Join joins them: cleaned, empty parts left out."""
    path = "/".join(part for part in (namespace, name) if part)
    if not path:
        return ""
    path = posixpath.normpath(path)
    return path[1:] if path.startswith("//") else path


def with_port(host: str, port: int, options: Options) -> str:
    """``host:port``; hosts with a colon in brackets, no port for 0."""
    if port:
        shown = paint(PORT, str(port)) if options.color else str(port)
        host = f"[{host}]:{shown}" if ":" in host else f"{host}:{shown}"
    return paint(HOST, host) if options.color else host


def ports(flow: Any) -> tuple[int, int]:
    """Source and destination port; 0 where there is none."""
    if not flow.HasField("l4"):
        return 0, 0
    l4 = flow.l4
    kind = l4.WhichOneof("protocol")
    if kind not in _WITH_PORTS:
        return 0, 0
    header = getattr(l4, kind)
    return header.source_port, header.destination_port


def hosts(flow: Any, options: Options) -> tuple[str, str]:
    """Source and destination as shown, ports included."""
    if not flow.HasField("IP"):
        if flow.HasField("ethernet"):
            return with_port(flow.ethernet.source, 0, options), with_port(flow.ethernet.destination, 0, options)
        return "", ""
    source_port, destination_port = ports(flow)
    packet = flow.IP
    if options.numeric or not options.ip_translation:
        return with_port(packet.source, source_port, options), with_port(packet.destination, destination_port, options)
    source = _host(flow, "source", packet.source)
    destination = _host(flow, "destination", packet.destination)
    return with_port(source, source_port, options), with_port(destination, destination_port, options)


def _host(flow: Any, side: str, address: str) -> str:
    namespace = pod = service = ""
    if flow.HasField(side):
        endpoint = getattr(flow, side)
        namespace, pod = endpoint.namespace, endpoint.pod_name
    if flow.HasField(f"{side}_service"):
        message = getattr(flow, f"{side}_service")
        namespace, service = message.namespace, message.name
    if pod or service:
        return joined(namespace, pod or service)
    return ",".join(getattr(flow, f"{side}_names")) or address


@lru_cache(maxsize=4096)
def identity(number: int, color: bool) -> str:
    """``(world)`` for a reserved identity with a name, else ``(ID:n)``."""
    names = events.RESERVED_IDENTITIES
    text = f"({names[number]})" if number < len(names) else f"(ID:{number})"
    return paint(IDENTITY, text) if color else text


def kind(flow: Any) -> str:
    """The TYPE column: what was observed, and where or why."""
    if flow.HasField("l7"):
        return _l7_kind(flow.l7)
    event = flow.event_type
    match event.type:
        case events.TRACE:
            return events.trace_point(event.sub_type)
        case events.DROP:
            return events.drop_text(event.sub_type)
        case events.POLICY_VERDICT:
            direction = enum_name(_DIRECTIONS, flow.traffic_direction)
            return f"policy-verdict:{events.match_type(flow.policy_match_type)} {direction}"
        case events.CAPTURE:
            return enum_name(_CAPTURES, flow.debug_capture_point)
        case events.TRACE_SOCK:
            point = flow.sock_xlate_point
            return events.SOCK_POINTS[point] if 0 < point < len(events.SOCK_POINTS) else enum_name(_SOCKS, point)
    return "UNKNOWN"


def _l7_kind(l7: Any) -> str:
    stage = enum_name(_L7, l7.type).lower()
    record = l7.WhichOneof("record")
    if record == "dns":
        return f"dns-{stage} {l7.dns.observation_source}"
    return f"{record or 'l7'}-{stage}"


def verdict(flow: Any, options: Options) -> str:
    """The VERDICT column; on policy verdicts ALLOWED, DENIED or AUDITED, and with which policies on request."""
    number = flow.verdict
    text = enum_name(_VERDICTS, number)
    if flow.event_type.type == events.POLICY_VERDICT:
        if number in (flow_pb2.FORWARDED, flow_pb2.REDIRECTED):
            text = "ALLOWED" + (_by(flow, "allowed") if options.policy_names else "")
        elif number in (flow_pb2.DROPPED, flow_pb2.ERROR):
            text = "DENIED" + (_by(flow, "denied") if options.policy_names else "")
        elif number == flow_pb2.AUDIT:
            text = "AUDITED"
    if options.color and number in _VERDICT_COLORS:
        return paint(_VERDICT_COLORS[number], text)
    return text


def _by(flow: Any, decision: str) -> str:
    if flow.traffic_direction == flow_pb2.INGRESS:
        policies = getattr(flow, f"ingress_{decision}_by")
    elif flow.traffic_direction == flow_pb2.EGRESS:
        policies = getattr(flow, f"egress_{decision}_by")
    else:
        return ""
    named = [f"{policy.name} ({policy.kind})" for policy in policies if policy.name and policy.kind]
    return f" BY {', '.join(named)}" if named else ""


def summary(flow: Any, options: Options) -> str:
    """The SUMMARY column: the flow's own, with the IP trace id before and the authentication after it."""
    text: str = flow.Summary
    trace = flow.ip_trace_id.trace_id if flow.HasField("ip_trace_id") else 0
    if trace:
        text = f"IP Trace ID: {trace}; {text}"
    auth = flow.auth_type
    if auth:
        name = enum_name(_AUTH, auth)
        if options.color:
            name = paint(BAD if auth == flow_pb2.TEST_ALWAYS_FAIL else GOOD, name)
        text = f"{text}; Auth: {name}"
    return text
