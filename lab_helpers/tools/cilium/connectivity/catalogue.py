"""The tests: names in cilium-cli's order, policies, scenarios and what each shall find; those that are skipped here,
by name.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from lab_helpers.tools.cilium.connectivity import policies

Expectation = Callable[[str, str], bool]
"""Whether a connection from one workload (by name) to another shall work."""


def always(_source: str, _target: str) -> bool:
    """Everything works."""
    return True


def never(_source: str, _target: str) -> bool:
    """Nothing works."""
    return False


def from_client2(source: str, _target: str) -> bool:
    """Only the client with the label ``other: client`` gets through."""
    return source == "client2"


def not_from_client2(source: str, _target: str) -> bool:
    """All but the client with the label ``other: client`` get through."""
    return source != "client2"


class Test(NamedTuple):
    """A test; without scenarios it is skipped."""

    name: str
    policies: tuple[dict[str, Any], ...] = ()
    scenarios: tuple[tuple[str, Expectation], ...] = ()


POD_TO_POD, POD_TO_SERVICE, CLIENT_TO_CLIENT = "pod-to-pod", "pod-to-service", "client-to-client"


def _test(name: str, policy: dict[str, Any] | None, *scenarios: tuple[str, Expectation], below: bool = False) -> Test:
    own = (policy,) if policy else ()
    return Test(name, (policies.ALLOW_ALL, *own) if below else own, scenarios)


_DECIDED = {
    test.name: test
    for test in (
        _test("no-policies", None, (POD_TO_POD, always), (CLIENT_TO_CLIENT, always), (POD_TO_SERVICE, always)),
        _test(
            "allow-all-except-world",
            policies.ALLOW_ALL_EXCEPT_WORLD,
            (POD_TO_POD, always),
            (CLIENT_TO_CLIENT, always),
            (POD_TO_SERVICE, always),
        ),
        _test("client-ingress", policies.CLIENT_INGRESS, (CLIENT_TO_CLIENT, from_client2)),
        _test("client-ingress-knp", policies.CLIENT_INGRESS_KNP, (CLIENT_TO_CLIENT, from_client2)),
        _test("all-ingress-deny", policies.ALL_INGRESS_DENY, (POD_TO_POD, never)),
        _test("all-ingress-deny-knp", policies.ALL_INGRESS_DENY_KNP, (POD_TO_POD, never)),
        _test("all-egress-deny", policies.ALL_EGRESS_DENY, (POD_TO_POD, never)),
        _test("all-egress-deny-knp", policies.ALL_EGRESS_DENY_KNP, (POD_TO_POD, never)),
        _test("all-entities-deny", policies.ALL_ENTITIES_DENY, (POD_TO_POD, never)),
        _test("cluster-entity", policies.CLUSTER_ENTITY, (POD_TO_POD, always)),
        _test("echo-ingress", policies.ECHO_INGRESS, (POD_TO_POD, from_client2)),
        _test("echo-ingress-knp", policies.ECHO_INGRESS_KNP, (POD_TO_POD, from_client2)),
        _test("client-ingress-icmp", policies.CLIENT_INGRESS_ICMP, (CLIENT_TO_CLIENT, from_client2)),
        _test("client-egress", policies.CLIENT_EGRESS, (POD_TO_POD, always)),
        _test("client-egress-knp", policies.CLIENT_EGRESS_KNP, (POD_TO_POD, always)),
        _test("client-egress-expression", policies.CLIENT_EGRESS_EXPRESSION, (POD_TO_POD, always)),
        _test("client-egress-expression-knp", policies.CLIENT_EGRESS_EXPRESSION_KNP, (POD_TO_POD, always)),
        _test(
            "echo-ingress-from-other-client-deny",
            policies.ECHO_INGRESS_DENY,
            (POD_TO_POD, not_from_client2),
            below=True,
        ),
        _test(
            "client-ingress-from-other-client-icmp-deny",
            policies.CLIENT_ICMP_DENY,
            (CLIENT_TO_CLIENT, not_from_client2),
            below=True,
        ),
        _test("client-egress-to-echo-deny", policies.CLIENT_EGRESS_DENY, (POD_TO_POD, never), below=True),
        _test(
            "client-ingress-to-echo-named-port-deny",
            policies.NAMED_PORT_DENY,
            (POD_TO_POD, not_from_client2),
            below=True,
        ),
        _test(
            "client-egress-to-echo-expression-deny",
            policies.CLIENT_EGRESS_EXPRESSION_DENY,
            (POD_TO_POD, never),
            below=True,
        ),
    )
}

_NAMES = """
no-policies no-policies-from-outside no-policies-extra allow-all-except-world client-ingress client-ingress-knp
allow-all-with-metrics-check all-ingress-deny all-ingress-deny-from-outside all-ingress-deny-knp all-egress-deny
all-egress-deny-knp all-entities-deny cluster-entity cluster-entity-multi-cluster host-entity-egress host-entity-ingress
echo-ingress echo-ingress-from-outside echo-ingress-knp client-ingress-icmp client-egress client-egress-knp
client-egress-expression client-egress-expression-knp client-with-service-account-egress-to-echo
client-egress-to-echo-service-account to-entities-world to-cidr-external to-cidr-external-knp from-cidr-host-netns
echo-ingress-from-other-client-deny client-ingress-from-other-client-icmp-deny client-egress-to-echo-deny
client-ingress-to-echo-named-port-deny client-egress-to-echo-expression-deny
client-with-service-account-egress-to-echo-deny client-egress-to-echo-service-account-deny client-egress-to-cidr-deny
client-egress-to-cidrgroup-deny client-egress-to-cidrgroup-deny-by-label client-egress-to-cidr-deny-default
clustermesh-endpointslice-sync health north-south-loadbalancing pod-to-pod-encryption pod-to-pod-encryption-v2
node-to-node-encryption egress-gateway egress-gateway-multigateway egress-gateway-excluded-cidrs
egress-gateway-with-l7-policy pod-to-node-cidrpolicy north-south-loadbalancing-with-l7-policy echo-ingress-l7
echo-ingress-l7-named-port client-egress-l7-method client-egress-l7 client-egress-l7-named-port client-egress-tls-sni
client-egress-tls-sni-denied client-egress-tls-sni-wildcard client-egress-l7-set-header echo-ingress-auth-always-fail
echo-ingress-mutual-auth-spiffe pod-to-ingress-service outside-to-ingress-service pod-to-itself-via-service l7-lb
dns-only to-fqdns to-fqdns-with-proxy pod-to-controlplane-host pod-to-controlplane-host-cidr pod-to-k8s-on-controlplane
pod-to-k8s-on-controlplane-cidr policy-local-cluster-egress local-redirect-policy local-redirect-policy-with-node-dns
pod-to-pod-no-frag bgp-control-plane-v1 bgp-control-plane-v2 multicast strict-mode-encryption strict-mode-encryption-v2
ipsec-key-derivation-validation ztunnel-pod-to-pod-encryption host-firewall-ingress host-firewall-egress
client-egress-l7-tls-deny-without-headers client-egress-l7-tls-headers egress-to-specific-namespace-ccnp
ingress-from-specific-namespace-ccnp no-unexpected-packet-drops check-log-errors
"""

TESTS: tuple[Test, ...] = tuple(_DECIDED.get(name, Test(name)) for name in _NAMES.split())
