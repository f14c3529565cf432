"""From 1.19 to 1.20 and back, by the programs of Cilium's images: what becomes of Kafka rules that are there."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from lab_helpers.twin.agent.images import cilium_images
from lab_helpers.twin.api.admission.installing import install_admissions
from lab_helpers.twin.api.crds.serving import CustomResources
from lab_helpers.twin.api.schemas.catalog import Catalog
from lab_helpers.twin.containers.kafka.brokers import Broker
from lab_helpers.twin.containers.kafka.messages import Key
from lab_helpers.twin.objects.kinds import Kinds
from tests.twin.agent.clusters import CONTROL, N1, N2, NODES, Cluster
from tests.twin.agent.processes import FakeProcess
from tests.twin.kafka.test_proxy import OTHERS, Caller, policy

CNP = "ciliumnetworkpolicies.cilium.io"


class Installation:
    """Agents and an operator of one version at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.images = {image.name.rpartition("/")[2]: image for image in cilium_images(cluster.agents)}
        self.tasks: list[asyncio.Task[int]] = []

    async def run(self, version: str) -> None:
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.tasks.clear()
        for node in NODES:
            self._start(node, "cilium-agent", "cilium", version)
        self._start(CONTROL, "cilium-operator-generic", "operator-generic", version)
        await self.cluster.settle()
        await self.cluster.clock.advance(2)

    def _start(self, node: str, program: str, image: str, version: str) -> None:
        tag = f"quay.io/cilium/{image}:v{version}"
        process = FakeProcess(self.cluster, node, [program], image=tag, name=f"{program}-{node}")
        self.tasks.append(process.start(self.images[image].programs[program]))


def rules(cluster: Cluster) -> Any:
    return cluster.registry.get(CNP, "kafka", "shop")["spec"]["ingress"][0]["toPorts"][0]["rules"]


async def test_rules_are_pruned_by_the_new_schema_and_a_rollback_does_not_bring_them_back() -> None:
    cluster = Cluster()
    cluster.registry.kinds = Kinds()
    install_admissions(cluster.registry)
    resources = CustomResources(cluster.registry, Catalog(cluster.registry))
    cluster.registry.admissions.append(resources.step)
    resources.start()
    await cluster.start(cilium=False)
    config = {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": {}}
    cluster.registry.create("configmaps", config)
    installation = Installation(cluster)
    await installation.run("1.19.8")
    client, server = cluster.pod("client", N1), cluster.pod("kafka", N2)
    broker = Broker(cluster.clock, "kafka.shop", 9092)
    server.listen(9092, broker.serve)
    cluster.cnp("kafka", policy({"role": "produce", "topic": "orders"}))
    await cluster.settle()

    async def codes() -> list[int]:
        caller = Caller(await client.connect(server.ip, 9092))
        return [row.error_code for row in (await caller.ask(Key.METADATA, OTHERS)).topics]

    assert await codes() == [29, 29]
    await installation.run("1.20.2")
    assert await codes() == [0, 0]
    assert rules(cluster) == {}
    await installation.run("1.19.8")
    assert await codes() == [0, 0]
    assert rules(cluster) == {}
    for task in installation.tasks:
        task.cancel()
