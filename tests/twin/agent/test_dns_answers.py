"""What a node learns from an answer that passed its DNS proxy: names, TTLs, identities, and for whom."""

from __future__ import annotations

import dns.message
import dns.rrset
import pytest

from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.agent.dbg.endpointmodels import redirects
from lab_helpers.twin.agent.metrics.agentmetrics import agent_metrics
from tests.twin.agent.clusters import N1, N2, Cluster

HERE, SHARED = "203.0.113.10", "203.0.113.11"
ANSWERS = {
    "img.example.com.": [
        ("CNAME", "img.example.com.", 20, ["cdn.example.com."]),
        ("A", "cdn.example.com.", 300, [HERE]),
    ],
    "cdn.example.com.": [("A", "cdn.example.com.", 300, [HERE, SHARED])],
    "api.stripe.com.": [("A", "api.stripe.com.", 60, [SHARED])],
}


def names(*elements: dict[str, str]) -> dict[str, object]:
    """A policy for all clients: DNS through the proxy, and these names."""
    return {
        "endpointSelector": {"matchLabels": {"calls": "outside"}},
        "egress": [
            {
                "toEndpoints": [{"matchLabels": {"app": "dns"}}],
                "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}],
            },
            {"toFQDNs": list(elements)},
        ],
    }


async def started(policy: dict[str, object], config: dict[str, str] | None = None) -> Cluster:
    cluster = await Cluster(config).start()
    for pod, node in (("a", N1), ("b", N1), ("c", N2)):
        cluster.pod(pod, node, labels={"app": pod, "calls": "outside"})

    async def answer(payload: bytes, _source: tuple[str, int]) -> bytes:
        query = dns.message.from_wire(payload)
        reply = dns.message.make_response(query)
        for kind, owner, ttl, values in ANSWERS[query.question[0].name.to_text()]:
            reply.answer.append(dns.rrset.from_text(owner, ttl, "IN", kind, *values))
        return reply.to_wire()

    cluster.pod("dns", N2).bind(53, answer)
    cluster.cnp("names", policy)
    await cluster.settle()
    return cluster


async def ask(cluster: Cluster, pod: str, name: str) -> None:
    resolver = cluster.sockets("dns").ip
    await cluster.sockets(pod).exchange(resolver, 53, dns.message.make_query(name, "A").to_wire(), timeout=2)


def allowed(cluster: Cluster, pod: str, ip: str) -> bool:
    node = cluster.registry.get("pods", pod, "shop")["spec"]["nodeName"]
    agent = cluster.agents.agent(node)
    endpoint = next(one for one in agent.endpoints.values() if one.datapath.pod == pod).datapath
    assert endpoint.policy is not None
    peer = agent.tables.ipcache.lookup(ip).identity
    return endpoint.policy.decide(Direction.EGRESS, peer, Protocol.TCP, 443).allowed


def identity(cluster: Cluster, node: str, ip: str) -> tuple[int, tuple[str, ...]]:
    agent = cluster.agents.agent(node)
    number = agent.tables.ipcache.lookup(ip).identity
    return number, agent.labels_of(number)


async def test_a_chain_is_known_by_the_name_asked_for_and_its_lowest_ttl() -> None:
    cluster = await started(names({"matchName": "img.example.com"}))
    await ask(cluster, "a", "img.example.com")
    rows = list(cluster.agents.agent(N1).names.rows())
    assert [(row.name, row.ttl, row.ips, row.source) for row in rows] == [("img.example.com.", 20, (HERE,), "lookup")]
    assert allowed(cluster, "a", HERE)
    cluster.cnp("names", names({"matchName": "cdn.example.com"}))
    await cluster.settle()
    assert not allowed(cluster, "a", HERE), "the target of the chain was not asked for"


async def test_what_one_pod_learned_counts_for_its_node_and_no_other() -> None:
    cluster = await started(names({"matchPattern": "*.example.com"}))
    await ask(cluster, "a", "cdn.example.com")
    assert [allowed(cluster, pod, HERE) for pod in "abc"] == [True, True, False]


async def test_the_agent_times_what_it_passes_on() -> None:
    cluster = await started(names({"matchPattern": "*.example.com"}))
    agent = cluster.agents.agent(N1)
    for _ in range(2):
        await ask(cluster, "a", "cdn.example.com")
    waited = next(metric for metric in agent_metrics(cluster.agents, agent) if metric.name.endswith("reply_seconds"))
    counts = {key: sum(sample[:-1]) for key, sample in waited.samples.items()}
    assert counts == {("allow", "dns", "totalTime"): 2, ("allow", "dns", "upstreamTime"): 2}
    installed = next(metric for metric in agent_metrics(cluster.agents, agent) if metric.name.endswith("redirects"))
    assert dict(installed.samples) == {("dns",): len(redirects(agent))}


async def test_one_identity_for_each_set_of_selectors() -> None:
    cluster = await started(names({"matchPattern": "*.example.com"}, {"matchName": "api.stripe.com"}))
    before, _ = identity(cluster, N1, HERE)
    await ask(cluster, "a", "cdn.example.com")
    await ask(cluster, "b", "api.stripe.com")
    (one, one_labels), (both, both_labels) = identity(cluster, N1, HERE), identity(cluster, N1, SHARED)
    assert before == 2
    assert one_labels == ("fqdn:*.example.com", "reserved:world")
    assert both_labels == ("fqdn:*.example.com", "fqdn:api.stripe.com", "reserved:world")
    assert min(one, both) >= 16777217
    assert one != both


@pytest.mark.parametrize(("wanted", "there"), [("true", True), ("false", False)])
async def test_identities_before_the_first_answer(wanted: str, there: bool) -> None:
    cluster = await started(names({"matchName": "api.stripe.com"}), {"tofqdns-preallocate-identities": wanted})
    known = [item.labels.strings() for item in cluster.agents.agent(N1).addresses.local]
    assert (("fqdn:api.stripe.com", "reserved:world") in known) is there
    await ask(cluster, "a", "api.stripe.com")
    assert allowed(cluster, "a", SHARED)


async def test_addresses_of_pods_never_get_names() -> None:
    cluster = await started(names({"matchName": "api.stripe.com"}))
    inside = cluster.sockets("c").ip
    ANSWERS["inside.stripe.com."] = [("A", "inside.stripe.com.", 60, [inside])]
    cluster.cnp("names", names({"matchPattern": "*.stripe.com"}))
    await cluster.settle()
    await ask(cluster, "a", "inside.stripe.com")
    assert not any(label.startswith("fqdn:") for label in identity(cluster, N1, inside)[1])
    assert not allowed(cluster, "a", inside)
