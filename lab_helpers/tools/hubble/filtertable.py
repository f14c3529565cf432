"""The filter flags of ``hubble observe`` and what they say of themselves."""

_TYPE_TABLE = """TYPE             SUBTYPE
capture          n/a
drop             n/a
l7               n/a
policy-verdict   n/a
trace            from-crypto
                 from-endpoint
                 from-host
                 from-network
                 from-overlay
                 from-proxy
                 from-stack
                 to-crypto
                 to-endpoint
                 to-host
                 to-network
                 to-overlay
                 to-proxy
                 to-stack
trace-sock       n/a"""
_CIDR = "an address (1.1.1.1) or a range (1.1.1.0/24)"
_POD = "a name prefix, [namespace/]name, namespace 'default' unless told"
FILTERS: tuple[tuple[str, str, str, str], ...] = (
    # name, shorthand, value when given without one, description
    ("not", "", "true", "Turn the next filter round: --not --from-ip 2.2.2.2"),
    ("uuid", "", "", "The flow with this identifier"),
    ("node-name", "", "", 'Seen by nodes with such names ("k8s*", "test-cluster/*.company.com")'),
    ("node-label", "", "", 'Seen by nodes with such labels ("key1=value1", "io.cilium/egress-gateway")'),
    ("from-cluster", "", "", "From endpoints of the cluster with this name"),
    ("cluster", "", "", "From or to endpoints of the cluster with this name"),
    ("to-cluster", "", "", "To endpoints of the cluster with this name"),
    ("protocol", "", "", 'Of this L4 or L7 protocol ("udp", "http")'),
    ("tcp-flags", "", "", 'With these TCP flags set ("syn", "syn,ack")'),
    ("type", "t", "", f"Of this type of event, TYPE[:SUBTYPE]:\n{_TYPE_TABLE}"),
    ("verdict", "", "", "With this verdict: FORWARDED, DROPPED, AUDIT, REDIRECTED, ERROR, TRACED, TRANSLATED"),
    ("drop-reason-desc", "", "", 'Dropped for this reason ("POLICY_DENIED", "UNSUPPORTED_L3_PROTOCOL")'),
    ("http-status", "", "", 'With this HTTP status or its beginning ("404", "5+")'),
    ("http-method", "", "", 'With this HTTP method ("get", "post")'),
    ("http-path", "", "", 'With an HTTP path that matches this regular expression ("/page/\\\\d+")'),
    ("http-url", "", "", "With an HTTP URL that matches this regular expression"),
    ("http-header", "", "", 'With this HTTP header ("name:value")'),
    ("trace-id", "", "", "Of the trace with this identifier"),
    ("ip-trace-id", "", "", "With this trace identifier in an IP option"),
    ("from-fqdn", "", "", 'From a domain name ("*.cilium.io")'),
    ("fqdn", "", "", 'From or to a domain name ("*.cilium.io")'),
    ("to-fqdn", "", "", 'To a domain name ("*.cilium.io")'),
    ("from-ip", "", "", f"From {_CIDR}"),
    ("snat-ip", "", "", f"With the source translated to {_CIDR}"),
    ("ip", "", "", f"From or to {_CIDR}"),
    ("to-ip", "", "", f"To {_CIDR}"),
    ("ipv4", "4", "v4", "IPv4 only"),
    ("ipv6", "6", "v6", "IPv6 only"),
    ("ip-version", "", "", 'IPv4, IPv6 or neither ("v4", "v6", "none")'),
    ("from-pod", "", "", f"From pods: {_POD}"),
    ("pod", "", "", f"From or to pods: {_POD}"),
    ("to-pod", "", "", f"To pods: {_POD}"),
    ("from-namespace", "", "", "From this namespace"),
    ("namespace", "n", "", "From or to this namespace"),
    ("to-namespace", "", "", "To this namespace"),
    ("from-all-namespaces", "", "true", "From any namespace"),
    ("all-namespaces", "A", "true", "From or to any namespace"),
    ("to-all-namespaces", "", "true", "To any namespace"),
    ("from-label", "", "", 'From endpoints with such labels ("key1=value1", "reserved:world")'),
    ("label", "l", "", 'From or to endpoints with such labels ("key1=value1", "reserved:world")'),
    ("to-label", "", "", 'To endpoints with such labels ("key1=value1", "reserved:world")'),
    ("from-service", "", "", f"From the address of a Service: {_POD}"),
    ("service", "", "", f"From or to the address of a Service: {_POD}"),
    ("to-service", "", "", f"To the address of a Service: {_POD}"),
    ("from-port", "", "", "From this port"),
    ("port", "", "", "From or to this port"),
    ("to-port", "", "", "To this port"),
    ("from-workload", "", "", "From pods of a workload, [kind/]name"),
    ("workload", "", "", "From or to pods of a workload, [kind/]name"),
    ("to-workload", "", "", "To pods of a workload, [kind/]name"),
    ("from-identity", "", "", "From endpoints with this security identity, a number or a reserved name"),
    ("identity", "", "", "From or to endpoints with this security identity"),
    ("to-identity", "", "", "To endpoints with this security identity"),
    ("traffic-direction", "", "", "In this direction (ingress or egress)"),
    ("cel-expression", "", "", "For which this CEL expression over _flow is true"),
    ("interface", "", "", "Seen at the network interface with this name"),
    ("encrypted", "", "true", "Encrypted on the wire"),
    ("unencrypted", "", "true", "Not encrypted on the wire"),
)
"""Filter flags in the order of definition. What they do is in ``filterflags``."""
