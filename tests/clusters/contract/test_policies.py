"""Policies decide connections, and say so: in outcomes, flows, conditions and the agent's own view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lab_helpers.course.api import Api, Resource
from lab_helpers.course.errors import ApiError
from lab_helpers.course.fields import select
from lab_helpers.course.observing import HubbleFlows, pod_filters
from lab_helpers.course.probing import Probe, Prober
from lab_helpers.course.workloads import running_pod
from lab_helpers.hubble.protos import flow_pb2, observer_pb2
from lab_helpers.views.verdicts import Outcome
from tests.clusters.contract.stages import Shop, eventually

Make = Callable[[Resource], Resource]
Check = Callable[[str, str, Outcome], None]

CODE = "curl -s -o /dev/null -w '%{http_code}' --connect-timeout 1 --max-time 4"
PRODUCTS = f"{CODE} http://backend:8080/api/v1/products"
DNS_RULE: dict[str, Any] = {
    "toEndpoints": [{"matchLabels": {"k8s-app": "kube-dns", "io.kubernetes.pod.namespace": "kube-system"}}],
    "toPorts": [
        {"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}},
    ],
}


def policy(shop: Shop, name: str, app: str, **rules: Any) -> dict[str, Any]:
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": name, "namespace": shop.main},
        "spec": {"endpointSelector": {"matchLabels": {"app": app}}, **rules},
    }


def port(number: int, protocol: str = "TCP", **rules: Any) -> list[dict[str, Any]]:
    return [{"ports": [{"port": str(number), "protocol": protocol}], **({"rules": rules} if rules else {})}]


@pytest.fixture
def expect(prober: Prober, shop: Shop) -> Check:
    """That a command of a workload ends like this, as soon as the policy is in the dataplane."""

    def check(source: str, command: str, outcome: Outcome) -> None:
        text = command.replace("backend:", f"backend.{shop.main}:")
        probe = Probe(shop.workload(source), text)
        seen = eventually(lambda: prober.run(probe, explain=False), lambda attempt: attempt.outcome is outcome)
        assert seen.outcome is outcome, f"{source}: {text} gave {seen.exit_code} {seen.output} {seen.note}"

    return check


def decisive(flows: HubbleFlows, api: Api, shop: Shop, source: str, **wanted: Any) -> flow_pb2.Flow:
    """The newest flow of a pod that fits."""
    pod = running_pod(api, shop.workload(source))
    request = observer_pb2.GetFlowsRequest(number=200, whitelist=pod_filters(pod.namespace, pod.name))

    def look() -> list[flow_pb2.Flow]:
        return [
            flow for flow in flows.flows(request) if all(getattr(flow, key) == value for key, value in wanted.items())
        ]

    found = eventually(look)
    assert found, f"no flow of {source} with {wanted}"
    return found[-1]


def test_only_the_frontend_and_only_the_port(
    shop: Shop, made: Make, expect: Check, flows: HubbleFlows, api: Api
) -> None:
    expect("intruder", PRODUCTS, Outcome.ANSWERED)
    made(
        policy(
            shop,
            "backend-allow-frontend",
            "backend",
            ingress=[{"fromEndpoints": [{"matchLabels": {"app": "frontend"}}], "toPorts": port(8080)}],
        )
    )
    expect("intruder", PRODUCTS, Outcome.TIMEOUT)
    expect("payments", PRODUCTS, Outcome.TIMEOUT)
    expect("frontend", PRODUCTS, Outcome.ANSWERED)

    drop = decisive(flows, api, shop, "intruder", verdict=flow_pb2.DROPPED)
    assert drop.drop_reason_desc == flow_pb2.POLICY_DENIED
    assert drop.traffic_direction == flow_pb2.INGRESS
    assert drop.l4.TCP.destination_port == 8080
    assert drop.l4.TCP.flags.SYN
    assert drop.destination.namespace == shop.main
    assert drop.source.identity != drop.destination.identity
    assert "k8s:app=intruder" in drop.source.labels
    verdict = decisive(flows, api, shop, "frontend", policy_match_type=2, traffic_direction=flow_pb2.INGRESS)
    assert [item.name for item in verdict.ingress_allowed_by] == ["backend-allow-frontend"]


def test_a_deny_wins_over_an_allow(shop: Shop, made: Make, expect: Check) -> None:
    made(policy(shop, "allow-all", "backend", ingress=[{"fromEntities": ["cluster"]}]))
    made(
        policy(
            shop, "deny-payments", "backend", ingressDeny=[{"fromEndpoints": [{"matchLabels": {"app": "payments"}}]}]
        )
    )
    expect("payments", PRODUCTS, Outcome.TIMEOUT)
    expect("frontend", PRODUCTS, Outcome.ANSWERED)
    expect("intruder", PRODUCTS, Outcome.ANSWERED)


def test_a_network_policy_counts_as_well(shop: Shop, made: Make, expect: Check) -> None:
    made(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "only-shop", "namespace": shop.main},
            "spec": {
                "podSelector": {"matchLabels": {"app": "backend"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {}}]}],
            },
        }
    )
    expect("intruder", PRODUCTS, Outcome.TIMEOUT)
    expect("payments", PRODUCTS, Outcome.ANSWERED)


def test_an_empty_ingress_denies_nothing(shop: Shop, made: Make, expect: Check, api: Api) -> None:
    made(policy(shop, "empty", "backend", ingress=[]))
    status, message = valid(api, shop, "empty")
    assert status == "False"
    assert "at least one of Ingress, IngressDeny, Egress, EgressDeny" in message
    expect("intruder", PRODUCTS, Outcome.ANSWERED)


def test_an_empty_rule_denies_everything(shop: Shop, made: Make, expect: Check) -> None:
    made(policy(shop, "closed", "redis", ingress=[{}]))
    expect("frontend", f"nc -z -w 1 redis.{shop.main} 6379", Outcome.TIMEOUT)


def test_http_requests_are_refused_with_403(
    shop: Shop, made: Make, expect: Check, flows: HubbleFlows, api: Api
) -> None:
    made(
        policy(
            shop,
            "backend-http",
            "backend",
            ingress=[
                {
                    "fromEndpoints": [{"matchLabels": {"app": "frontend"}}],
                    "toPorts": port(8080, http=[{"method": "GET", "path": "/api/v1/.*"}]),
                }
            ],
        )
    )
    expect("intruder", PRODUCTS, Outcome.TIMEOUT)
    expect("frontend", f"{CODE} -X DELETE http://backend:8080/api/v1/orders/1", Outcome.FORBIDDEN)
    expect("frontend", f"{CODE} http://backend:8080/admin", Outcome.FORBIDDEN)
    expect("frontend", PRODUCTS, Outcome.ANSWERED)

    def layer_7(**wanted: Any) -> list[flow_pb2.Flow]:
        request = observer_pb2.GetFlowsRequest(
            number=50,
            whitelist=[
                flow_pb2.FlowFilter(
                    source_pod=[f"{shop.main}/frontend"],
                    event_type=[flow_pb2.EventTypeFilter(type=129)],
                    **wanted,
                )
            ],
        )
        return flows.flows(request)

    refused = eventually(lambda: layer_7(verdict=[flow_pb2.DROPPED], http_method=["DELETE"]))
    assert refused
    assert refused[-1].l7.http.method == "DELETE"
    assert refused[-1].l7.http.url.endswith("/api/v1/orders/1")
    assert refused[-1].l7.type == flow_pb2.REQUEST
    allowed = eventually(lambda: layer_7(verdict=[flow_pb2.FORWARDED], http_path=["/api/v1/products"]))
    assert allowed


def test_names_are_refused_by_the_dns_proxy(
    shop: Shop, made: Make, expect: Check, flows: HubbleFlows, api: Api
) -> None:
    rule = {**DNS_RULE, "toPorts": port(53, "ANY", dns=[{"matchPattern": "*.*.svc.cluster.local"}])}
    made(policy(shop, "payments-dns", "payments", egress=[rule]))
    expect("payments", f"nslookup backend.{shop.main}.svc.cluster.local.", Outcome.ANSWERED)
    expect("payments", "curl -s --max-time 3 http://contract.example.com./", Outcome.NO_NAME)
    request = observer_pb2.GetFlowsRequest(
        number=50,
        whitelist=[
            flow_pb2.FlowFilter(
                source_pod=[f"{shop.main}/payments"], dns_query=["contract.example.com"], verdict=[flow_pb2.DROPPED]
            )
        ],
    )
    refused = eventually(lambda: flows.flows(request))
    assert refused
    assert refused[-1].l7.dns.query == "contract.example.com."


@pytest.mark.parametrize(
    ("with_dns_rule", "outcomes"), [(False, {Outcome.NO_NAME, Outcome.TIMEOUT}), (True, {Outcome.ANSWERED})]
)
@pytest.mark.needs("outside")
def test_a_name_is_allowed_where_dns_is_watched(
    shop: Shop, made: Make, expect: Check, prober: Prober, with_dns_rule: bool, outcomes: set[Outcome]
) -> None:
    call = "curl -sk -o /dev/null --connect-timeout 1 --max-time 4 https://{}/"
    rules: list[dict[str, Any]] = [{"toFQDNs": [{"matchName": "api.stripe.com"}], "toPorts": port(443)}]
    made(policy(shop, "payments-names", "payments", egress=rules + ([DNS_RULE] if with_dns_rule else [])))
    expect("payments", f"curl -s --max-time 1 http://{{ip:{shop.main}/backend}}:8080/", Outcome.TIMEOUT)
    seen = eventually(
        lambda: prober.run(Probe(shop.workload("payments"), call.format("api.stripe.com")), explain=False),
        lambda attempt: attempt.outcome in outcomes,
    )
    assert seen.outcome in outcomes
    if with_dns_rule:
        expect("payments", call.format("files.stripe.com"), Outcome.TIMEOUT)


@pytest.mark.needs("outside")
def test_the_names_addresses_become_identities(
    shop: Shop, made: Make, expect: Check, flows: HubbleFlows, api: Api
) -> None:
    made(
        policy(
            shop,
            "payments-names",
            "payments",
            egress=[{"toFQDNs": [{"matchPattern": "*.stripe.com"}], "toPorts": port(443)}, DNS_RULE],
        )
    )
    call = "curl -sk -o /dev/null --connect-timeout 1 --max-time 4 https://api.stripe.com/"
    expect("payments", call, Outcome.ANSWERED)
    flow = decisive(flows, api, shop, "payments", policy_match_type=2, traffic_direction=flow_pb2.EGRESS)
    named = [item for item in _to_names(flows, shop) if "api.stripe.com" in item.destination_names]
    assert named
    assert named[-1].destination.identity >= 1 << 24, "identities of addresses are the node's own"
    assert any(label.startswith("fqdn:") for label in named[-1].destination.labels)
    assert flow.egress_allowed_by


def _to_names(flows: HubbleFlows, shop: Shop) -> Sequence[flow_pb2.Flow]:
    request = observer_pb2.GetFlowsRequest(
        number=50,
        whitelist=[flow_pb2.FlowFilter(source_pod=[f"{shop.main}/payments"], destination_fqdn=["*.stripe.com"])],
    )
    return eventually(lambda: flows.flows(request))


def valid(api: Api, shop: Shop, name: str) -> tuple[str, str]:
    """Status and message of the condition Valid."""

    def look() -> list[Any]:
        return select(api.get("CiliumNetworkPolicy", name, shop.main), "status.conditions[?type=Valid]")

    found = eventually(look)
    assert found, f"policy {name} has no condition Valid"
    return str(found[0]["status"]), str(found[0].get("message", ""))


def test_the_condition_says_whether_a_policy_was_taken(shop: Shop, made: Make, api: Api) -> None:
    made(policy(shop, "taken", "nobody", ingress=[{"fromEntities": ["cluster"]}]))
    assert valid(api, shop, "taken")[0] == "True"
    broken = port(8080, http=[{"path": "/api/[v1"}])
    made(policy(shop, "refused", "nobody", ingress=[{"toPorts": broken}]))
    status, message = valid(api, shop, "refused")
    assert status == "False"
    assert "missing closing ]" in message


def test_a_policy_of_the_wrong_form_never_gets_in(shop: Shop, api: Api) -> None:
    with pytest.raises(ApiError) as refused:
        api.apply(policy(shop, "misshapen", "nobody", ingress=[{"toPorts": [{"ports": [{"port": 8080}]}]}]))
    assert refused.value.status in (400, 422, 500)
    assert "port" in str(refused.value)
