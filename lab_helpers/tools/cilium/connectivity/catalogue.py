"""The tests: names in cilium-cli's order, policies, scenarios, what each shall find, and what each needs.

A test without scenarios (and without an examination) is one that the bundled test does not have; it is skipped, by the
feature that the cluster lacks, or else because it is not bundled.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lab_helpers.tools.cilium.connectivity import expectations as expect
from lab_helpers.tools.cilium.connectivity import layer7_policies as layer7
from lab_helpers.tools.cilium.connectivity import policies
from lab_helpers.tools.cilium.connectivity import scenarios as calls
from lab_helpers.tools.cilium.connectivity.policies import ALLOW_ALL, CLIENT, CLIENT2, ECHO

Body = dict[str, Any]
Pairs = tuple[tuple[calls.Scenario, expect.Expectation], ...]

EXAMINATIONS = {"no-unexpected-packet-drops": "drops", "check-log-errors": "logs"}
"""Tests that look at the agents instead of trying connections, and what at."""


class Test(NamedTuple):
    """A test. ``needs``: features; ``alone``: it must not run beside others."""

    name: str
    policies: tuple[Body, ...] = ()
    scenarios: Pairs = ()
    needs: tuple[str, ...] = ()
    alone: bool = False

    @property
    def decided(self) -> bool:
        """Does the bundled test have it?"""
        return bool(self.scenarios) or self.name in EXAMINATIONS


def _each(expectation: expect.Expectation, *chosen: calls.Scenario) -> Pairs:
    return tuple((scenario, expectation) for scenario in chosen)


def _layer3() -> dict[str, tuple[tuple[Body, ...], Pairs]]:
    pod_to_pod, everybody = calls.pod_to_pod(), expect.always
    clients = calls.pod_to_pod(source=CLIENT, target=ECHO)
    first, other = {"other": "client"}, expect.only(CLIENT2)
    ping = calls.CLIENT_TO_CLIENT
    inside = (pod_to_pod, ping, calls.POD_TO_SERVICE)
    account = expect.only({"name": "client2"})
    near = {"name": "echo-same-node"}
    return {
        "no-policies": (
            (),
            _each(everybody, *inside, calls.POD_TO_HOST_PORT, calls.POD_TO_WORLD, calls.POD_TO_HOST, calls.HOST_TO_POD),
        ),
        "no-policies-extra": ((), _each(everybody, calls.POD_TO_REMOTE_NODE_PORT, calls.POD_TO_LOCAL_NODE_PORT)),
        "allow-all-except-world": (
            (policies.ALLOW_ALL_EXCEPT_WORLD,),
            _each(everybody, *inside, calls.POD_TO_HOST),
        ),
        "client-ingress": ((policies.CLIENT_INGRESS,), _each(other, ping)),
        "client-ingress-knp": ((policies.CLIENT_INGRESS_KNP,), _each(other, ping)),
        "all-ingress-deny": (
            (policies.ALL_INGRESS_DENY,),
            (*_each(expect.never, pod_to_pod), *_each(everybody, calls.POD_TO_CIDR)),
        ),
        "all-ingress-deny-knp": ((policies.ALL_INGRESS_DENY_KNP,), _each(expect.never, pod_to_pod)),
        "all-egress-deny": ((policies.ALL_EGRESS_DENY,), _each(expect.never, pod_to_pod)),
        "all-egress-deny-knp": ((policies.ALL_EGRESS_DENY_KNP,), _each(expect.never, pod_to_pod)),
        "all-entities-deny": (
            (policies.ALL_ENTITIES_DENY,),
            _each(expect.never, pod_to_pod, calls.POD_TO_CIDR),
        ),
        "cluster-entity": ((policies.CLUSTER_ENTITY,), _each(everybody, calls.pod_to_pod(target=near))),
        "host-entity-egress": ((layer7.TO_HOST,), _each(everybody, calls.POD_TO_HOST)),
        "host-entity-ingress": ((layer7.FROM_HOST,), _each(everybody, calls.HOST_TO_POD)),
        "echo-ingress": ((policies.ECHO_INGRESS,), _each(other, pod_to_pod)),
        "echo-ingress-knp": ((policies.ECHO_INGRESS_KNP,), _each(other, pod_to_pod)),
        "client-ingress-icmp": ((policies.CLIENT_INGRESS_ICMP,), _each(other, ping)),
        "client-egress": ((policies.CLIENT_EGRESS,), _each(everybody, pod_to_pod)),
        "client-egress-knp": ((policies.CLIENT_EGRESS_KNP,), _each(everybody, pod_to_pod)),
        "client-egress-expression": ((policies.CLIENT_EGRESS_EXPRESSION,), _each(everybody, pod_to_pod)),
        "client-egress-expression-knp": ((policies.CLIENT_EGRESS_EXPRESSION_KNP,), _each(everybody, pod_to_pod)),
        "client-with-service-account-egress-to-echo": (
            (layer7.from_account(deny=False),),
            _each(everybody, calls.pod_to_pod(source={"name": "client2"})),
        ),
        "client-egress-to-echo-service-account": (
            (layer7.to_account(deny=False),),
            _each(expect.only(target=near), clients),
        ),
        "echo-ingress-from-other-client-deny": (
            (ALLOW_ALL, policies.ECHO_INGRESS_DENY),
            _each(expect.all_but(first), pod_to_pod),
        ),
        "client-ingress-from-other-client-icmp-deny": (
            (ALLOW_ALL, policies.CLIENT_ICMP_DENY),
            _each(expect.all_but(first), ping),
        ),
        "client-egress-to-echo-deny": ((ALLOW_ALL, policies.CLIENT_EGRESS_DENY), _each(expect.never, pod_to_pod)),
        "client-ingress-to-echo-named-port-deny": (
            (ALLOW_ALL, policies.NAMED_PORT_DENY),
            _each(expect.all_but(first), pod_to_pod),
        ),
        "client-egress-to-echo-expression-deny": (
            (ALLOW_ALL, policies.CLIENT_EGRESS_EXPRESSION_DENY),
            _each(expect.never, pod_to_pod),
        ),
        "client-with-service-account-egress-to-echo-deny": (
            (ALLOW_ALL, layer7.from_account(deny=True)),
            _each(lambda one, to: expect.DROP if account(one, to) == expect.OK else expect.OK, clients),
        ),
        "client-egress-to-echo-service-account-deny": (
            (ALLOW_ALL, layer7.to_account(deny=True)),
            _each(expect.all_but(target=near), clients),
        ),
    }


def _outside(flags: calls.Flags) -> dict[str, tuple[tuple[Body, ...], Pairs]]:
    external, network = flags["external-target"], flags["external-cidr"]
    one, other = flags["external-ip"], flags["external-other-ip"]
    cidr, world = calls.POD_TO_CIDR, calls.POD_TO_WORLD
    pod_to_pod, paths = calls.pod_to_pod(), calls.pod_to_pod_with_endpoints()
    name = external.removesuffix(".")
    wildcard = "*." + name.partition(".")[2]
    dns = layer7.ONLY_DNS
    return {
        "to-entities-world": ((layer7.TO_WORLD, dns), _each(expect.port(80), world)),
        "to-cidr-external": ((layer7.to_cidr(network, other),), _each(expect.address(one), cidr)),
        "to-cidr-external-knp": ((layer7.to_cidr_knp(network, other),), _each(expect.address(one), cidr)),
        "client-egress-to-cidr-deny": (
            (ALLOW_ALL, layer7.cidr_deny(network, other)),
            _each(expect.address(other), cidr),
        ),
        "client-egress-to-cidrgroup-deny": (
            (ALLOW_ALL, layer7.group(network), layer7.group_deny(other, by_label=False)),
            _each(expect.address(other), cidr),
        ),
        "client-egress-to-cidrgroup-deny-by-label": (
            (ALLOW_ALL, layer7.group(network, layer7.LABELLED), layer7.group_deny(other, by_label=True)),
            _each(expect.address(other), cidr),
        ),
        "client-egress-to-cidr-deny-default": ((layer7.cidr_deny(network, other),), _each(expect.never, cidr)),
        "echo-ingress-l7": ((layer7.echo_ingress_http("8080"),), _each(expect.with_token, paths)),
        "echo-ingress-l7-named-port": ((layer7.echo_ingress_http("http-8080"),), _each(expect.with_token, paths)),
        "client-egress-l7-method": (
            (dns, layer7.CLIENT_EGRESS_METHOD),
            _each(
                expect.posts_to_the_near_echo,
                calls.pod_to_pod_with_endpoints({"other": "echo"}, "POST"),
                calls.pod_to_pod_with_endpoints({"first": "echo"}),
            ),
        ),
        "client-egress-l7": (
            (dns, layer7.client_egress_http("8080", external)),
            _each(expect.client2_by_http, pod_to_pod, world),
        ),
        "client-egress-l7-named-port": (
            (dns, layer7.client_egress_http("http-8080", external)),
            _each(expect.client2_by_http, pod_to_pod, world),
        ),
        "client-egress-tls-sni": (
            (layer7.client_egress_sni(name), dns),
            _each(expect.tls_by_name(allowed=True), world),
        ),
        "client-egress-tls-sni-denied": (
            (layer7.client_egress_sni("cilium.io"), dns),
            _each(expect.tls_by_name(allowed=False), world),
        ),
        "client-egress-tls-sni-wildcard": (
            (layer7.client_egress_sni(wildcard), dns),
            _each(expect.tls_by_name(allowed=True), world),
        ),
        "dns-only": ((dns,), _each(expect.never, pod_to_pod, world)),
        "to-fqdns": (
            (layer7.to_fqdns(external),),
            _each(expect.get_of_the_index(external), world, calls.POD_TO_WORLD_2),
        ),
    }


_NODE_WITHOUT = "node-without-cilium"
_NEEDS: Mapping[str, str] = {
    "allow-all-with-metrics-check": "prometheus",
    "cluster-entity-multi-cluster": "multi-cluster",
    "clustermesh-endpointslice-sync": "multi-cluster",
    "from-cidr-host-netns": _NODE_WITHOUT,
    "no-policies-extra": "kpr-nodeport",
    "node-to-node-encryption": "encryption-node",
    "strict-mode-encryption": "encryption-pod",
    "strict-mode-encryption-v2": "encryption-pod",
    "ipsec-key-derivation-validation": "encryption-pod",
    "pod-to-node-cidrpolicy": "cidr-match-nodes",
    "echo-ingress-auth-always-fail": "auth-spiffe",
    "echo-ingress-mutual-auth-spiffe": "auth-spiffe",
    "pod-to-ingress-service": "ingress-controller",
    "outside-to-ingress-service": "ingress-controller",
    "l7-lb": "l7-loadbalancer",
    "multicast": "multicast-enabled",
    "host-firewall-ingress": "host-firewall",
    "host-firewall-egress": "host-firewall",
}
_NEEDS_BY_PART: tuple[tuple[str, str], ...] = (
    ("-from-outside", _NODE_WITHOUT), ("north-south-", _NODE_WITHOUT), ("pod-to-pod-encryption", "encryption-pod"),
    ("egress-gateway", "egress-gateway"), ("bgp-control-plane", "bgp-control-plane"), ("ztunnel", "ztunnel"),
    ("local-redirect-policy", "local-redirect-policy"), ("-controlplane", "--k8s-localhost-test"),
    ("-l7", "l7-proxy"), ("-sni", "l7-proxy"), ("fqdns", "l7-proxy"), ("dns-only", "l7-proxy"),
)  # fmt: skip

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
ipsec-key-derivation-validation ztunnel-pod-to-pod-encryption
"""
_ALONE = """
host-firewall-ingress host-firewall-egress client-egress-l7-tls-deny-without-headers client-egress-l7-tls-headers
egress-to-specific-namespace-ccnp ingress-from-specific-namespace-ccnp no-unexpected-packet-drops check-log-errors
"""

NAMES: tuple[str, ...] = (*_NAMES.split(), *_ALONE.split())
"""All names in order."""


def _needs(name: str) -> tuple[str, ...]:
    own = [_NEEDS[name]] if name in _NEEDS else []
    return (*own, *(feature for part, feature in _NEEDS_BY_PART if part in name))


def build_tests(flags: calls.Flags) -> tuple[Test, ...]:
    """All tests in order, for the external target of the flags."""
    known = {**_layer3(), **_outside(flags)}
    alone = set(_ALONE.split())
    return tuple(Test(name, *known.get(name, ((), ())), _needs(name), name in alone) for name in NAMES)
