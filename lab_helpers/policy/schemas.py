"""The shapes of the objects the engine reads.

Follows the Go types of Cilium pkg/policy/api and pkg/k8s/apis/cilium.io/v2, networking.k8s.io/v1 and
policy.networking.k8s.io/v1alpha2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lab_helpers.policy.configs import Version
from lab_helpers.policy.decoding import ANYTHING, BOOL, INT, INT_OR_STRING, STRING, ListOf, MapOf, Shape, Struct

__all__ = ["CIDR_GROUP", "CLUSTER_NETWORK_POLICY", "NETWORK_POLICY", "cilium_policy"]

_STRINGS: Final = ListOf(STRING, "[]string")
_REQUIREMENT: Final = Struct("LabelSelectorRequirement", {"key": STRING, "operator": STRING, "values": _STRINGS})
_SELECTOR: Final = Struct(
    "LabelSelector",
    {
        "matchLabels": MapOf(STRING, "map[string]string"),
        "matchExpressions": ListOf(_REQUIREMENT, "[]v1.LabelSelectorRequirement"),
    },
    transparent=True,
)
_SELECTORS: Final = ListOf(_SELECTOR, "[]api.EndpointSelector")
_CIDR_RULE: Final = Struct(
    "CIDRRule",
    {"cidr": STRING, "cidrGroupRef": STRING, "cidrGroupSelector": _SELECTOR, "except": ListOf(STRING, "[]api.CIDR")},
)
_GROUP: Final = Struct(
    "Groups",
    {
        "aws": Struct(
            "AWSGroup",
            {
                "labels": MapOf(STRING, "map[string]string"),
                "securityGroupsIds": _STRINGS,
                "securityGroupsNames": _STRINGS,
                "region": STRING,
            },
        )
    },
)
_PORTS: Final = ListOf(
    Struct("PortProtocol", {"port": STRING, "protocol": STRING, "endPort": INT}), "[]api.PortProtocol"
)
_FQDN: Final = Struct("FQDNSelector", {"matchName": STRING, "matchPattern": STRING})
_TLS: Final = Struct(
    "TLSContext",
    {
        "secret": Struct("Secret", {"namespace": STRING, "name": STRING}),
        "trustedCA": STRING,
        "certificate": STRING,
        "privateKey": STRING,
    },
)
_HTTP: Final = Struct(
    "PortRuleHTTP",
    {
        "path": STRING,
        "method": STRING,
        "host": STRING,
        "headers": _STRINGS,
        "headerMatches": ListOf(
            Struct(
                "HeaderMatch",
                {
                    "mismatch": STRING,
                    "name": STRING,
                    "secret": Struct("Secret", {"namespace": STRING, "name": STRING}),
                    "value": STRING,
                },
            ),
            "[]*api.HeaderMatch",
        ),
    },
)
_KAFKA: Final = Struct(
    "PortRule", {"role": STRING, "apiKey": STRING, "apiVersion": STRING, "clientID": STRING, "topic": STRING}
)
_L7: Final[Mapping[str, Shape]] = {
    "http": ListOf(_HTTP, "[]api.PortRuleHTTP"),
    "dns": ListOf(_FQDN, "[]api.PortRuleDNS"),
}
_L7_OLD: Final[Mapping[str, Shape]] = {
    **_L7,
    "kafka": ListOf(_KAFKA, "[]kafka.PortRule"),
    "l7proto": STRING,
    "l7": ListOf(MapOf(STRING, "api.PortRuleL7"), "[]api.PortRuleL7"),
}
_ICMPS: Final = ListOf(
    Struct(
        "ICMPRule",
        {"fields": ListOf(Struct("ICMPField", {"family": STRING, "type": INT_OR_STRING}), "[]api.ICMPField")},
    ),
    "api.ICMPRules",
)
_AUTHENTICATION: Final = Struct("Authentication", {"mode": STRING})
_SERVICE: Final = Struct(
    "Service",
    {
        "k8sService": Struct("K8sServiceNamespace", {"serviceName": STRING, "namespace": STRING}),
        "k8sServiceSelector": Struct("K8sServiceSelectorNamespace", {"selector": _SELECTOR, "namespace": STRING}),
    },
)
_DENIED_PORTS: Final = ListOf(Struct("PortDenyRule", {"ports": _PORTS}), "api.PortDenyRules")


def _peers(direction: str) -> dict[str, Shape]:
    return {
        f"{direction}Endpoints": _SELECTORS,
        f"{direction}CIDR": ListOf(STRING, "[]api.CIDR"),
        f"{direction}CIDRSet": ListOf(_CIDR_RULE, "api.CIDRRuleSlice"),
        f"{direction}Entities": ListOf(STRING, "[]api.Entity"),
        f"{direction}Groups": ListOf(_GROUP, "[]api.Groups"),
        f"{direction}Nodes": _SELECTORS,
    }


def _rule(l7: Mapping[str, Shape]) -> Struct:
    ports = ListOf(
        Struct(
            "PortRule",
            {
                "ports": _PORTS,
                "terminatingTLS": _TLS,
                "originatingTLS": _TLS,
                "serverNames": _STRINGS,
                "listener": Struct(
                    "Listener",
                    {
                        "envoyConfig": Struct("EnvoyConfig", {"kind": STRING, "name": STRING}),
                        "name": STRING,
                        "priority": INT,
                    },
                ),
                "rules": Struct("L7Rules", l7),
            },
        ),
        "api.PortRules",
    )
    sources, targets = _peers("from"), {**_peers("to"), "toServices": ListOf(_SERVICE, "[]api.Service")}
    ingress_common = dict.fromkeys(sources, "IngressCommonRule")
    egress_common = dict.fromkeys(targets, "EgressCommonRule")
    fqdns = ListOf(_FQDN, "api.FQDNSelectorSlice")
    allowed: dict[str, Shape] = {"toPorts": ports, "icmps": _ICMPS, "authentication": _AUTHENTICATION}
    denied: dict[str, Shape] = {"toPorts": _DENIED_PORTS, "icmps": _ICMPS}
    ingress = Struct("IngressRule", {**sources, **allowed}, ingress_common)
    ingress_deny = Struct("IngressDenyRule", {**sources, **denied}, ingress_common)
    egress = Struct("EgressRule", {**targets, **allowed, "toFQDNs": fqdns}, egress_common)
    egress_deny = Struct("EgressDenyRule", {**targets, **denied}, egress_common)
    return Struct(
        "Rule",
        {
            "endpointSelector": _SELECTOR,
            "nodeSelector": _SELECTOR,
            "ingress": ListOf(ingress, "[]api.IngressRule"),
            "ingressDeny": ListOf(ingress_deny, "[]api.IngressDenyRule"),
            "egress": ListOf(egress, "[]api.EgressRule"),
            "egressDeny": ListOf(egress_deny, "[]api.EgressDenyRule"),
            "labels": ListOf(ANYTHING, "labels.LabelArray"),
            "enableDefaultDeny": Struct("DefaultDenyConfig", {"ingress": BOOL, "egress": BOOL}),
            "description": STRING,
            "log": Struct("LogConfig", {"value": STRING}),
        },
    )


_METADATA: Final = Struct(
    "ObjectMeta",
    {
        "name": STRING,
        "namespace": STRING,
        "uid": STRING,
        "labels": MapOf(STRING, "map[string]string"),
        "annotations": MapOf(STRING, "map[string]string"),
    },
    tolerant=True,
)
_ANYTHING_ELSE: Final[Mapping[str, Shape]] = {
    "apiVersion": STRING,
    "kind": STRING,
    "metadata": _METADATA,
    "status": ANYTHING,
}


def _policy(kind: str, l7: Mapping[str, Shape]) -> Struct:
    rule = _rule(l7)
    return Struct(kind, {**_ANYTHING_ELSE, "spec": rule, "specs": ListOf(rule, "api.Rules")})


_POLICIES: Final = {
    Version.V1_19: _policy("CiliumNetworkPolicy", _L7_OLD),
    Version.V1_20: _policy("CiliumNetworkPolicy", _L7),
}


def cilium_policy(version: Version) -> Struct:
    """CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy: the same type."""
    return _POLICIES[version]


CIDR_GROUP: Final = Struct(
    "CiliumCIDRGroup",
    {**_ANYTHING_ELSE, "spec": Struct("CiliumCIDRGroupSpec", {"externalCIDRs": ListOf(STRING, "[]api.ExternalCIDR")})},
)

_IP_BLOCK: Final = Struct("IPBlock", {"cidr": STRING, "except": _STRINGS})
_PEERS: Final = ListOf(
    Struct("NetworkPolicyPeer", {"podSelector": _SELECTOR, "namespaceSelector": _SELECTOR, "ipBlock": _IP_BLOCK}),
    "[]v1.NetworkPolicyPeer",
)
_POLICY_PORTS: Final = ListOf(
    Struct("NetworkPolicyPort", {"protocol": STRING, "port": INT_OR_STRING, "endPort": INT}), "[]v1.NetworkPolicyPort"
)
NETWORK_POLICY: Final = Struct(
    "NetworkPolicy",
    {
        **_ANYTHING_ELSE,
        "spec": Struct(
            "NetworkPolicySpec",
            {
                "podSelector": _SELECTOR,
                "policyTypes": ListOf(STRING, "[]v1.PolicyType"),
                "ingress": ListOf(
                    Struct("NetworkPolicyIngressRule", {"from": _PEERS, "ports": _POLICY_PORTS}),
                    "[]v1.NetworkPolicyIngressRule",
                ),
                "egress": ListOf(
                    Struct("NetworkPolicyEgressRule", {"to": _PEERS, "ports": _POLICY_PORTS}),
                    "[]v1.NetworkPolicyEgressRule",
                ),
            },
        ),
    },
)

_NAMESPACED_POD: Final = Struct("NamespacedPod", {"namespaceSelector": _SELECTOR, "podSelector": _SELECTOR})
_DESTINATION: Final = Struct(
    "ClusterNetworkPolicyProtocolTCP",
    {"destinationPort": Struct("Port", {"number": INT, "range": Struct("PortRange", {"start": INT, "end": INT})})},
)
_PROTOCOLS: Final = ListOf(
    Struct(
        "ClusterNetworkPolicyProtocol",
        {"tcp": _DESTINATION, "udp": _DESTINATION, "sctp": _DESTINATION, "destinationNamedPort": STRING},
    ),
    "[]v1alpha2.ClusterNetworkPolicyProtocol",
)
_SUBJECT: Final[Mapping[str, Shape]] = {"namespaces": _SELECTOR, "pods": _NAMESPACED_POD}
CLUSTER_NETWORK_POLICY: Final = Struct(
    "ClusterNetworkPolicy",
    {
        **_ANYTHING_ELSE,
        "spec": Struct(
            "ClusterNetworkPolicySpec",
            {
                "tier": STRING,
                "priority": INT,
                "subject": Struct("ClusterNetworkPolicySubject", _SUBJECT),
                "ingress": ListOf(
                    Struct(
                        "ClusterNetworkPolicyIngressRule",
                        {
                            "name": STRING,
                            "action": STRING,
                            "from": ListOf(
                                Struct("ClusterNetworkPolicyIngressPeer", _SUBJECT),
                                "[]v1alpha2.ClusterNetworkPolicyIngressPeer",
                            ),
                            "protocols": _PROTOCOLS,
                        },
                    ),
                    "[]v1alpha2.ClusterNetworkPolicyIngressRule",
                ),
                "egress": ListOf(
                    Struct(
                        "ClusterNetworkPolicyEgressRule",
                        {
                            "name": STRING,
                            "action": STRING,
                            "to": ListOf(
                                Struct(
                                    "ClusterNetworkPolicyEgressPeer",
                                    {
                                        **_SUBJECT,
                                        "nodes": _SELECTOR,
                                        "networks": ListOf(STRING, "[]v1alpha2.CIDR"),
                                        "domainNames": ListOf(STRING, "[]v1alpha2.DomainName"),
                                    },
                                ),
                                "[]v1alpha2.ClusterNetworkPolicyEgressPeer",
                            ),
                            "protocols": _PROTOCOLS,
                        },
                    ),
                    "[]v1alpha2.ClusterNetworkPolicyEgressRule",
                ),
            },
        ),
    },
)
