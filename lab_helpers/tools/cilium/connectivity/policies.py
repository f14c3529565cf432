"""The policies of the tests, as manifests without namespace."""

from typing import Any

Body = dict[str, Any]

CLIENT, CLIENT2, ECHO = {"kind": "client"}, {"other": "client"}, {"kind": "echo"}
_WEB = [{"ports": [{"port": "8080", "protocol": "TCP"}]}]
_DNS = {
    "toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns"}}],
    "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}]}],
}


def cnp(name: str, selector: Body, **rules: Any) -> Body:
    """A CiliumNetworkPolicy; `selector` are labels, {} every pod."""
    chosen = {"matchLabels": selector} if selector else {}
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": name},
        "spec": {"endpointSelector": chosen, **rules},
    }


def knp(name: str, selector: Body, types: list[str], **rules: Any) -> Body:
    """A NetworkPolicy."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": selector} if selector else {}, "policyTypes": types, **rules},
    }


def _labels(labels: Body) -> list[Body]:
    return [{"matchLabels": labels}]


def _expression(value: str) -> Body:
    return {"matchExpressions": [{"key": "kind", "operator": "In", "values": [value]}]}


ALLOW_ALL = cnp(
    "allow-all-egress-and-ingress",
    {},
    ingress=[{"fromEntities": ["all"]}],
    egress=[{"toEntities": ["all"]}],
)
ALLOW_ALL_EXCEPT_WORLD = cnp(
    "allow-all-except-world",
    {},
    ingress=[{"fromEntities": ["cluster"]}],
    egress=[{"toEntities": ["cluster"]}],
)
CLUSTER_ENTITY = cnp("allow-cluster-entity", {}, egress=[{"toEntities": ["cluster"]}])
CLIENT_INGRESS = cnp("client-ingress-from-client2", CLIENT, ingress=[{"fromEndpoints": _labels(CLIENT2)}])
CLIENT_INGRESS_KNP = knp(
    "client-ingress-from-client2", CLIENT, ["Ingress"], ingress=[{"from": [{"podSelector": {"matchLabels": CLIENT2}}]}]
)
CLIENT_INGRESS_ICMP = cnp(
    "client-ingress-icmp",
    CLIENT,
    ingress=[{"fromEndpoints": _labels(CLIENT2), "icmps": [{"fields": [{"type": 8, "family": "IPv4"}]}]}],
)
ALL_INGRESS_DENY = cnp("all-ingress-deny", {}, ingress=[{}])
ALL_INGRESS_DENY_KNP = knp("all-ingress-deny", {}, ["Ingress"])
ALL_EGRESS_DENY = cnp("all-egress-deny", {}, egress=[{}])
ALL_EGRESS_DENY_KNP = knp("all-egress-deny", {}, ["Egress"])
ALL_ENTITIES_DENY = cnp(
    "all-entities-deny", {}, ingressDeny=[{"fromEntities": ["all"]}], egressDeny=[{"toEntities": ["all"]}]
)
ECHO_INGRESS = cnp(
    "echo-ingress-from-other-client", ECHO, ingress=[{"fromEndpoints": _labels(CLIENT2), "toPorts": _WEB}]
)
ECHO_INGRESS_KNP = knp(
    "echo-ingress-from-other-client",
    ECHO,
    ["Ingress"],
    ingress=[{"from": [{"podSelector": {"matchLabels": CLIENT2}}], "ports": [{"port": 8080, "protocol": "TCP"}]}],
)
CLIENT_EGRESS = cnp("client-egress-to-echo", CLIENT, egress=[{"toEndpoints": _labels(ECHO), "toPorts": _WEB}, _DNS])
CLIENT_EGRESS_KNP = knp(
    "client-egress-to-echo",
    CLIENT,
    ["Egress"],
    egress=[{"to": [{"podSelector": {"matchLabels": ECHO}}], "ports": [{"port": 8080, "protocol": "TCP"}]}],
)
CLIENT_EGRESS_EXPRESSION = cnp(
    "client-egress-to-echo-expression", CLIENT, egress=[{"toEndpoints": [_expression("echo")], "toPorts": _WEB}, _DNS]
)
CLIENT_EGRESS_EXPRESSION_KNP = knp(
    "client-egress-to-echo-expression",
    CLIENT,
    ["Egress"],
    egress=[{"to": [{"podSelector": _expression("echo")}], "ports": [{"port": 8080, "protocol": "TCP"}]}],
)
ECHO_INGRESS_DENY = cnp(
    "echo-ingress-from-other-client-deny", ECHO, ingressDeny=[{"fromEndpoints": _labels(CLIENT2), "toPorts": _WEB}]
)
CLIENT_ICMP_DENY = cnp(
    "client-ingress-from-other-client-icmp-deny",
    CLIENT,
    ingressDeny=[{"fromEndpoints": _labels(CLIENT2), "icmps": [{"fields": [{"type": 8, "family": "IPv4"}]}]}],
)
CLIENT_EGRESS_DENY = cnp(
    "client-egress-to-echo-deny", CLIENT, egressDeny=[{"toEndpoints": _labels(ECHO), "toPorts": _WEB}]
)
NAMED_PORT_DENY = cnp(
    "client-ingress-to-echo-named-port-deny",
    ECHO,
    ingressDeny=[
        {"fromEndpoints": _labels(CLIENT2), "toPorts": [{"ports": [{"port": "http-8080", "protocol": "TCP"}]}]}
    ],
)
CLIENT_EGRESS_EXPRESSION_DENY = cnp(
    "client-egress-to-echo-expression-deny",
    CLIENT,
    egressDeny=[{"toEndpoints": [_expression("echo")], "toPorts": _WEB}],
)
