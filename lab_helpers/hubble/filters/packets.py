"""Conditions on the event, the packet and the node that saw it."""

from typing import Any

from lab_helpers.hubble import events
from lab_helpers.hubble.errors import FilterError
from lab_helpers.hubble.filters.patterns import compile_node_patterns, quoted
from lab_helpers.hubble.filters.predicates import Parts
from lab_helpers.hubble.filters.selectors import compile_selectors
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.hubble.records import Record

_DROPPED = flow_pb2.DROPPED
_L4 = {
    "icmp": ("ICMPv4", "ICMPv6"),
    "icmpv4": ("ICMPv4",),
    "icmpv6": ("ICMPv6",),
    "tcp": ("TCP",),
    "udp": ("UDP",),
    "sctp": ("SCTP",),
    "vrrp": ("VRRP",),
    "igmp": ("IGMP",),
}
_L7 = ("dns", "http", "kafka")
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS")


def uuid(message: Any) -> Parts:
    """The flow's identifier."""
    if message.uuid:
        wanted = frozenset(message.uuid)
        yield 8, lambda record: record.flow.uuid in wanted


def event_type(message: Any) -> Parts:
    """The kind of monitor event; type 0 is any."""
    if not message.event_type:
        return
    wanted = [(entry.type, entry.sub_type if entry.match_sub_type else None) for entry in message.event_type]
    if all(number and sub_type is None for number, sub_type in wanted):
        numbers = frozenset(number for number, _ in wanted)
        yield 1, lambda record: record.event_type in numbers
        return

    def check(record: Record) -> bool:
        number, sub_type = record.event_type, record.sub_type
        return any((not a or a == number) and (b is None or b == sub_type) for a, b in wanted)

    yield 3, check


def verdict(message: Any) -> Parts:
    """What became of the packet."""
    if message.verdict:
        wanted = frozenset(message.verdict)
        yield 1, lambda record: record.verdict in wanted


def drop_reason(message: Any) -> Parts:
    """Why a packet was dropped; only dropped flows have a reason."""
    if message.drop_reason_desc:
        wanted = frozenset(message.drop_reason_desc)
        yield 4, lambda record: record.verdict == _DROPPED and record.flow.drop_reason_desc in wanted


def reply(message: Any) -> Parts:
    """Direction within the connection; where it is unknown, only drops match, as no reply."""
    if not message.reply:
        return
    wanted = frozenset(message.reply)
    drops = False in wanted

    def check(record: Record) -> bool:
        if record.is_reply is None:
            return drops and record.verdict == _DROPPED
        return record.is_reply in wanted

    yield 2, check


def encrypted(message: Any) -> Parts:
    """Whether the packet was encrypted on the wire."""
    if message.encrypted:
        wanted = frozenset(message.encrypted)
        yield 8, lambda record: record.flow.IP.encrypted in wanted


def protocol(message: Any) -> Parts:
    """Transport or application protocol, by name."""
    if not message.protocol:
        return
    l4: set[str] = set()
    l7: set[str] = set()
    for name in message.protocol:
        lower = name.lower()
        if lower in _L4:
            l4.update(_L4[lower])
        elif lower in _L7:
            l7.add(lower)
        else:
            raise FilterError(f"invalid protocol filter: unknown protocol: {quoted(name)}")
    if not l7:
        yield 1, lambda record: record.protocol in l4
    elif not l4:
        yield 1, lambda record: record.l7 in l7
    else:
        yield 2, lambda record: record.protocol in l4 or record.l7 in l7


def tcp_flags(message: Any) -> Parts:
    """All flags of one entry are set; others do not matter."""
    if not message.tcp_flags:
        return
    wanted = [tuple(flag for flag in _FLAGS if getattr(entry, flag)) for entry in message.tcp_flags]

    def check(record: Record) -> bool:
        if record.protocol != "TCP":
            return False
        header = record.flow.l4.TCP
        return header.HasField("flags") and any(all(getattr(header.flags, flag) for flag in entry) for entry in wanted)

    yield 7, check


def node_name(message: Any) -> Parts:
    """The node that saw it: ``cluster/node`` with ``*``."""
    if not message.node_name:
        return
    search = compile_node_patterns(message.node_name)
    known: dict[str, bool] = {}

    def check(record: Record) -> bool:
        name = record.node_name
        found = known.get(name)
        if found is None:
            found = bool(name) and search(name if "/" in name else f"default/{name}") is not None
            known[name] = found
        return found

    yield 2, check


def node_labels(message: Any) -> Parts:
    """Labels of the node."""
    if message.node_labels:
        matches = compile_selectors(message.node_labels, "node label")
        yield 8, lambda record: matches(tuple(record.flow.node_labels))


def ip_version(message: Any) -> Parts:
    """IPv4, IPv6 or neither."""
    if message.ip_version:
        wanted = frozenset(message.ip_version)
        yield 8, lambda record: not record.missing and record.flow.IP.ipVersion in wanted


def traffic_direction(message: Any) -> Parts:
    """Ingress or egress."""
    if message.traffic_direction:
        wanted = frozenset(message.traffic_direction)
        yield 1, lambda record: record.direction in wanted


def interface(message: Any) -> Parts:
    """The node's network interface by index and name; 0 and "" stand for any."""
    if not message.interface:
        return
    wanted = [(entry.index, entry.name) for entry in message.interface]

    def check(record: Record) -> bool:
        flow = record.flow
        if not flow.HasField("interface"):
            return False
        index, name = flow.interface.index, flow.interface.name
        return any((not a or a == index) and (not b or b == name) for a, b in wanted)

    yield 8, check


def ip_trace_id(message: Any) -> Parts:
    """The identifier from an IP option; 0 matches flows without one."""
    if message.ip_trace_id:
        wanted = frozenset(message.ip_trace_id)
        yield 8, lambda record: record.flow.ip_trace_id.trace_id in wanted


def is_l7_compatible(message: Any) -> bool:
    """Whether a filter's event types leave room for application-layer events."""
    return not message.event_type or any(entry.type == events.ACCESS_LOG for entry in message.event_type)
