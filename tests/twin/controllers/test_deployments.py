from __future__ import annotations

import re

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
