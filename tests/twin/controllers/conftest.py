"""A small cluster of fakes around the real controllers, on a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from lab_helpers.twin.clock import ManualClock
from lab_helpers.twin.controllers import Manager
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object
from tests.twin.fakes import FakeNetwork, FakeWorkloads, make_node, make_registry, until

NODES = {"control": "172.18.0.2", "one": "172.18.0.3", "two": "172.18.0.4"}


@dataclass
class Cluster:
    registry: Registry
    clock: ManualClock
    workloads: FakeWorkloads
    network: FakeNetwork
    manager: Manager

    def pods(self, labels: str = "", namespace: str = "shop") -> list[Object]:
        return self.registry.list("pods", namespace, labels)

    def get(self, resource: str, name: str, namespace: str = "shop") -> Object:
        return self.registry.get(resource, name, namespace)

    def events(self, reason: str) -> list[str]:
        return [item["message"] for item in self.registry.list("events") if item["reason"] == reason]

    def ready(self, labels: str = "") -> list[Object]:
        return [pod for pod in self.pods(labels) if is_ready(pod)]

    async def settle(self) -> None:
        await self.clock.advance(0)
        await until(lambda: self.manager.idle)
        await self.clock.advance(0)
        await until(lambda: self.manager.idle)


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def workload(kind: str, name: str, replicas: int = 1, *, image: str = "web:1", **spec: Any) -> dict[str, Any]:
    """A Deployment, ReplicaSet, StatefulSet or DaemonSet body; ``pod`` among the keywords is merged into the pod's
    spec."""
    pod = spec.pop("pod", {})
    body: dict[str, Any] = {
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": image}], **pod},
            },
            **spec,
        },
    }
    if kind != "DaemonSet":
        body["spec"]["replicas"] = replicas
    return body


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def cluster(clock: ManualClock) -> AsyncIterator[Cluster]:
    registry = make_registry(clock)
    workloads, network = FakeWorkloads(clock), FakeNetwork()
    for name, ip in NODES.items():
        taints = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}] if name == "control" else []
        make_node(registry, name, ip, **({"taints": taints} if taints else {}))
    for name in ("default", "kube-system", "kube-node-lease", "shop"):
        registry.create("namespaces", {"metadata": {"name": name}})
    manager = Manager(registry, clock, workloads, network)
    await manager.start()
    made = Cluster(registry, clock, workloads, network, manager)
    await made.settle()
    yield made
    await manager.stop()
