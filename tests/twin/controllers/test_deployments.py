from __future__ import annotations

import re

import pytest

from tests.twin.controllers.conftest import Cluster, workload
from tests.twin.fakes import until


async def test_a_deployment_becomes_running_pods(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 2))
    await until(lambda: len(cluster.ready("app=backend")) == 2)
    await cluster.settle()
    pods = cluster.pods("app=backend")
    assert all(
        re.fullmatch(r"backend-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[a-z0-9]{5}", p["metadata"]["name"]) for p in pods
    )
    assert {pod["spec"]["nodeName"] for pod in pods} == {"one", "two"}
    assert all(pod["status"]["phase"] == "Running" and pod["status"]["podIP"] for pod in pods)
    status = cluster.get("deployments.apps", "backend")["status"]
    assert status["observedGeneration"] == cluster.get("deployments.apps", "backend")["metadata"]["generation"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (2, 2, 2)
    assert {item["type"]: item["reason"] for item in status["conditions"]} == {
        "Available": "MinimumReplicasAvailable",
        "Progressing": "NewReplicaSetAvailable",
    }


async def roll(cluster: Cluster, name: str, **changes: object) -> None:
    draft = cluster.registry.draft("deployments.apps", name, "shop")
    spec = draft["spec"]
    if "image" in changes:
        spec["template"]["spec"]["containers"][0]["image"] = changes.pop("image")
    spec.update(changes)
    cluster.registry.update("deployments.apps", draft)
    await cluster.settle()


async def test_a_rolling_update_keeps_pods_available(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 4))
    await cluster.settle()
    least: list[int] = []
    cluster.registry.listen(lambda _: least.append(len(cluster.ready("app=backend"))))
    await roll(cluster, "backend", image="web:2")
    await cluster.settle()
    pods = cluster.pods("app=backend")
    assert len(pods) == 4
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {"web:2"}
    assert min(least) >= 3
    deployment = cluster.get("deployments.apps", "backend")
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert "unavailableReplicas" not in deployment["status"]
    sizes = {item["spec"]["replicas"] for item in cluster.registry.list("replicasets.apps")}
    assert sizes == {0, 4}


async def test_a_rollback_uses_the_old_replicaset_again(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 1))
    await cluster.settle()
    for image in ("web:2", "web:1"):
        await roll(cluster, "backend", image=image)
    sets = cluster.registry.list("replicasets.apps")
    annotations = {
        item["spec"]["template"]["spec"]["containers"][0]["image"]: item["metadata"]["annotations"] for item in sets
    }
    assert annotations["web:1"]["deployment.kubernetes.io/revision"] == "3"
    assert annotations["web:1"]["deployment.kubernetes.io/revision-history"] == "1"
    assert annotations["web:2"]["deployment.kubernetes.io/revision"] == "2"


async def test_recreate_stops_the_old_pods_first(cluster: Cluster) -> None:
    body = workload("Deployment", "backend", 2, strategy={"type": "Recreate"})
    cluster.registry.create("deployments.apps", body)
    await cluster.settle()
    most: list[int] = []
    cluster.registry.listen(lambda _: most.append(len(cluster.pods("app=backend"))))
    await roll(cluster, "backend", image="web:2")
    await cluster.settle()
    assert max(most) == 2
    assert {pod["spec"]["containers"][0]["image"] for pod in cluster.ready()} == {"web:2"}


async def test_a_paused_deployment_does_not_roll(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 1, paused=False))
    await cluster.settle()
    await roll(cluster, "backend", paused=True, image="web:2")
    assert len(cluster.registry.list("replicasets.apps")) == 1
    await roll(cluster, "backend", paused=False)
    assert {pod["spec"]["containers"][0]["image"] for pod in cluster.ready()} == {"web:2"}


@pytest.mark.parametrize("size", [0, 1, 5])
async def test_scaling(cluster: Cluster, size: int) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 3))
    await cluster.settle()
    await roll(cluster, "backend", replicas=size)
    assert len(cluster.pods("app=backend")) == size
    status = cluster.get("deployments.apps", "backend")["status"]
    assert status.get("replicas", 0) == status.get("availableReplicas", 0) == size


async def test_a_rollout_that_hangs_is_called_so(cluster: Cluster) -> None:
    cluster.workloads.broken["bad:1"] = 'failed to pull and unpack image "docker.io/library/bad:1": not found'
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 1, progressDeadlineSeconds=60))
    await cluster.settle()
    await roll(cluster, "backend", image="bad:1")
    await cluster.clock.advance(65)
    await cluster.settle()
    conditions = {item["type"]: item for item in cluster.get("deployments.apps", "backend")["status"]["conditions"]}
    assert conditions["Progressing"]["reason"] == "ProgressDeadlineExceeded"
    assert conditions["Available"]["status"] == "True"
    waiting = [pod["status"]["containerStatuses"][0]["state"].get("waiting") for pod in cluster.pods()]
    assert {"ImagePullBackOff"} == {item["reason"] for item in waiting if item}


async def test_deleting_a_deployment_removes_its_pods(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 2))
    await cluster.settle()
    cluster.registry.delete("deployments.apps", "backend", "shop")
    await cluster.settle()
    assert not cluster.pods()
    assert not cluster.registry.list("replicasets.apps")


async def test_a_deleted_pod_is_replaced_with_another_address(cluster: Cluster) -> None:
    cluster.registry.create("deployments.apps", workload("Deployment", "backend", 1))
    await cluster.settle()
    old = cluster.pods()[0]
    cluster.registry.delete("pods", old["metadata"]["name"], "shop")
    await cluster.settle()
    (new,) = cluster.pods()
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["status"]["podIP"] != old["status"]["podIP"]
