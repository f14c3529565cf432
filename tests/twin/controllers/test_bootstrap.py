from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from lab_helpers.twin.bootstrap import NODES, seed, static_pods
from lab_helpers.twin.clock import ManualClock
from lab_helpers.twin.controllers import Manager
from lab_helpers.twin.objects.storage import Storage
from tests.twin.controllers.conftest import Cluster, is_ready
from tests.twin.fakes import FakeNetwork, FakeWorkloads, make_registry, until

NOT_READY = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
    "message:Network plugin returns error: cni plugin not initialized"
)


@pytest_asyncio.fixture
async def fresh(clock: ManualClock) -> AsyncIterator[Cluster]:
    """A cluster as ``up`` makes it: no network."""
    registry = make_registry(clock)
    assert seed(registry)
    workloads, network = FakeWorkloads(clock), FakeNetwork(ready=False)
    pods = [pod for node in NODES for pod in static_pods(node)]
    manager = Manager(registry, clock, workloads, network, static_pods=pods, root_ca="CA")
    await manager.start()
    cluster = Cluster(registry, clock, workloads, network, manager)
    await cluster.settle()
    yield cluster
    await manager.stop()


async def test_a_fresh_cluster_has_no_network(fresh: Cluster) -> None:
    for node in fresh.registry.list("nodes"):
        ready = next(item for item in node["status"]["conditions"] if item["type"] == "Ready")
        assert (ready["status"], ready["reason"], ready["message"]) == ("False", "KubeletNotReady", NOT_READY)
        assert {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"} in node["spec"]["taints"]
    pods = fresh.pods(namespace="kube-system")
    control = [pod for pod in pods if pod["metadata"]["labels"].get("tier") == "control-plane"]
    assert sorted(pod["metadata"]["name"] for pod in control) == [
        f"{name}-cilium-labs-control-plane"
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ]
    assert all(is_ready(pod) and pod["status"]["podIP"] == "172.18.0.2" for pod in control)
    waiting = [pod for pod in pods if pod["metadata"]["labels"].get("k8s-app") == "kube-dns"]
    assert len(waiting) == 2
    for pod in waiting:
        assert pod["status"]["conditions"][0]["message"] == (
            "0/3 nodes are available: 3 node(s) had untolerated taint {node.kubernetes.io/not-ready: }. "
            "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        )


async def test_the_network_brings_nodes_and_dns_up(fresh: Cluster) -> None:
    for node in NODES:
        fresh.network.switch(node.name, ready=True)
    await until(lambda: all(is_ready(pod) for pod in fresh.pods(namespace="kube-system")))
    await fresh.settle()
    for node in fresh.registry.list("nodes"):
        assert all(taint["key"] != "node.kubernetes.io/not-ready" for taint in node["spec"].get("taints", ()))
    dns = fresh.get("endpoints", "kube-dns", "kube-system")
    assert len(dns["subsets"][0]["addresses"]) == 2
    assert [port["port"] for port in dns["subsets"][0]["ports"]] == [53, 53, 9153]
    assert fresh.events("NodeReady") == [f"Node {node.name} status is now: NodeReady" for node in sorted(NODES)]


async def test_every_namespace_has_its_account_and_root_ca(fresh: Cluster) -> None:
    fresh.registry.create("namespaces", {"metadata": {"name": "shop"}})
    await fresh.settle()
    assert fresh.get("serviceaccounts", "default")
    assert fresh.get("configmaps", "kube-root-ca.crt")["data"] == {"ca.crt": "CA"}
    fresh.registry.delete("configmaps", "kube-root-ca.crt", "shop")
    await fresh.settle()
    assert fresh.get("configmaps", "kube-root-ca.crt")


def test_seeding_twice_changes_nothing(clock: ManualClock) -> None:
    storage = Storage()
    registry = make_registry(clock, storage)
    assert seed(registry)
    revision = storage.revision
    assert not seed(registry)
    assert storage.revision == revision


async def test_what_was_deleted_stays_deleted_after_a_restart(clock: ManualClock) -> None:
    registry = make_registry(clock)
    seed(registry)
    registry.delete("deployments.apps", "coredns", "kube-system")
    seed(registry)
    assert registry.find("deployments.apps", "coredns", "kube-system") is None


async def test_a_deleted_mirror_pod_comes_back(fresh: Cluster) -> None:
    name = "etcd-cilium-labs-control-plane"
    before = fresh.get("pods", name, "kube-system")["metadata"]["uid"]
    fresh.registry.delete("pods", name, "kube-system")
    await fresh.settle()
    await fresh.clock.advance(11)
    await fresh.settle()
    assert fresh.get("pods", name, "kube-system")["metadata"]["uid"] != before
