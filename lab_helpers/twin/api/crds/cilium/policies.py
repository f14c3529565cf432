"""CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and CiliumCIDRGroup (Cilium pkg/policy/api)."""

from __future__ import annotations

from lab_helpers.twin.api.crds.cilium.definitions import (
    AGE,
    Definition,
    Schema,
    boolean,
    column,
    enum,
    integer,
    listing,
    mapping,
    one_of,
    struct,
    text,
)
from lab_helpers.twin.api.crds.cilium.selectors import selector

__all__ = ["policy_definitions"]

Version = tuple[int, int]

_DNS_NAME = r"^([-a-zA-Z0-9_]+[.]?)+$"
_DNS_PATTERN = r"^([-a-zA-Z0-9_*]+[.]?)+$"
_SERVER_NAME = r"^(\*?\*\.)?([-a-zA-Z0-9_]+\.?)+$"
_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_PORT = (
    r"^(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})"
    r"|([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*$"
)
_PROTOCOLS = ("TCP", "UDP", "SCTP", "VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH", "ANY")
_ENTITIES = (
    "all",
    "world",
    "cluster",
    "cluster-mesh",
    "host",
    "init",
    "ingress",
    "unmanaged",
    "remote-node",
    "health",
    "none",
    "kube-apiserver",
)
_ICMP_NAMES = (
    "EchoReply DestinationUnreachable Redirect Echo RouterAdvertisement RouterSelection TimeExceeded "
    "ParameterProblem Timestamp TimestampReply Photuris ExtendedEchoRequest ExtendedEcho_Reply "
    "PacketTooBig ParameterProblem EchoRequest MulticastListenerQuery MulticastListenerReport "
    "MulticastListenerDone RouterSolicitation RouterAdvertisement NeighborSolicitation "
    "NeighborAdvertisement RedirectMessage RouterRenumbering ICMPNodeInformationQuery "
    "ICMPNodeInformationResponse InverseNeighborDiscoverySolicitation "
    "InverseNeighborDiscoveryAdvertisement HomeAgentAddressDiscoveryRequest "
    "HomeAgentAddressDiscoveryReply MobilePrefixSolicitation MobilePrefixAdvertisement "
    "DuplicateAddressRequestCodeSuffix DuplicateAddressConfirmationCodeSuffix "
)


def _icmps() -> Schema:
    names = "|".join(name.replace("_", " ") for name in _ICMP_NAMES.split())
    kind: Schema = {
        "description": "The ICMP type, by number or by name",
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": f"^([0-9]|[1-9][0-9]|1[0-9]{{2}}|2[0-4][0-9]|25[0-5]|{names})$",
        "x-kubernetes-int-or-string": True,
    }
    family = enum("IPv4", "IPv6", about="The IP version, IPv4 unless said", default="IPv4")
    fields = listing(struct("", ("type",), family=family, type=kind), "Types to match, at most 40", maxItems=40)
    return listing(struct("", fields=fields), "ICMP messages; not together with toPorts in one element")


def _fqdns(about: str) -> Schema:
    rule = struct(
        "",
        matchName=text("The exact name", maxLength=255, pattern=_DNS_NAME),
        matchPattern=text("A pattern, * stands for letters of a label", maxLength=255, pattern=_DNS_PATTERN),
    )
    return listing(rule | {"oneOf": one_of("matchName", "matchPattern")}, about)


def _secret() -> Schema:
    return struct("", ("name",), name=text("Name of the Secret"), namespace=text("Namespace of the Secret"))


def _tls(about: str) -> Schema:
    return struct(
        about,
        ("secret",),
        certificate=text("The secret's key of the certificate"),
        privateKey=text("The secret's key of the private key"),
        secret=_secret(),
        trustedCA=text("The secret's key of the trusted CA"),
    )


def _http() -> Schema:
    match = struct(
        "",
        ("name",),
        mismatch=enum("LOG", "ADD", "DELETE", "REPLACE", about="What to do when the header does not match"),
        name=text("The header's name", minLength=1),
        secret=_secret(),
        value=text("The value wanted"),
    )
    rule = struct(
        "Everything given must match; an empty rule matches every request",
        headerMatches=listing(match, "Headers with an action on mismatch"),
        headers=listing(text(), "Headers that must be there, as name or as name and value"),
        host=text("Expression for the whole Host header", format="idn-hostname"),
        method=text("Expression for the whole method"),
        path=text("Expression for the whole path with its query"),
    )
    return listing(rule, "HTTP requests")


def _kafka() -> Schema:
    rule = struct(
        "",
        apiKey=text("Kafka API key"),
        apiVersion=text("Kafka API version"),
        clientID=text("Kafka client"),
        role=enum("produce", "consume", about="All API keys that producing or consuming needs"),
        topic=text("Kafka topic", maxLength=255),
    )
    return listing(rule, "Kafka requests")


def _rules(version: Version) -> Schema:
    fields = {"dns": _fqdns("DNS queries"), "http": _http()}
    choices = ["http", "dns"]
    if version < (1, 20):
        fields |= {
            "kafka": _kafka(),
            "l7": listing(mapping(text()), "Pairs for the parser in l7proto"),
            "l7proto": text("Name of a parser"),
        }
        choices = ["http", "kafka", "dns", "l7proto"]
    return struct("What is allowed inside the connection", **fields) | {"oneOf": one_of(*choices)}


def _ports(version: Version, *, limit: bool) -> Schema:
    newer = ("GRE", "IPIP", "IPV6", "ESP", "AH")
    protocols = [name for name in _PROTOCOLS if name not in newer or version >= (1, 20)]
    port = struct(
        "",
        endPort=integer("Last port of a range", format="int32", maximum=65535, minimum=0),
        port=text("Number, or name of a container port", pattern=_PORT),
        protocol=enum(*protocols, about="ANY when missing"),
    )
    return listing(port, "Ports", **({"maxItems": 40} if limit else {}))


def _to_ports(version: Version) -> Schema:
    listener = struct(
        "A custom Envoy listener",
        ("envoyConfig", "name"),
        envoyConfig=struct(
            "",
            ("name",),
            kind=enum("CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"),
            name=text(minLength=1),
        ),
        name=text(minLength=1),
        priority=integer("1 is the most important", maximum=100, minimum=1),
    )
    names = listing(
        text(maxLength=255, pattern=_DNS_PATTERN if version >= (1, 20) else _SERVER_NAME),
        "TLS server names",
        minItems=1,
        **{"x-kubernetes-list-type": "set"},
    )
    element = struct(
        "",
        listener=listener,
        originatingTLS=_tls("TLS of the connection that the proxy opens"),
        ports=_ports(version, limit=True),
        rules=_rules(version),
        serverNames=names,
        terminatingTLS=_tls("TLS of the connection that the proxy accepts"),
    )
    return listing(element, "Destination ports and what is allowed on them")


def _cidr_sets() -> Schema:
    element = struct(
        "",
        cidr=text("A prefix", format="cidr"),
        cidrGroupRef=text("Name of a CiliumCIDRGroup", maxLength=253, pattern=_SUBDOMAIN),
        cidrGroupSelector=selector("CiliumCIDRGroups by label"),
        **{"except": listing(text(format="cidr"), "Parts of the prefix that this rule leaves out")},
    )
    return listing(element | {"oneOf": one_of("cidr", "cidrGroupRef", "cidrGroupSelector")}, "Prefixes with exceptions")


def _services() -> Schema:
    named = struct("", namespace=text(), serviceName=text())
    chosen = struct("", ("selector",), namespace=text(), selector=selector("Services by label"))
    return listing(struct("", k8sService=named, k8sServiceSelector=chosen), "Services by name or by label")


def _peers(word: str, version: Version) -> dict[str, Schema]:
    """What ingress and egress have in common; ``word`` is ``from`` or ``to``."""
    entities = tuple(name for name in _ENTITIES if name != "cluster-mesh" or version >= (1, 20))
    aws = struct(
        "",
        labels=mapping(text()),
        region=text(),
        securityGroupsIds=listing(text()),
        securityGroupsNames=listing(text()),
    )
    return {
        f"{word}CIDR": listing(text(format="cidr"), "Prefixes outside the cluster"),
        f"{word}CIDRSet": _cidr_sets(),
        f"{word}Endpoints": listing(selector(), "Pods by label"),
        f"{word}Entities": listing(enum(*entities), "Well-known peers"),
        f"{word}Groups": listing(struct("", aws=aws), "Groups of a cloud provider"),
        f"{word}Nodes": listing(selector(), "Nodes by label"),
        f"{word}Requires": listing(text(), "No longer supported: must stay empty", maxItems=0),
        "icmps": _icmps(),
    }


def _element(word: str, version: Version, *, deny: bool) -> Schema:
    fields = _peers(word, version)
    if deny:
        fields["toPorts"] = listing(struct("", ports=_ports(version, limit=False)), "Destination ports")
    else:
        mode = enum("disabled", "required", "test-always-fail")
        fields["authentication"] = struct("Mutual authentication", ("mode",), mode=mode)
        fields["toPorts"] = _to_ports(version)
        if word == "to":
            fields["toFQDNs"] = _fqdns("Destinations by DNS name")
    if word == "to":
        fields["toServices"] = _services()
    return struct("", **fields)


def _rule(version: Version) -> Schema:
    label = struct("", ("key",), key=text(), source=text("Where the label comes from"), value=text())
    rule = struct(
        "One policy rule: whom it is for, and what is allowed or denied",
        description=text("Free text"),
        egress=listing(_element("to", version, deny=False), "Connections from the subject that are allowed"),
        egressDeny=listing(_element("to", version, deny=True), "Connections from the subject that are denied"),
        enableDefaultDeny=struct(
            "Whether what is not allowed is denied, per direction",
            egress=boolean("Defaults to whether there are egress rules"),
            ingress=boolean("Defaults to whether there are ingress rules"),
        ),
        endpointSelector=selector("The pods this rule is for"),
        ingress=listing(_element("from", version, deny=False), "Connections to the subject that are allowed"),
        ingressDeny=listing(_element("from", version, deny=True), "Connections to the subject that are denied"),
        labels=listing(label, "Labels of the rule itself"),
        log=struct("", value=text("Text that flows of this rule carry", maxLength=32, pattern=r"^\PC*$")),
        nodeSelector=selector("The nodes this rule is for (clusterwide policies only)"),
    )
    alternatives = one_of("ingress", "ingressDeny", "egress", "egressDeny")
    return rule | {"anyOf": alternatives, "oneOf": one_of("endpointSelector", "nodeSelector")}


def _status() -> Schema:
    condition = struct(
        "",
        ("status", "type"),
        lastTransitionTime=text(format="date-time"),
        message=text(),
        reason=text(),
        status=text(),
        type=text(),
    )
    derived = struct(
        "",
        annotations=mapping(text()),
        enforcing=boolean(),
        error=text(),
        lastUpdated=text(format="date-time"),
        localPolicyRevision=integer(format="int64"),
        ok=boolean(),
    )
    keys = {"x-kubernetes-list-map-keys": ["type"], "x-kubernetes-list-type": "map"}
    return struct(
        "What the operator found",
        conditions=listing(condition, "Valid says whether the policy could be parsed", **keys),
        derivativePolicies=mapping(derived, "Policies made from this one"),
    )


def policy_definitions(version: Version) -> tuple[Definition, ...]:
    """The policy kinds of a Cilium version."""
    rule = _rule(version)
    fields = {"spec": rule, "specs": listing(rule, "Several rules"), "status": _status()}
    valid = column("Valid", ".status.conditions[?(@.type=='Valid')].status")
    rule_of_both = {"message": "spec or specs must be provided", "rule": "has(self.spec) || has(self.specs)"}
    provided = (rule_of_both,) if version >= (1, 20) else ()
    categories = ("cilium", "ciliumpolicy")
    prefixes = listing(text(format="cidr"), "The prefixes", minItems=0)
    return (
        Definition(
            "CiliumNetworkPolicy",
            "ciliumnetworkpolicies",
            fields,
            ("metadata",),
            ("cnp", "ciliumnp"),
            categories,
            namespaced=True,
            columns=(AGE, valid),
            subresources={"status": {}},
            about="A network policy for pods of one namespace",
            rules=provided,
        ),
        Definition(
            "CiliumClusterwideNetworkPolicy",
            "ciliumclusterwidenetworkpolicies",
            fields,
            ("metadata",),
            ("ccnp",),
            categories,
            columns=(valid,),
            subresources={"status": {}},
            about="A network policy for pods of all namespaces, or for nodes",
            rules=provided,
        ),
        Definition(
            "CiliumCIDRGroup",
            "ciliumcidrgroups",
            {"spec": struct("", ("externalCIDRs",), externalCIDRs=prefixes)},
            ("spec",),
            ("ccg",),
            versions=("v2", "v2alpha1"),
            about="Prefixes outside the cluster that policies refer to by name or label",
        ),
    )
