from __future__ import annotations

from typing import Any

from lab_helpers.twin.objects.storage import Object
from tests.twin.controllers.conftest import Cluster, workload

SLICES = "endpointslices.discovery.k8s.io"


def service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"app": name}, "ports": ports, **spec},
    }


def serving(name: str, replicas: int, port: int = 8080) -> dict[str, Any]:
    body = workload("Deployment", name, replicas)
    body["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"name": "web", "containerPort": port}]
    return body


def slices(cluster: Cluster) -> list[Object]:
    return cluster.registry.list(SLICES, "shop")


async def test_ready_pods_are_endpoints(cluster: Cluster) -> None:
    cluster.registry.create("services", service("backend"))
    cluster.registry.create("deployments.apps", serving("backend", 2))
    await cluster.settle()
    (item,) = slices(cluster)
    assert item["metadata"]["name"].startswith("backend-")
    assert item["metadata"]["labels"]["kubernetes.io/service-name"] == "backend"
    assert item["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert {entry["addresses"][0] for entry in item["endpoints"]} == {
        pod["status"]["podIP"] for pod in cluster.pods("app=backend")
    }
    assert all(entry["conditions"]["ready"] for entry in item["endpoints"])
    (subset,) = cluster.get("endpoints", "backend")["subsets"]
    assert len(subset["addresses"]) == 2


async def test_a_service_without_pods_has_an_empty_slice(cluster: Cluster) -> None:
    cluster.registry.create("services", service("backend"))
    await cluster.settle()
    (item,) = slices(cluster)
    assert item["endpoints"] == []
    assert "subsets" not in cluster.get("endpoints", "backend")


async def test_pods_that_are_not_ready_are_listed_as_such(cluster: Cluster) -> None:
    cluster.workloads.probes["web"] = (False, "no")
    body = serving("backend", 1)
    body["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 8080}}
    cluster.registry.create("deployments.apps", body)
    cluster.registry.create("services", service("backend"))
    cluster.registry.create("services", service("open", selector={"app": "backend"}, publishNotReadyAddresses=True))
    await cluster.settle()
    ready = {
        item["metadata"]["labels"]["kubernetes.io/service-name"]: item["endpoints"][0]["conditions"]["ready"]
        for item in slices(cluster)
    }
    assert ready == {"backend": False, "open": True}
    assert "notReadyAddresses" in cluster.get("endpoints", "backend")["subsets"][0]


async def test_named_ports_that_differ_make_two_slices(cluster: Cluster) -> None:
    cluster.registry.create("services", service("backend", selector={"part": "of-it"}))
    for name, port in (("one", 8080), ("two", 9090)):
        body = serving(name, 1, port)
        body["spec"]["template"]["metadata"]["labels"]["part"] = "of-it"
        cluster.registry.create("deployments.apps", body)
    await cluster.settle()
    assert sorted(item["ports"][0]["port"] for item in slices(cluster)) == [8080, 9090]


async def test_a_relabelled_pod_leaves_the_service_and_its_replicaset(cluster: Cluster) -> None:
    cluster.registry.create("services", service("backend"))
    cluster.registry.create("deployments.apps", serving("backend", 1))
    await cluster.settle()
    draft = cluster.registry.draft("pods", cluster.pods()[0]["metadata"]["name"], "shop")
    draft["metadata"]["labels"]["app"] = "backned"
    cluster.registry.update("pods", draft)
    await cluster.settle()
    assert len(cluster.pods("app=backned")) == 1
    assert len(cluster.pods("app=backend")) == 1
    (item,) = slices(cluster)
    assert [entry["targetRef"]["name"] for entry in item["endpoints"]] == [
        cluster.pods("app=backend")[0]["metadata"]["name"]
    ]


async def test_deleting_a_service_removes_its_endpoints(cluster: Cluster) -> None:
    cluster.registry.create("services", service("backend"))
    await cluster.settle()
    cluster.registry.delete("services", "backend", "shop")
    await cluster.settle()
    assert not slices(cluster)
    assert cluster.registry.find("endpoints", "backend", "shop") is None


async def test_more_than_a_hundred_endpoints_take_two_slices(cluster: Cluster) -> None:
    cluster.registry.create("services", service("backend"))
    cluster.registry.create("deployments.apps", serving("backend", 120))
    await cluster.settle()
    assert sorted(len(item["endpoints"]) for item in slices(cluster)) == [20, 100]
