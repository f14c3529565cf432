from __future__ import annotations

from typing import Any

import pytest

from tests.twin.controllers.conftest import Cluster, workload


async def test_a_namespace_takes_its_contents_with_it(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 2))
    cluster.registry.create("configmaps", {"metadata": {"name": "settings", "namespace": "shop"}})
    await cluster.settle()
    cluster.workloads.stop_takes = 3
    cluster.registry.delete("namespaces", "shop")
    await cluster.settle()
    assert cluster.get("namespaces", "shop", "")["status"]["phase"] == "Terminating"
    assert cluster.registry.find("configmaps", "settings", "shop") is None
    await cluster.clock.advance(10)
    await cluster.settle()
    assert cluster.registry.find("namespaces", "shop") is None
    assert not cluster.pods()
    assert cluster.registry.find("serviceaccounts", "default", "shop") is None


async def test_a_finalizer_holds_a_namespace(cluster: Cluster) -> None:
    metadata = {"name": "held", "namespace": "shop", "finalizers": ["example.com/keep"]}
    cluster.registry.create("configmaps", {"metadata": metadata})
    cluster.registry.delete("namespaces", "shop")
    await cluster.settle()
    status = cluster.get("namespaces", "shop", "")["status"]
    remaining = next(item for item in status["conditions"] if item["type"] == "NamespaceFinalizersRemaining")
    assert remaining["message"] == (
        "Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances"
    )
    draft = cluster.registry.draft("configmaps", "held", "shop")
    draft["metadata"]["finalizers"] = []
    cluster.registry.update("configmaps", draft)
    await cluster.settle()
    assert cluster.registry.find("namespaces", "shop") is None


async def test_orphaned_dependents_stay(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 1))
    await cluster.settle()
    cluster.registry.delete("deployments.apps", "backend", "shop", propagation="Orphan")
    await cluster.settle()
    assert cluster.registry.find("deployments.apps", "backend", "shop") is None
    (left,) = cluster.registry.list("replicasets.apps", "shop")
    assert "ownerReferences" not in left["metadata"]
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 1))
    await cluster.settle()
    (adopted,) = cluster.registry.list("replicasets.apps", "shop")
    assert adopted["metadata"]["uid"] == left["metadata"]["uid"]
    assert adopted["metadata"]["ownerReferences"][0]["name"] == "backend"


async def test_a_foreground_deletion_waits_for_the_pods(cluster: Cluster) -> None:
    cluster.workloads.stop_takes = 3
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 1))
    await cluster.settle()
    cluster.registry.delete("deployments.apps", "backend", "shop", propagation="Foreground")
    await cluster.settle()
    assert cluster.get("deployments.apps", "backend")["metadata"]["deletionTimestamp"]
    await cluster.clock.advance(4)
    await cluster.settle()
    assert cluster.registry.find("deployments.apps", "backend", "shop") is None
    assert not cluster.pods()


async def test_a_dependent_of_a_missing_owner_is_deleted(cluster: Cluster) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "no-such-uid"}
    metadata = {"name": "leftover", "namespace": "shop", "ownerReferences": [reference]}
    cluster.registry.create("configmaps", {"metadata": metadata})
    await cluster.settle()
    assert cluster.registry.find("configmaps", "leftover", "shop") is None


def cordon(cluster: Cluster, *nodes: str) -> None:
    for name in nodes:
        draft = cluster.registry.draft("nodes", name)
        draft["spec"]["unschedulable"] = True
        cluster.registry.update("nodes", draft)


async def test_a_cordoned_node_is_tainted(cluster: Cluster) -> None:
    cordon(cluster, "one")
    await cluster.settle()
    taints = cluster.get("nodes", "one", "")["spec"]["taints"]
    assert [(item["key"], item["effect"]) for item in taints] == [("node.kubernetes.io/unschedulable", "NoSchedule")]


ANTI = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
        ]
    }
}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (
            {"nodeSelector": {"disk": "ssd"}},
            (
                "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, "
                "2 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: "
                "3 Preemption is not helpful for scheduling."
            ),
        ),
        (
            {"containers": [{"name": "main", "image": "web:1", "resources": {"requests": {"cpu": "9"}}}]},
            (
                "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, "
                "2 Insufficient cpu. preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, "
                "2 No preemption victims found for incoming pod."
            ),
        ),
    ],
)
async def test_why_a_pod_is_not_scheduled(cluster: Cluster, spec: dict[str, Any], reason: str) -> None:
    body = {"containers": [{"name": "main", "image": "web:1"}], **spec}
    cluster.registry.create("pods", {"metadata": {"name": "web", "namespace": "shop"}, "spec": body})
    await cluster.settle()
    (found,) = cluster.get("pods", "web")["status"]["conditions"]
    assert (found["type"], found["status"], found["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert found["message"] == reason
    assert cluster.events("FailedScheduling") == [reason]


async def test_anti_affinity_keeps_replicas_apart(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "web", 3, pod={"affinity": ANTI}))
    await cluster.settle()
    assert len({pod["spec"]["nodeName"] for pod in cluster.ready("app=web")}) == 2
    assert len(cluster.pods("app=web")) == 3
    ready = cluster.ready("app=web")[0]
    cluster.registry.delete("deployments.apps", "web", "shop")
    await cluster.settle()
    assert cluster.registry.find("pods", ready["metadata"]["name"], "shop") is None


async def test_disruption_budgets_count(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "web", 3))
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
    cluster.registry.create(
        "poddisruptionbudgets.policy", {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}
    )
    await cluster.settle()
    status = cluster.get("poddisruptionbudgets.policy", "web")["status"]
    assert (status["disruptionsAllowed"], status["currentHealthy"], status["expectedPods"]) == (1, 3, 3)


async def test_leases_are_renewed(cluster: Cluster) -> None:
    before = cluster.get("leases.coordination.k8s.io", "one", "kube-node-lease")["spec"]["renewTime"]
    await cluster.clock.advance(30)
    after = cluster.get("leases.coordination.k8s.io", "one", "kube-node-lease")["spec"]["renewTime"]
    assert after > before


async def test_events_end_after_an_hour(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "web", 1))
    await cluster.settle()
    assert cluster.registry.list("events", "shop")
    await cluster.clock.advance(3700)
    assert not cluster.registry.list("events", "shop")


async def test_the_first_of_those_that_want_each_other_beside_them(cluster: Cluster) -> None:
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    cluster.registry.create("deployments.apps", workload("Deployment", "web", 2, pod={"affinity": affinity}))
    await cluster.settle()
    assert len(cluster.ready("app=web")) == 2
    assert len({pod["spec"]["nodeName"] for pod in cluster.registry.list("pods")}) == 1


async def test_affinity_waits_for_its_company(cluster: Cluster) -> None:
    term = {"labelSelector": {"matchLabels": {"app": "agent"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    cluster.registry.create("deployments.apps", workload("Deployment", "relay", 1, pod={"affinity": affinity}))
    await cluster.settle()
    assert not cluster.ready("app=relay")
    cluster.registry.create("daemonsets.apps", workload("DaemonSet", "agent"))
    await cluster.settle()
    assert len(cluster.ready("app=relay")) == 1
