"""Numbers and names of monitor events: what the printer prints, what filters accept, what the datapath emits.

Drop texts are indexed by the *sub type* of a drop event; they differ from the names of the DropReason enum (136, 161,
181). Trace points are sub types of trace events, where 0 is to-endpoint (the TraceObservationPoint enum says 101).
Follows Cilium ``pkg/monitor/api`` (1.19).
"""

from types import MappingProxyType

DROP = 1
DEBUG = 2
CAPTURE = 3
TRACE = 4
POLICY_VERDICT = 5
TRACE_SOCK = 7
ACCESS_LOG = 129
AGENT = 130

EVENT_TYPES = MappingProxyType(
    {
        "agent": AGENT,
        "capture": CAPTURE,
        "debug": DEBUG,
        "drop": DROP,
        "l7": ACCESS_LOG,
        "policy-verdict": POLICY_VERDICT,
        "trace": TRACE,
        "trace-sock": TRACE_SOCK,
    }
)
"""Event types by the name the command line knows."""

DROP_TEXTS = MappingProxyType(
    {
        0: "Success",
        2: "Invalid packet",
        3: "Interface",
        4: "Interface Decrypted",
        5: "LB, sock cgroup: No backend slot entry found",
        6: "LB, sock cgroup: No backend entry found",
        7: "LB, sock cgroup: Reverse entry update failed",
        8: "LB, sock cgroup: Reverse entry stale",
        9: "Fragmented packet",
        10: "Fragmented packet entry update failed",
        11: "Missed tail call to custom program",
        12: "Interface Decrypting",
        13: "Interface Encrypting",
        14: "LB: sock cgroup: Reverse entry delete succeeded",
        15: "MTU error message",
        130: "Invalid source mac",
        131: "Invalid destination mac",
        132: "Invalid source ip",
        133: "Policy denied",
        134: "Invalid packet",
        135: "CT: Truncated or invalid header",
        136: "Fragmentation needed",
        137: "CT: Unknown L4 protocol",
        138: "CT: Can't create entry from packet",
        139: "Unsupported L3 protocol",
        140: "Missed tail call",
        141: "Error writing to packet",
        142: "Unknown L4 protocol",
        143: "Unknown ICMPv4 code",
        144: "Unknown ICMPv4 type",
        145: "Unknown ICMPv6 code",
        146: "Unknown ICMPv6 type",
        147: "Error retrieving tunnel key",
        148: "Error retrieving tunnel options",
        149: "Invalid Geneve option",
        150: "Unknown L3 target address",
        151: "Stale or unroutable IP",
        152: "No matching local container found",
        153: "Error while correcting L3 checksum",
        154: "Error while correcting L4 checksum",
        155: "CT: Map insertion failed",
        156: "Invalid IPv6 extension header",
        157: "IP fragmentation not supported",
        158: "Service backend not found",
        160: "No tunnel/encapsulation endpoint (datapath BUG!)",
        161: "NAT 46/64 not enabled",
        162: "Reached EDT rate-limiting drop horizon",
        163: "Unknown connection tracking state",
        164: "Local host is unreachable",
        165: "No configuration available to perform policy decision",
        166: "Unsupported L2 protocol",
        167: "No mapping for NAT masquerade",
        168: "Unsupported protocol for NAT masquerade",
        169: "FIB lookup failed",
        170: "Encapsulation traffic is prohibited",
        171: "Invalid identity",
        172: "Unknown sender",
        173: "NAT not needed",
        174: "Is a ClusterIP",
        175: "First logical datagram fragment not found",
        176: "Forbidden ICMPv6 message",
        177: "Denied by LB src range check",
        178: "Socket lookup failed",
        179: "Socket assign failed",
        180: "Proxy redirection not supported for protocol",
        181: "Policy denied by denylist",
        182: "VLAN traffic disallowed by VLAN filter",
        183: "Incorrect VNI from VTEP",
        184: "Failed to update or lookup TC buffer",
        185: "No SID was found for the IP address",
        186: "SRv6 state was removed during tail call",
        187: "L3 translation from IPv4 to IPv6 failed (NAT46)",
        188: "L3 translation from IPv6 to IPv4 failed (NAT64)",
        189: "Authentication required",
        190: "No conntrack map found",
        191: "No nat map found",
        192: "Invalid ClusterID",
        193: "Unsupported packet protocol for DSR encapsulation",
        194: "No egress gateway found",
        195: "Traffic is unencrypted",
        196: "TTL exceeded",
        197: "No node ID found",
        198: "Rate limited",
        199: "IGMP handled",
        200: "IGMP subscribed",
        201: "Multicast handled",
        202: "Host datapath not ready",
        203: "Endpoint policy program not available",
        204: "No Egress IP configured",
        205: "Punt to proxy",
    }
)
"""Text of a drop by its reason number; 0-15 are no drops but share the number space."""

TRACE_POINTS = (
    "to-endpoint",
    "to-proxy",
    "to-host",
    "to-stack",
    "to-overlay",
    "from-endpoint",
    "from-proxy",
    "from-host",
    "from-stack",
    "from-overlay",
    "from-network",
    "to-network",
    "from-crypto",
    "to-crypto",
)
"""Trace points by sub type."""

AGENT_SUB_TYPES = MappingProxyType(
    {
        "unspecified": 0,
        "message": 1,
        "agent-started": 2,
        "endpoint-regenerate-success": 3,
        "endpoint-regenerate-failure": 4,
        "policy-updated": 5,
        "policy-deleted": 6,
        "endpoint-created": 7,
        "endpoint-deleted": 8,
        "ipcache-upserted": 9,
        "ipcache-deleted": 10,
        "service-upserted": 11,
        "service-deleted": 12,
    }
)
"""Agent notifications by the name the command line knows: the monitor's numbers, not those of AgentEventType."""

MATCH_TYPES = ("none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only")
"""Names of Flow.policy_match_type."""

SOCK_POINTS = ("", "pre-xlate-fwd", "post-xlate-fwd", "pre-xlate-rev", "post-xlate-rev")
"""Names of SocketTranslationPoint from 1 on."""

RESERVED_IDENTITIES = (
    "unknown",
    "host",
    "world",
    "unmanaged",
    "health",
    "init",
    "remote-node",
    "kube-apiserver",
    "ingress",
    "world-ipv4",
    "world-ipv6",
)
"""Names of the reserved numeric identities 0-10 as Hubble prints them."""

OVERLAY_TO_ENCRYPT = 11
"""A reserved identity with a name on input (``overlay-to-encrypt``) and none on output."""


def drop_text(reason: int) -> str:
    """Text of a drop reason; only the low eight bits count, unknown ones read ``n, 0``."""
    reason &= 0xFF
    return DROP_TEXTS.get(reason) or f"{reason}, 0"


def trace_point(sub_type: int) -> str:
    """Name of a trace point; only the low eight bits count, unknown ones are the number."""
    sub_type &= 0xFF
    return TRACE_POINTS[sub_type] if sub_type < len(TRACE_POINTS) else str(sub_type)


def match_type(number: int) -> str:
    """Name of a policy match type."""
    return MATCH_TYPES[number] if number < len(MATCH_TYPES) else "unknown"
