"""Identities follow labels: churn, reuse of addresses, revisions, restarts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_helpers.policy.labels import Label, LabelSet
from lab_helpers.policy.pod_labels import DEFAULT_FILTER, LabelFilter
from lab_helpers.twin.interfaces import ConnectionFailed, PodKey
from lab_helpers.twin.objects.storage import Storage
from tests.twin.agent.clusters import N1, N2, Cluster, echo, request

ALLOW_CLIENT = {
    "endpointSelector": {"matchLabels": {"app": "server"}},
    "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "client"}}]}],
}


def endpoint(cluster: Cluster, name: str, namespace: str = "shop"):  # type: ignore[no-untyped-def]
    pod = cluster.registry.get("pods", name, namespace)
    return cluster.agents.nodes[pod["spec"]["nodeName"]].endpoint_of(pod["metadata"]["uid"])


async def reaches(cluster: Cluster, client: str, server: str) -> bool:
    try:
        await cluster.within(request(cluster.sockets(client), cluster.sockets(server).ip, 80, timeout=0.5))
    except ConnectionFailed:
        return False
    return True


async def test_pods_with_the_same_labels_share_an_identity_across_nodes() -> None:
    cluster = await Cluster().start()
    for name, node in (("a", N1), ("b", N2), ("c", N2)):
        cluster.pod(name, node, labels={"app": "web", "pod-template-hash": name})
    cluster.pod("other", N2, "dev", labels={"app": "web"})
    identities = {endpoint(cluster, name).datapath.identity for name in "abc"}
    assert len(identities) == 1
    assert endpoint(cluster, "other", "dev").datapath.identity not in identities
    assert len(cluster.registry.list("ciliumidentities.cilium.io")) == 2
    assert all(256 <= identity <= 65535 for identity in identities)


async def test_a_ciliumendpoint_tells_what_the_agent_knows() -> None:
    cluster = await Cluster().start()
    ports = [{"name": "main", "ports": [{"name": "http", "containerPort": 8080}]}]
    cluster.pod("web", N1, spec={"containers": ports})
    cep = cluster.registry.get("ciliumendpoints.cilium.io", "web", "shop")
    status = cep["status"]
    assert cep["metadata"]["ownerReferences"][0]["kind"] == "Pod"
    assert status["state"] == "ready"
    assert status["networking"] == {"addressing": [{"ipv4": cluster.sockets("web").ip}], "node": "172.18.0.3"}
    assert status["identity"]["id"] == endpoint(cluster, "web").datapath.identity
    assert "k8s:app=web" in status["identity"]["labels"]
    assert status["named-ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


async def test_a_label_change_is_a_new_identity_and_rules_follow() -> None:
    cluster = await Cluster().start()
    cluster.pod("client", N1)
    cluster.pod("server", N2).listen(80, echo)
    cluster.cnp("allow", ALLOW_CLIENT)
    await cluster.settle()
    before = endpoint(cluster, "client").datapath.identity
    assert await reaches(cluster, "client", "server")
    draft = cluster.registry.draft("pods", "client", "shop")
    draft["metadata"]["labels"] = {"app": "cleint"}
    cluster.registry.update("pods", draft)
    await cluster.settle()
    assert endpoint(cluster, "client").datapath.identity != before
    assert [entry.state for entry in endpoint(cluster, "client").log][-4:] == [
        "waiting-for-identity",
        "waiting-to-regenerate",
        "regenerating",
        "ready",
    ]
    assert not await reaches(cluster, "client", "server")
    assert cluster.registry.find("ciliumidentities.cilium.io", str(before)) is not None


async def test_labels_outside_the_filter_change_nothing() -> None:
    cluster = await Cluster().start()
    cluster.pod("client", N1)
    before = endpoint(cluster, "client").datapath.identity
    draft = cluster.registry.draft("pods", "client", "shop")
    draft["metadata"]["labels"]["pod-template-hash"] = "x1"
    cluster.registry.update("pods", draft)
    await cluster.settle()
    assert endpoint(cluster, "client").datapath.identity == before


async def test_a_namespace_label_gives_all_its_pods_new_identities() -> None:
    cluster = await Cluster().start()
    cluster.pod("a", N1)
    cluster.pod("b", N2)
    before = [endpoint(cluster, name).datapath.identity for name in "ab"]
    draft = cluster.registry.draft("namespaces", "shop")
    draft["metadata"]["labels"]["team"] = "blue"
    cluster.registry.update("namespaces", draft)
    await cluster.settle()
    after = [endpoint(cluster, name).datapath.identity for name in "ab"]
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert "k8s:io.cilium.k8s.namespace.labels.team=blue" in endpoint(cluster, "a").datapath.labels


async def test_an_address_reused_by_another_workload_does_not_inherit_anything() -> None:
    cluster = await Cluster().start()
    client = cluster.pod("client", N1)
    cluster.pod("server", N2).listen(80, echo)
    cluster.cnp("allow", ALLOW_CLIENT)
    await cluster.settle()
    assert await reaches(cluster, "client", "server")
    ip = client.ip
    cluster.delete_pod("client")
    pool = cluster.agents.nodes[N1].pool
    assert pool is not None
    for host in range(1, 255):
        if f"10.0.1.{host}" != ip:
            pool.claim(f"10.0.1.{host}", "somebody")
    assert cluster.pod("stranger", N1).ip == ip
    await cluster.settle()
    assert not await reaches(cluster, "stranger", "server")


async def test_an_exhausted_pool_says_so() -> None:
    cluster = await Cluster().start()
    pool = cluster.agents.nodes[N1].pool
    assert pool is not None
    for host in range(1, 255):
        pool.claim(f"10.0.1.{host}", "somebody")
    with pytest.raises(RuntimeError, match="range is full"):
        cluster.pod("one-too-many", N1)


async def test_revisions_grow_with_policies_and_are_realized_by_every_endpoint() -> None:
    cluster = await Cluster().start()
    cluster.pod("client", N1)
    agent = cluster.agents.nodes[N1]
    before = agent.repository.revision
    cluster.cnp("allow", ALLOW_CLIENT)
    await cluster.settle()
    assert agent.repository.revision == before + 1
    assert {e.datapath.policy.revision for e in agent.endpoints.values() if e.datapath.policy} == {before + 1}
    cluster.registry.delete("ciliumnetworkpolicies.cilium.io", "allow", "shop")
    await cluster.settle()
    assert agent.repository.revision == before + 2


async def test_a_refused_policy_is_not_imported_and_traffic_stays_open() -> None:
    cluster = await Cluster().start()
    cluster.pod("client", N1)
    cluster.pod("server", N1).listen(80, echo)
    cluster.cnp("empty", {"endpointSelector": {}, "ingress": [], "egress": []})
    await cluster.settle()
    assert await reaches(cluster, "client", "server")
    logged = cluster.agents.nodes[N1].log.drain()
    assert any("rule must have at least one of Ingress" in line and "level=warn" in line for line in logged)


async def test_cidr_rules_give_outside_prefixes_local_identities() -> None:
    cluster = await Cluster().start()
    client = cluster.pod("client", N1)
    for ip in ("203.0.113.5", "203.0.113.200", "198.51.100.1"):
        cluster.datapath.outside(ip).listen(443, echo)
    cidr = {"cidr": "203.0.113.0/24", "except": ["203.0.113.128/25"]}
    cluster.cnp("egress", {"endpointSelector": {}, "egress": [{"toCIDRSet": [cidr]}]})
    await cluster.settle()
    stream = await client.connect("203.0.113.5", 443)
    await stream.close()
    verdict = next(flow for flow in cluster.flows if flow.event_type.type == 5)
    assert verdict.destination.identity >= 16777217
    assert "cidr:203.0.113.0/24" in verdict.destination.labels
    for ip in ("203.0.113.200", "198.51.100.1"):
        with pytest.raises(ConnectionFailed):
            await cluster.within(client.connect(ip, 443, timeout=0.5))
    cluster.registry.delete("ciliumnetworkpolicies.cilium.io", "egress", "shop")
    await cluster.settle()
    assert cluster.agents.nodes[N1].tables.ipcache.lookup("203.0.113.5").identity == 2


async def test_everything_comes_back_when_the_twin_starts_anew() -> None:
    storage = Storage()
    first = await Cluster(storage=None).start()
    del storage
    first.pod("client", N1)
    first.pod("server", N2)
    await first.settle()
    known = {
        name: (first.sockets(name).ip, endpoint(first, name).datapath.identity, endpoint(first, name).id)
        for name in ("client", "server")
    }
    second = await Cluster(storage=first.registry.storage).start()
    for name in known:
        again = endpoint(second, name)
        assert (again.datapath.ip, again.datapath.identity, again.id) == known[name]
    second.sockets("server").listen(80, echo)
    assert await reaches(second, "client", "server")


async def test_a_pod_deleted_while_the_agent_was_down_is_forgotten_at_its_start() -> None:
    cluster = await Cluster().start()
    cluster.pod("client", N1)
    agent = cluster.agents.nodes[N1]
    agent.stop()
    pod = cluster.registry.get("pods", "client", "shop")
    cluster.registry.delete("pods", "client", "shop", grace=0)
    cluster.agents.detach(N1, PodKey("shop", "client", pod["metadata"]["uid"]))
    assert agent.endpoint_of(pod["metadata"]["uid"]) is not None
    cluster.start_agent(N1)
    assert agent.endpoint_of(pod["metadata"]["uid"]) is None
    assert cluster.registry.find("ciliumendpoints.cilium.io", "client", "shop") is None


@pytest.mark.parametrize(
    ("extra", "key", "kept"),
    [
        ((), "app", True),
        ((), "app.kubernetes.io/name", True),
        ((), "kubernetes.io/x", False),
        ((), "pod-template-hash", False),
        ((), "io.kubernetes.pod.namespace", True),
        ((), "statefulset.kubernetes.io/pod-name", False),
        (("!app",), "app", False),
        (("k8s:team",), "app", False),
        (("k8s:team",), "team", True),
        (("k8s:team",), "io.kubernetes.pod.namespace", True),
    ],
)
def test_which_labels_make_an_identity(extra: tuple[str, ...], key: str, kept: bool) -> None:
    assert LabelFilter.from_expressions(" ".join(extra)).keeps(key) is kept


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(["app", "team", "pod-template-hash", "app.kubernetes.io/name", "k8s.io/x", "tier"])))
def test_the_filter_splits_every_label_set_in_two(keys: set[str]) -> None:
    labels = LabelSet(Label("k8s", key, "v") for key in keys)
    kept, information = DEFAULT_FILTER.split(labels)
    assert set(kept) | set(information) == set(labels)
    assert not set(kept) & set(information)
    assert DEFAULT_FILTER.split(kept)[0] == kept


async def test_a_policy_regenerates_only_the_endpoints_it_changes() -> None:
    cluster = await Cluster().start()
    cluster.pod("client", N1)
    cluster.pod("server", N1)
    agent = cluster.agents.nodes[N1]
    before = {name: endpoint(cluster, name).regenerations for name in ("client", "server")}
    cluster.cnp("allow", ALLOW_CLIENT)
    await cluster.settle()
    after = {name: endpoint(cluster, name).regenerations for name in ("client", "server")}
    assert after == {"client": before["client"], "server": before["server"] + 1}
    assert {e.datapath.policy.revision for e in agent.endpoints.values() if e.datapath.policy} == {
        agent.repository.revision
    }


async def test_port_names_in_egress_rules_follow_the_pods_that_have_them() -> None:
    cluster = await Cluster().start()
    cluster.pod("client", N1)
    rule = {"toEndpoints": [{"matchLabels": {"app": "server"}}], "toPorts": [{"ports": [{"port": "web"}]}]}
    cluster.cnp("named", {"endpointSelector": {"matchLabels": {"app": "client"}}, "egress": [rule]})
    containers = [{"name": "main", "image": "x", "ports": [{"name": "web", "containerPort": 80}]}]
    cluster.pod("server", N2).listen(80, echo)
    await cluster.settle()
    assert not await reaches(cluster, "client", "server")
    cluster.delete_pod("server")
    cluster.pod("server", N2, spec={"containers": containers}).listen(80, echo)
    await cluster.settle()
    assert await reaches(cluster, "client", "server")
