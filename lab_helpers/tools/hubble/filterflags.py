"""From filter flags to FlowFilter messages.

Flags fill one of two pairs of filters, allow or deny (``--not`` sends the next filter flag to deny). A pair has a left
and a right half: flags about either side (``--pod``) put the source condition into the left and the destination
condition into the right half, all others go into both; a flow matches when one half does. Follows Cilium
``hubble/cmd/observe/flows_filter.go``.
"""

from collections.abc import Callable
from typing import Any

from lab_helpers.hubble import events
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.tools.goflags import go_quote
from lab_helpers.tools.goflags.values import parse_uint

_NAMESPACES = ("namespace", "all-namespaces")
_CONFLICTS: tuple[tuple[str, ...], ...] = (
    ("from-fqdn", "from-ip", "ip", "fqdn", "from-namespace", "namespace", "from-all-namespaces", "all-namespaces"),
    ("from-fqdn", "from-ip", "ip", "fqdn", "from-pod", "pod"),
    ("to-fqdn", "to-ip", "ip", "fqdn", "to-namespace", "namespace", "to-all-namespaces", "all-namespaces"),
    ("to-fqdn", "to-ip", "ip", "fqdn", "to-pod", "pod"),
    ("to-pod", *_NAMESPACES),
    ("from-pod", *_NAMESPACES),
    ("to-service", *_NAMESPACES),
    ("from-service", *_NAMESPACES),
    ("label", "from-label"),
    ("label", "to-label"),
    ("service", "from-service"),
    ("service", "to-service"),
    ("port", "to-port"),
    ("port", "from-port"),
    ("identity", "to-identity"),
    ("identity", "from-identity"),
    ("workload", "to-workload"),
    ("workload", "from-workload"),
    ("encrypted", "unencrypted"),
)
_TCP_FLAGS = ("SYN", "FIN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS")
_IDENTITY_NAMES = (*events.RESERVED_IDENTITIES[1:], "11")


class Pair:
    """The two halves of an allow or deny filter under construction."""

    def __init__(self) -> None:
        self.left: Any = None
        self.right: Any = None
        self.given: list[str] = []
        self.namespaces: list[str] = []
        self.source_namespaces: list[str] = []
        self.destination_namespaces: list[str] = []

    def halves(self) -> tuple[Any, Any]:
        """Both halves, made if need be."""
        if self.left is None:
            self.left = flow_pb2.FlowFilter()
        if self.right is None:
            self.right = flow_pb2.FlowFilter()
        return self.left, self.right

    def both(self, field: str, value: Any) -> None:
        """Add a value to a field of both halves."""
        for half in self.halves():
            getattr(half, field).append(value)

    def either(self, field: str, value: Any) -> None:
        """Add a value to the source field of the left and the destination field of the right half."""
        left, right = self.halves()
        getattr(left, f"source_{field}").append(value)
        getattr(right, f"destination_{field}").append(value)

    def filters(self) -> list[Any]:
        """The finished filters: none, one (when the halves are equal) or two."""
        if (
            self.left is None
            and self.right is None
            and not (self.namespaces or self.source_namespaces or self.destination_namespaces)
        ):
            return []
        left, right = self.halves()
        left, right = _copy(left), _copy(right)
        if self.destination_namespaces:
            _in_namespaces(left, "destination", self.destination_namespaces)
            _in_namespaces(right, "destination", self.destination_namespaces)
        if self.source_namespaces:
            _in_namespaces(left, "source", self.source_namespaces)
            _in_namespaces(right, "source", self.source_namespaces)
        if self.namespaces:
            _in_namespaces(left, "source", self.namespaces)
            _in_namespaces(right, "destination", self.namespaces)
        return [left] if left == right else [left, right]


def _copy(message: Any) -> Any:
    out = flow_pb2.FlowFilter()
    out.CopyFrom(message)
    return out


def _in_namespaces(message: Any, side: str, namespaces: list[str]) -> None:
    pods, services = getattr(message, f"{side}_pod"), getattr(message, f"{side}_service")
    if not pods and not services:
        pods.append("")
    for names in (pods, services):
        qualified = []
        for name in names:
            qualified += [name] if "/" in name else [f"{namespace}/{name}" for namespace in namespaces]
        names[:] = qualified


def _namespace_of(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""


def _check_conflicts(given: list[str]) -> None:
    for group in _CONFLICTS:
        found = [flag for flag in group if flag in given]
        if len(found) > 1:
            raise ValueError(f"filters --{found[0]} and --{found[1]} cannot be combined")


def _check_namespaces(pair: Pair) -> None:
    problems: list[str] = []
    for half in (pair.left, pair.right):
        if half is None:
            continue
        found: list[str] = []
        source, destination = (half.source_pod, half.source_service), (half.destination_pod, half.destination_service)
        for namespaces, lists in (
            (pair.namespaces, (*source, *destination)),
            (pair.source_namespaces, source),
            (pair.destination_namespaces, destination),
        ):
            for names in lists:
                found += _foreign(namespaces, names)
        for pods, services in (source, destination):
            found += _inconsistent(pods, services)
        if found:
            problems = found
            break
    if problems:
        raise ValueError("\n".join(problems))


def _foreign(namespaces: list[str], names: Any) -> list[str]:
    for namespace in namespaces:
        for name in names:
            if _namespace_of(name) not in ("", namespace):
                return [f"namespace conflict: {go_quote(namespace)} does not contain {go_quote(name)}"]
    return []


def _inconsistent(pods: Any, services: Any) -> list[str]:
    for pod in pods:
        namespace = _namespace_of(pod)
        if not namespace:
            continue
        for service in services:
            if _namespace_of(service) != namespace:
                return [f"namespace of service {go_quote(service)} conflict with pod {go_quote(namespace)}"]
    return []


class FilterFlags:
    """Collects filter flags in the order of the command line; a bad one raises ValueError."""

    def __init__(self) -> None:
        self.allow = Pair()
        self.deny = Pair()
        self._negated = False

    @property
    def dangling(self) -> bool:
        """Whether the last ``--not`` has no filter after it."""
        return self._negated

    def setter(self, name: str) -> Callable[[str], None]:
        """The function that takes the values of the flag `name`."""
        return lambda value: self.set(name, value)

    def set(self, name: str, value: str) -> None:
        """Take one occurrence of a filter flag, or of ``--not``."""
        if name == "not":
            if self._negated:
                raise ValueError("consecutive --not statements")
            self._negated = True
            return
        pair = self.deny if self._negated else self.allow
        self._negated = False
        if name not in pair.given:
            pair.given.append(name)
        _check_conflicts(pair.given)
        _apply(pair, name, value)
        _check_namespaces(pair)


_LISTS = {
    "uuid": "uuid",
    "snat-ip": "source_ip_xlated",
    "http-status": "http_status_code",
    "http-method": "http_method",
    "http-path": "http_path",
    "http-url": "http_url",
    "protocol": "protocol",
    "node-name": "node_name",
    "node-label": "node_labels",
    "trace-id": "trace_id",
}
"""Flags whose words go into a list of both halves as they are."""

_SIDED = {
    "pod": "pod",
    "ip": "ip",
    "fqdn": "fqdn",
    "label": "label",
    "service": "service",
    "port": "port",
    "cluster": "cluster_name",
}
"""Flags with a ``from-`` and a ``to-`` form whose words are taken as they are."""


def _apply(pair: Pair, name: str, value: str) -> None:
    prefix, _, rest = name.partition("-")
    side = {"from": "source", "to": "destination"}.get(prefix, "")
    base = rest if side else name
    if name in _LISTS:
        pair.both(_LISTS[name], value)
    elif base in _SIDED:
        _put(pair, side, _SIDED[base], value)
    elif base == "identity":
        _put(pair, side, "identity", _identity(value))
    elif base == "workload":
        kind, slash, owner = value.partition("/")
        _put(
            pair, side, "workload", flow_pb2.Workload(kind=kind, name=owner) if slash else flow_pb2.Workload(name=kind)
        )
    elif base in _NAMESPACES:
        lists = {"source": pair.source_namespaces, "destination": pair.destination_namespaces, "": pair.namespaces}
        lists[side].append("" if base == "all-namespaces" else value)
    else:
        _apply_typed(pair, name, value)


def _put(pair: Pair, side: str, field: str, value: Any) -> None:
    if side:
        pair.both(f"{side}_{field}", value)
    else:
        pair.either(field, value)


def _apply_typed(pair: Pair, name: str, value: str) -> None:
    match name:
        case "verdict":
            pair.both("verdict", _enum(flow_pb2.Verdict, name, value))
        case "drop-reason-desc":
            if not value:
                raise ValueError("empty --drop-reason-desc value")
            pair.both("drop_reason_desc", _enum(flow_pb2.DropReason, name, value))
        case "type":
            pair.both("event_type", _event_type(value))
        case "tcp-flags":
            pair.both("tcp_flags", _tcp_flags(value))
        case "http-header":
            key, colon, content = value.partition(":")
            if not colon:
                raise ValueError(f"invalid http-header value {go_quote(value)}, expected name:value")
            pair.both("http_header", flow_pb2.HTTPHeader(key=key, value=content))
        case "ip-version":
            pair.both("ip_version", _ip_version(value))
        case "ipv4":
            pair.both("ip_version", flow_pb2.IPv4)
        case "ipv6":
            pair.both("ip_version", flow_pb2.IPv6)
        case "encrypted" | "unencrypted":
            pair.both("encrypted", name == "encrypted")
        case "traffic-direction":
            direction = {"ingress": flow_pb2.INGRESS, "egress": flow_pb2.EGRESS}.get(value.lower())
            if direction is None:
                raise ValueError(f"{value}: invalid traffic direction, expected ingress or egress")
            pair.both("traffic_direction", direction)
        case "ip-trace-id":
            pair.both("ip_trace_id", _ip_trace_id(value))
        case "interface":
            pair.both("interface", flow_pb2.NetworkInterface(name=value))
        case "cel-expression":
            for half in pair.halves():
                half.experimental.cel_expression.append(value)


def _enum(kind: Any, name: str, value: str) -> int:
    known = kind.DESCRIPTOR.values_by_name.get(value)
    if known is None:
        raise ValueError(f"invalid --{name} value: {value}")
    number: int = known.number
    return number


def _identity(value: str) -> int:
    if value == "overlay-to-encrypt":
        return events.OVERLAY_TO_ENCRYPT
    if value in events.RESERVED_IDENTITIES[1:]:
        return events.RESERVED_IDENTITIES.index(value)
    try:
        return parse_uint(value, 32)
    except ValueError:
        raise ValueError(
            f"invalid security identity, expected one of [{' '.join(_IDENTITY_NAMES)}] or a numeric value"
        ) from None


def _number(text: str) -> int:
    """A decimal number of 32 bits; ValueError in strconv's words."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"strconv.ParseUint: parsing {go_quote(text)}: invalid syntax")
    if int(text) >= 1 << 32:
        raise ValueError(f"strconv.ParseUint: parsing {go_quote(text)}: value out of range")
    return int(text)


def _signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number


def _event_type(value: str) -> Any:
    name, colon, sub = value.partition(":")
    kind = events.EVENT_TYPES.get(name)
    if kind is None:
        try:
            kind = _number(name)
        except ValueError as error:
            raise ValueError(
                f"unable to parse type '{name}', not a known type name and unable to parse as numeric value: {error}"
            ) from None
    if not colon:
        return flow_pb2.EventTypeFilter(type=_signed(kind))
    number: int | None = None
    if kind == events.TRACE and sub in events.TRACE_POINTS:
        number = events.TRACE_POINTS.index(sub)
    elif kind == events.AGENT:
        number = events.AGENT_SUB_TYPES.get(sub)
    if number is None:
        try:
            number = _number(sub)
        except ValueError as error:
            raise ValueError(
                f"unable to parse event sub-type '{sub}', not a known sub-type name and unable to parse as numeric "
                f"value: {error}"
            ) from None
    return flow_pb2.EventTypeFilter(type=_signed(kind), match_sub_type=True, sub_type=_signed(number))


def _tcp_flags(value: str) -> Any:
    flags = flow_pb2.TCPFlags()
    for word in value.split(","):
        if word.upper() not in _TCP_FLAGS:
            raise ValueError(f"unknown tcp flag: {word}")
        setattr(flags, word.upper(), True)
    return flags


def _ip_version(value: str) -> int:
    word = value.lower()
    if word in ("4", "v4", "ipv4", "ip4"):
        return flow_pb2.IPv4
    return flow_pb2.IPv6 if word in ("6", "v6", "ipv6", "ip6") else flow_pb2.IP_NOT_USED


def _ip_trace_id(value: str) -> int:
    if value == "0":
        raise ValueError("invalid --ip-trace-id value; must be greater than 0")
    problem = ""
    if not (value.isascii() and value.isdigit()):
        problem = "invalid syntax"
    elif int(value) >= 1 << 64:
        problem = "value out of range"
    if problem:
        raise ValueError(f"invalid --ip-trace-id value: strconv.ParseUint: parsing {go_quote(value)}: {problem}")
    return int(value)
