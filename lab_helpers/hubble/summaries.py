"""The text a server writes into ``Flow.Summary``: what the packet or message was, in a few words.

Follows Cilium ``pkg/hubble/parser`` and the layer names of gopacket.
"""

from typing import Any

_FLAGS = ("SYN", "ACK", "RST", "FIN", "PSH", "URG", "ECE", "CWR", "NS")
_ICMPV4 = {
    0: "EchoReply",
    3: "DestinationUnreachable",
    4: "SourceQuench",
    5: "Redirect",
    8: "EchoRequest",
    9: "RouterAdvertisement",
    10: "RouterSolicitation",
    11: "TimeExceeded",
    12: "ParameterProblem",
    13: "TimestampRequest",
    14: "TimestampReply",
    15: "InfoRequest",
    16: "InfoReply",
    17: "AddressMaskRequest",
    18: "AddressMaskReply",
}
_ICMPV4_CODES = {
    3: (
        "Net",
        "Host",
        "Protocol",
        "Port",
        "FragmentationNeeded",
        "SourceRoutingFailed",
        "NetUnknown",
        "HostUnknown",
        "SourceIsolated",
        "NetAdminProhibited",
        "HostAdminProhibited",
        "NetTOS",
        "HostTOS",
        "CommAdminProhibited",
        "HostPrecedence",
        "PrecedenceCutoff",
    ),
    5: ("Net", "Host", "TOS+Net", "TOS+Host"),
    11: ("TTLExceeded", "FragmentReassemblyTimeExceeded"),
    12: ("PointerIndicatesError", "MissingOption", "BadLength"),
}
_ICMPV6 = {
    1: "DestinationUnreachable",
    2: "PacketTooBig",
    3: "TimeExceeded",
    4: "ParameterProblem",
    128: "EchoRequest",
    129: "EchoReply",
    130: "MLDv1MulticastListenerQueryMessage",
    131: "MLDv1MulticastListenerReportMessage",
    132: "MLDv1MulticastListenerDoneMessage",
    133: "RouterSolicitation",
    134: "RouterAdvertisement",
    135: "NeighborSolicitation",
    136: "NeighborAdvertisement",
    137: "Redirect",
    143: "MLDv2MulticastListenerReportMessageV2",
}
_ICMPV6_CODES = {
    1: (
        "NoRouteToDst",
        "AdminProhibited",
        "BeyondScopeOfSourceAddr",
        "AddressUnreachable",
        "PortUnreachable",
        "SrcAddressFailedIngressPolicy",
        "RejectRouteToDst",
    ),
    3: ("HopLimitExceeded", "FragmentReassemblyTimeExceeded"),
    4: ("ErroneousHeaderField", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"),
}
RCODES = {
    0: "No Error",
    1: "Format Error",
    2: "Server Failure",
    3: "Non-Existent Domain",
    4: "Not Implemented",
    5: "Query Refused",
    6: "Name Exists when it should not",
    7: "RR Set Exists when it should not",
    8: "RR Set that should exist does not",
    9: "Server Not Authoritative for zone",
    10: "Name not contained in zone",
    16: "Bad OPT Version",
    17: "Key not recognized",
    18: "Signature out of time window",
    19: "Bad TKEY Mode",
    20: "Duplicate key name",
    21: "Algorithm not supported",
    22: "Bad Truncation",
    23: "Bad/missing Server Cookie",
}


def summary(flow: Any) -> str:
    """The summary of a flow, from its L7 message or its L4 header."""
    if flow.HasField("l7") and flow.l7.WhichOneof("record"):
        return l7_summary(flow.l7)
    return l4_summary(flow)


def tcp_flags(flags: Any) -> str:
    """Names of the flags that are set, in Hubble's order."""
    return ", ".join(name for name in _FLAGS if getattr(flags, name))


def _icmp(name: str, number: int, code: int, kinds: dict[int, str], codes: dict[int, tuple[str, ...]]) -> str:
    kind = kinds.get(number)
    if kind is None:
        return f"{name} {number}({code})"
    if number not in codes:
        return f"{name} {kind}" if code == 0 else f"{name} {kind}(Code: {code})"
    known = codes[number]
    return f"{name} {kind}({known[code]})" if code < len(known) else f"{name} {kind}(Code: {code})"


def l4_summary(flow: Any) -> str:
    """``TCP Flags: SYN``, ``UDP``, ``ICMPv4 EchoRequest``; without a transport header the layer below it."""
    l4 = flow.l4
    match l4.WhichOneof("protocol"):
        case "TCP":
            return f"TCP Flags: {tcp_flags(l4.TCP.flags)}"
        case "UDP":
            return "UDP"
        case "SCTP":
            return "SCTP"
        case "ICMPv4":
            return _icmp("ICMPv4", l4.ICMPv4.type, l4.ICMPv4.code, _ICMPV4, _ICMPV4_CODES)
        case "ICMPv6":
            return _icmp("ICMPv6", l4.ICMPv6.type, l4.ICMPv6.code, _ICMPV6, _ICMPV6_CODES)
        case "VRRP":
            return "VRRP VRRPv2 Advertisement"
        case "IGMP":
            return "IGMP IGMPv2 Membership Report"
    if flow.HasField("IP"):
        return {1: "IPv4", 2: "IPv6"}.get(flow.IP.ipVersion, "Ethernet")
    return "Ethernet" if flow.HasField("ethernet") else "Unknown"


def l7_summary(l7: Any) -> str:
    """The summary of an HTTP, DNS or Kafka message."""
    response = l7.type == 2
    match l7.WhichOneof("record"):
        case "http":
            return _http(l7, response)
        case "dns":
            return _dns(l7.dns, response)
        case "kafka":
            kafka, kind = l7.kafka, "response" if response else "request"
            text = f"Kafka {kind} {kafka.api_key} correlation id {kafka.correlation_id} topic '{kafka.topic}'"
            return f"{text} return code {kafka.error_code}" if response else text
    return ""


def _http(l7: Any, response: bool) -> str:
    http = l7.http
    if response:
        return f"{http.protocol} {http.code} {l7.latency_ns // 1_000_000}ms ({http.method} {http.url})"
    return f"{http.protocol} {http.method} {http.url}"


def _dns(dns: Any, response: bool) -> str:
    types = ",".join(dns.qtypes)
    if not response:
        return f"DNS Query {dns.query} {types}"
    source = "Proxy" if dns.observation_source == "proxy" else "Query"
    origin = f"({source} {dns.query} {types})"
    if dns.rcode:
        return f"DNS Answer RCode: {RCODES.get(dns.rcode, 'Unknown')} TTL: {dns.ttl} {origin}"
    answer = f'"{",".join(dns.ips)}"' if dns.ips else ""
    if dns.cnames:
        answer += (" " if answer else "") + f'CNAMEs: "{",".join(dns.cnames)}"'
    return f"DNS Answer {answer} TTL: {dns.ttl} {origin}"
