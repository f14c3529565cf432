"""The policies of the tests that look beyond ports: HTTP, DNS, names, TLS, and addresses outside the cluster."""

from typing import Any

from lab_helpers.tools.cilium.connectivity.policies import CLIENT, CLIENT2, ECHO, Body, cnp, knp

_DNS_RULES = {"dns": [{"matchPattern": "*"}]}
GROUP, LABELLED = "cilium-test-external-cidr", "cilium-test-external-cidr-by-label"
_SECRET = ["X-Very-Secret-Token: 42"]


def _ports(number: str, **rules: Any) -> list[Body]:
    return [{"ports": [{"port": number, "protocol": "TCP"}], **({"rules": rules} if rules else {})}]


ONLY_DNS = cnp(
    "client-egress-only-dns",
    CLIENT,
    egress=[{"toEntities": ["all"], "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": _DNS_RULES}]}],
)


def echo_ingress_http(number: str) -> Body:
    """client2 may GET ``/``, ``/public``, and with the secret header ``/private``. `number`: port or its name."""
    rules = [
        {"method": "GET", "path": "/$"},
        {"method": "GET", "path": "/public$"},
        {"method": "GET", "path": "/private$", "headers": _SECRET},
    ]
    ingress = {"fromEndpoints": [{"matchLabels": CLIENT2}], "toPorts": _ports(number, http=rules)}
    return cnp("echo-ingress-l7-http", ECHO, ingress=[ingress])


def client_egress_http(number: str, external: str) -> Body:
    """client2 may GET ``/`` of the servers and of the external target."""
    rules = [{"method": "GET", "path": "/$"}]
    return cnp(
        "client-egress-l7-http",
        CLIENT2,
        egress=[
            {"toEndpoints": [{"matchLabels": ECHO}], "toPorts": _ports(number, http=rules)},
            {"toFQDNs": [{"matchName": external.removesuffix(".")}], "toPorts": _ports("80", http=rules)},
        ],
    )


CLIENT_EGRESS_METHOD = cnp(
    "client-egress-l7-http-method",
    CLIENT2,
    egress=[{"toEndpoints": [{"matchLabels": ECHO}], "toPorts": _ports("8080", http=[{"method": "POST"}])}],
)


def client_egress_sni(name: str) -> Body:
    """Clients may open TLS to any address, for this server name."""
    return cnp("client-egress-tls-sni", CLIENT, egress=[{"toPorts": [{**_ports("443")[0], "serverNames": [name]}]}])


def to_fqdns(external: str) -> Body:
    """Clients may resolve every name, and GET ``/`` of the external target."""
    rules = [{"method": "GET", "path": "/$"}]
    name = {"toFQDNs": [{"matchName": external.removesuffix(".")}], "toPorts": _ports("80", http=rules)}
    return cnp("client-egress-to-fqdns", CLIENT, egress=[name, *ONLY_DNS["spec"]["egress"]])


TO_WORLD = cnp("client-egress-to-entities-world", CLIENT, egress=[{"toEntities": ["world"], "toPorts": _ports("80")}])
TO_HOST = cnp("client-egress-to-entities-host", CLIENT, egress=[{"toEntities": ["host", "remote-node"]}])
FROM_HOST = cnp("allow-host-entity-ingress", ECHO, ingress=[{"fromEntities": ["host", "remote-node"]}])


def to_cidr(network: str, other: str) -> Body:
    """Clients may call addresses of a network but one."""
    return cnp("client-egress-to-cidr", CLIENT, egress=[{"toCIDRSet": [{"cidr": network, "except": [f"{other}/32"]}]}])


def to_cidr_knp(network: str, other: str) -> Body:
    """The same as a NetworkPolicy."""
    block = {"ipBlock": {"cidr": network, "except": [f"{other}/32"]}}
    return knp("client-egress-to-cidr", CLIENT, ["Egress"], egress=[{"to": [block]}])


def cidr_deny(network: str, other: str) -> Body:
    """Clients must not call addresses of a network but one."""
    denied = {"toCIDRSet": [{"cidr": network, "except": [f"{other}/32"]}]}
    return cnp("client-egress-to-cidr-deny", CLIENT, egressDeny=[denied])


def group(network: str, name: str = GROUP) -> Body:
    """The network as an object of its own; tests that may run at once have one each."""
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumCIDRGroup",
        "metadata": {"name": name, "labels": {"cidr-group": name}},
        "spec": {"externalCIDRs": [network]},
    }


def group_deny(other: str, *, by_label: bool) -> Body:
    """Clients must not call addresses of the group but one."""
    chosen = {"cidrGroupSelector": {"matchLabels": {"cidr-group": LABELLED}}} if by_label else {"cidrGroupRef": GROUP}
    name = "client-egress-to-cidrgroup-deny" + ("-label" if by_label else "")
    return cnp(name, CLIENT, egressDeny=[{"toCIDRSet": [{**chosen, "except": [f"{other}/32"]}]}])


ACCOUNT = "io.cilium.k8s.policy.serviceaccount"


def from_account(*, deny: bool) -> Body:
    """What runs under the account client2 may (or must not) call the servers."""
    rule = {"toEndpoints": [{"matchLabels": ECHO}], "toPorts": _ports("8080")}
    name = "client-with-service-account-egress-to-echo" + ("-deny" if deny else "")
    return cnp(name, {ACCOUNT: "client2"}, **{"egressDeny" if deny else "egress": [rule]})


def to_account(*, deny: bool) -> Body:
    """Clients may (or must not) call what runs under the account echo-same-node."""
    rule = {"toEndpoints": [{"matchLabels": {ACCOUNT: "echo-same-node"}}], "toPorts": _ports("8080")}
    name = "client-egress-to-echo-service-account" + ("-deny" if deny else "")
    return cnp(name, CLIENT, **{"egressDeny" if deny else "egress": [rule]})
