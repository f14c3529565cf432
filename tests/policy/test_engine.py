"""What the repository answers besides verdicts: match types, reasons, maps, selectors, revisions."""

from __future__ import annotations

from typing import Any

import pytest

from lab_helpers import policy as package
from lab_helpers.policy import (
    Direction,
    DropReason,
    Endpoint,
    Identity,
    MatchType,
    NamedPort,
    PolicyConfig,
    PolicyError,
    Protocol,
    Repository,
    Service,
    UnknownIdentity,
    Version,
    Why,
    identity_labels,
    parse,
    parse_labels,
    parse_yaml,
    policy_map,
    reserved_identity,
)
from lab_helpers.policy.configs import AllowLocalhost
from lab_helpers.policy.errors import RegexError
from lab_helpers.policy.labels import Label, parse_label
from lab_helpers.policy.pod_labels import LabelFilter
from lab_helpers.policy.selectors import entity_selector
from lab_helpers.policy.versions import OPEN_FAULTS

from .conftest import policy

SHOP = ["k8s:io.kubernetes.pod.namespace=shop", "k8s:io.cilium.k8s.policy.cluster=default"]
FRONTEND = Endpoint("shop/frontend", Identity(300, parse_labels(["k8s:app=frontend", *SHOP])))
BACKEND = Endpoint(
    "shop/backend", Identity(301, parse_labels(["k8s:app=backend", *SHOP])), (NamedPort("http", 8080, "TCP"),)
)
WORLD = reserved_identity("world")
TO_BACKEND = {"endpointSelector": {"matchLabels": {"app": "backend"}}}
FROM_FRONTEND = {"fromEndpoints": [{"matchLabels": {"app": "frontend"}}]}


def ports(port: str, protocol: str = "TCP", **more: Any) -> dict[str, Any]:
    return {"toPorts": [{"ports": [{"port": port, "protocol": protocol}], **more}]}


def repository(*specs: dict[str, Any], config: PolicyConfig | None = None) -> Repository:
    made = Repository(config)
    for endpoint in (FRONTEND, BACKEND):
        made.upsert_endpoint(endpoint)
    for name in ("host", "world"):
        made.upsert_identity(reserved_identity(name))
    for number, spec in enumerate(specs):
        made.upsert(parse(policy("cnp", spec, name=f"p{number}"), made.config))
    return made


def ingress(made: Repository, peer: Any = FRONTEND, port: int = 8080, protocol: Protocol = Protocol.TCP) -> Any:
    return made.decide(Direction.INGRESS, BACKEND, peer, protocol, port)


@pytest.mark.parametrize(
    ("rule", "match"),
    [
        ({**FROM_FRONTEND, **ports("8080")}, MatchType.L3_L4),
        ({**FROM_FRONTEND, **ports("8000", endPort=8999)}, MatchType.NONE),
        (
            {**FROM_FRONTEND, "toPorts": [{"ports": [{"port": "8000", "endPort": 8999, "protocol": "TCP"}]}]},
            MatchType.L3_L4,
        ),
        (FROM_FRONTEND, MatchType.L3_ONLY),
        ({**FROM_FRONTEND, **ports("0")}, MatchType.L3_PROTO),
        (ports("8080"), MatchType.L4_ONLY),
        (ports("0"), MatchType.PROTO_ONLY),
        ({"fromEntities": ["all"]}, MatchType.ALL),
        ({}, MatchType.NONE),
    ],
)
def test_match_types(rule: dict[str, Any], match: MatchType) -> None:
    assert ingress(repository({**TO_BACKEND, "ingress": [rule]})).match is match


def test_the_longer_prefix_decides_among_equals() -> None:
    made = repository({**TO_BACKEND, "ingress": [FROM_FRONTEND, ports("8080")]})
    assert ingress(made).match is MatchType.L4_ONLY
    assert ingress(made, port=1).match is MatchType.L3_ONLY


@pytest.mark.parametrize(
    "allow",
    [
        FROM_FRONTEND,
        {**FROM_FRONTEND, **ports("8080")},
        {**FROM_FRONTEND, **ports("8080", rules={"http": [{"method": "GET"}]})},
        {"fromEntities": ["all"], **ports("8080")},
    ],
)
@pytest.mark.parametrize("deny", [FROM_FRONTEND, {"fromEntities": ["all"]}, {**FROM_FRONTEND, **ports("0")}])
def test_a_deny_beats_an_allow_that_is_more_specific(allow: dict[str, Any], deny: dict[str, Any]) -> None:
    decision = ingress(repository({**TO_BACKEND, "ingress": [allow]}, {**TO_BACKEND, "ingressDeny": [deny]}))
    assert (decision.allowed, decision.why) == (False, Why.DENY)


@pytest.mark.parametrize(
    ("written", "asked", "port", "allowed"),
    [
        ("TCP", Protocol.TCP, 8080, True),
        ("TCP", Protocol.TCP, 8081, False),
        ("TCP", Protocol.UDP, 8080, False),
        ("UDP", Protocol.UDP, 8080, False),
        ("ANY", Protocol.TCP, 8080, True),
        ("ANY", Protocol.UDP, 8080, False),
    ],
)
def test_a_port_name_means_the_port_of_its_protocol(written: str, asked: Protocol, port: int, allowed: bool) -> None:
    listening = Endpoint("shop/listening", BACKEND.identity, (NamedPort("web", 8080, "TCP"),))
    made = repository({**TO_BACKEND, "ingress": [{**FROM_FRONTEND, **ports("web", written)}]})
    made.upsert_endpoint(listening)
    assert made.decide(Direction.INGRESS, listening, FRONTEND, asked, port).allowed is allowed


IN_CLUSTER = {"host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"}
WORLDS = {"world", "world-ipv4", "world-ipv6"}


@pytest.mark.parametrize(
    ("entity", "meant"),
    [
        ("all", {*IN_CLUSTER, *WORLDS, "pod"}),
        ("cluster", {*IN_CLUSTER, "pod"}),
        ("world", WORLDS),
        ("remote-node", {"remote-node", "kube-apiserver"}),  # an API server outside the pod network runs on a node
        *((name, {name}) for name in ("host", "init", "ingress", "health", "unmanaged", "kube-apiserver")),
    ],
)
def test_whom_entities_mean(entity: str, meant: set[str]) -> None:
    peers = {name: reserved_identity(name) for name in (*IN_CLUSTER, *WORLDS)} | {"pod": FRONTEND.identity}
    made = repository(
        {**TO_BACKEND, "ingress": [{"fromEntities": [entity]}]},
        config=PolicyConfig(allow_localhost=AllowLocalhost.POLICY),
    )
    for identity in peers.values():
        made.upsert_identity(identity)
    assert {name for name, identity in peers.items() if ingress(made, identity).allowed} == meant
    selector = entity_selector(entity, made.config)
    assert selector is not None
    assert {name for name, identity in peers.items() if selector.matches(identity.labels)} == meant


@pytest.mark.parametrize(
    ("cidr", "excepted", "address", "meant"),
    [
        ("10.0.0.0/8", [], "10.1.2.3/32", True),
        ("10.0.0.0/8", ["10.1.0.0/16"], "10.1.2.3/32", False),
        ("10.0.0.0/8", ["10.1.0.0/16"], "10.2.2.3/32", True),
        ("10.0.0.0/8", ["10.1.0.0/16", "10.2.0.0/16"], "10.2.2.3/32", False),
        ("0.0.0.0/0", ["10.0.0.0/8"], "10.2.2.3/32", False),
        ("0.0.0.0/0", ["10.0.0.0/8"], "11.2.2.3/32", True),
    ],
)
def test_addresses_that_are_excepted(cidr: str, excepted: list[str], address: str, meant: bool) -> None:
    rule = {"fromCIDRSet": [{"cidr": cidr, "except": excepted}]}
    outside = Identity(1 << 24 | 1, parse_labels([f"cidr:{address}", "reserved:world"]))
    made = repository({**TO_BACKEND, "ingress": [rule]})
    made.upsert_identity(outside)
    assert ingress(made, outside).allowed is meant
    ((peer,),) = [one.peers for one in parse(policy("cnp", {**TO_BACKEND, "ingress": [rule]}), made.config).rules]
    assert peer.matches(outside.labels) is meant


def test_drop_reasons() -> None:
    made = repository({**TO_BACKEND, "ingressDeny": [FROM_FRONTEND]})
    denied, unmatched = ingress(made), ingress(made, WORLD)
    assert (denied.drop_reason, denied.why, denied.match) == (DropReason.POLICY_DENY, Why.DENY, MatchType.L3_ONLY)
    assert (unmatched.drop_reason, unmatched.why, unmatched.match) == (
        DropReason.POLICY,
        Why.DEFAULT_DENY,
        MatchType.NONE,
    )
    assert DropReason.POLICY_DENY.text == "Policy denied by denylist"


def test_audit_mode_lets_pass_and_says_so() -> None:
    made = repository({**TO_BACKEND, "ingress": [{}]}, config=PolicyConfig(audit_mode=True))
    decision = ingress(made)
    assert (decision.allowed, decision.audited, decision.why) == (True, True, Why.DEFAULT_DENY)
    assert not made.decide(Direction.INGRESS, BACKEND, FRONTEND, Protocol.TCP, 80, audit=False).allowed


def test_a_redirect_carries_its_rules_and_references() -> None:
    http = {"rules": {"http": [{"method": "GET", "path": "/"}]}}
    made = repository({**TO_BACKEND, "ingress": [{**FROM_FRONTEND, **ports("8080", **http)}]})
    decision = ingress(made)
    assert decision.redirect is not None
    assert [rule.path for rule in decision.redirect.http] == ["/"]
    assert not decision.redirect.unrestricted
    (ref,) = decision.rules
    assert (str(ref.policy), ref.path) == ("CiliumNetworkPolicy/shop/p0", "spec.ingress[0]")
    assert Label("k8s", "io.cilium.k8s.policy.name", "p0") in ref.labels


def test_a_plain_allow_beside_makes_the_proxy_let_everything_pass() -> None:
    http = {"rules": {"http": [{"method": "GET"}]}}
    made = repository({**TO_BACKEND, "ingress": [{**FROM_FRONTEND, **ports("8080", **http)}, FROM_FRONTEND]})
    decision = ingress(made)
    assert decision.redirect is not None
    assert decision.redirect.unrestricted


def test_two_parsers_for_one_peer_and_port_are_a_conflict() -> None:
    http, dns = ({"rules": {kind: [{}]}} for kind in ("http", "dns"))
    rule = {"toEndpoints": [{}]}
    spec = {**TO_BACKEND, "egress": [{**rule, **ports("53", **http)}, {**rule, **ports("53", **dns)}]}
    decision = repository(spec).decide(Direction.EGRESS, BACKEND, FRONTEND, Protocol.TCP, 53)
    assert "cannot merge conflicting L7 parsers (http/dns)" in decision.conflict


def test_authentication_and_log() -> None:
    spec = {
        **TO_BACKEND,
        "log": {"value": "note"},
        "ingress": [{**FROM_FRONTEND, "authentication": {"mode": "required"}}],
    }
    decision = ingress(repository(spec))
    assert (decision.allowed, decision.authentication, decision.log) == (True, "required", ("note",))


def test_enforcement_and_revision() -> None:
    made = repository()
    assert (made.revision, made.enforcement(BACKEND).ingress) == (1, False)
    accepted = parse(policy("cnp", {**TO_BACKEND, "ingress": [{}]}))
    assert made.upsert(accepted) == 2
    assert (made.enforcement(BACKEND).ingress, made.enforcement(BACKEND).egress) == (True, False)
    assert made.remove(accepted.ref) == 3
    assert made.remove(accepted.ref) == 3
    assert not made.enforcement(BACKEND).ingress


def test_policies_follow_services() -> None:
    spec = {**TO_BACKEND, "egress": [{"toServices": [{"k8sService": {"serviceName": "web", "namespace": "shop"}}]}]}
    made = repository(spec)
    asked = (Direction.EGRESS, BACKEND, FRONTEND, Protocol.TCP, 80)
    assert not made.decide(*asked).allowed
    before = made.revision
    assert made.upsert_service(Service("shop", "web", selector=(("app", "frontend"),))) > before
    assert made.decide(*asked).allowed
    made.remove_service("shop", "web")
    assert not made.decide(*asked).allowed


def test_the_policy_map_reads_like_the_agent_s() -> None:
    made = repository({**TO_BACKEND, "ingress": [{**FROM_FRONTEND, **ports("http")}, ports("9090")]})
    entries = [(e.direction, e.identity, e.protocol, e.port, e.deny) for e in policy_map(made, BACKEND)]
    assert entries == [
        (Direction.INGRESS, 0, Protocol.TCP, 9090, False),
        (Direction.INGRESS, 1, Protocol.ANY, 0, False),
        (Direction.INGRESS, 300, Protocol.TCP, 8080, False),
        (Direction.EGRESS, 0, Protocol.ANY, 0, False),
    ]


def test_selectors_in_use() -> None:
    made = repository({**TO_BACKEND, "ingress": [FROM_FRONTEND], "egress": [{"toFQDNs": [{"matchName": "a.io"}]}]})
    uses = {use.text: use.identities for use in made.selectors()}
    assert uses["MatchName: a.io, MatchPattern: "] == ()
    (text,) = [text for text in uses if "any.app: frontend" in text]
    assert text.startswith(
        "&LabelSelector{MatchLabels:map[string]string{any.app: frontend,k8s.io.cilium.k8s.policy.cluster"
    )
    assert uses[text] == (300,)
    assert [str(selector.match_name) for selector in made.fqdn_selectors()] == ["a.io"]


def test_addresses_get_the_labels_of_the_policies_in_use() -> None:
    made = repository(
        {**TO_BACKEND, "egress": [{"toCIDR": ["192.0.2.0/24"]}, {"toFQDNs": [{"matchPattern": "*.a.io"}]}]}
    )
    labels = made.address_labels("192.0.2.9", ["x.a.io"])
    assert labels.strings() == ("cidr:192.0.2.0/24", "fqdn:*.a.io", "reserved:world")
    assert made.address_labels("203.0.113.1").strings() == ("reserved:world",)


def test_unknown_numbers_are_told() -> None:
    with pytest.raises(UnknownIdentity, match="9999"):
        repository().decide(Direction.INGRESS, 9999, 300, Protocol.TCP, 80)


def test_the_labels_of_a_pod() -> None:
    labels = identity_labels(
        {
            "app": "web",
            "pod-template-hash": "5d",
            "app.kubernetes.io/name": "web",
            "statefulset.kubernetes.io/pod-name": "web-0",
        },
        namespace="shop",
        namespace_labels={"team": "store"},
    )
    assert labels.strings() == (
        "k8s:app.kubernetes.io/name=web",
        "k8s:app=web",
        "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop",
        "k8s:io.cilium.k8s.namespace.labels.team=store",
        "k8s:io.cilium.k8s.policy.cluster=default",
        "k8s:io.cilium.k8s.policy.serviceaccount=default",
        "k8s:io.kubernetes.pod.namespace=shop",
    )


@pytest.mark.parametrize(
    ("expressions", "key", "kept"),
    [
        ("", "app", True),
        ("", "kubernetes.io/arch", False),
        ("", "k8s-app", True),
        ("k8s:app", "app", True),
        ("k8s:app", "tier", False),
        ("!tier", "tier", False),
        ("!tier", "app", True),
    ],
)
def test_label_filters(expressions: str, key: str, kept: bool) -> None:
    assert LabelFilter.from_expressions(expressions).keeps(key) is kept


def test_label_filters_of_a_source() -> None:
    found = LabelFilter.from_expressions("container:.* !k8s:io\\.example")
    assert not found.keeps("app")
    assert found.keeps("app", "container")
    assert not found.keeps("io.example.team")
    with pytest.raises(RegexError, match="setting labels"):
        LabelFilter.from_expressions("k8s:(")


def test_what_a_pod_claims_for_cilium_does_not_count() -> None:
    claimed = {"io.cilium.k8s.policy.cluster": "west", "io.cilium.k8s.namespace.labels.team": "root", "app": "web"}
    honest = identity_labels({"app": "web"}, namespace="shop", namespace_labels={})
    assert identity_labels(claimed, namespace="shop", namespace_labels={}) == honest


def test_the_configuration_of_an_agent() -> None:
    config = PolicyConfig.from_config_map(
        {"enable-policy": "always", "enable-ipv6": "true", "policy-cidr-match-mode": "nodes", "cluster-name": "west"},
        version=Version.V1_19,
    )
    assert (config.policy_mode, config.dual_stack, config.cidr_match_mode) == ("always", True, {"nodes"})
    assert (config.cluster_name, config.version) == ("west", "1.19")
    with pytest.raises(ValueError, match="enable-policy"):
        PolicyConfig.from_config_map({"enable-policy": "sometimes"})
    with pytest.raises(ValueError, match="enable-ipv4"):
        PolicyConfig.from_config_map({"enable-ipv4": "maybe"})


def test_errors_know_file_line_column_and_field() -> None:
    text = (
        "kind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n  endpointSelector: {}\n  ingress:\n"
    )
    text += "    - toPorts:\n        - ports:\n            - port: http_80\n"
    (error,) = parse_yaml(text, "shop.yaml")
    assert isinstance(error, PolicyError)
    assert error.path == "spec.ingress[0].toPorts[0].ports[0].port"
    assert str(error).startswith(
        "shop.yaml:8:15: CiliumNetworkPolicy/shop/p: spec.ingress[0].toPorts[0].ports[0].port: "
    )
    assert "unable to parse port" in error.message


def test_labels_as_text() -> None:
    assert str(parse_label("reserved:host")) == "reserved:host"
    assert parse_label("k8s:a=b=c") == Label("k8s", "a", "b=c")
    assert parse_label("cidr:2001-db8--1/128").key == "2001-db8--1/128"


def test_open_faults_are_listed() -> None:
    assert any("46949" in fault.issue for fault in OPEN_FAULTS)


def test_every_name_of_the_package_is_found_and_no_other() -> None:
    assert {name: hasattr(package, name) for name in package.__all__} == dict.fromkeys(package.__all__, True)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="nobody"):
        _ = package.nobody
