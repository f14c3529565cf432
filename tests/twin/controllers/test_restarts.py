from __future__ import annotations

from pathlib import Path

from lab_helpers.twin.clock import ManualClock
from lab_helpers.twin.controllers import Manager
from lab_helpers.twin.objects.storage import Storage
from tests.twin.controllers.conftest import Cluster, is_ready, workload
from tests.twin.fakes import FakeNetwork, FakeWorkloads, make_node, make_registry


async def begin(path: Path, network: FakeNetwork) -> Cluster:
    clock = ManualClock()
    registry = make_registry(clock, Storage(path))
    if registry.find("nodes", "one") is None:
        make_node(registry, "one", "172.18.0.3")
        registry.create("namespaces", {"metadata": {"name": "shop"}})
    workloads = FakeWorkloads(clock)
    manager = Manager(registry, clock, workloads, network)
    cluster = Cluster(registry, clock, workloads, network, manager)
    await manager.start()
    await cluster.settle()
    return cluster


async def test_pods_survive_a_restart_of_the_twin(tmp_path: Path) -> None:
    network = FakeNetwork()
    first = await begin(tmp_path / "state.db", network)
    first.registry.create("deployments.apps", workload("Deployment", "web", 2))
    await first.settle()
    before = {pod["metadata"]["uid"]: pod["status"]["podIP"] for pod in first.ready()}
    assert len(before) == 2
    await first.manager.stop()
    first.registry.storage.close()

    second = await begin(tmp_path / "state.db", network)
    pods = second.ready()
    assert {pod["metadata"]["uid"]: pod["status"]["podIP"] for pod in pods} == before
    assert len(second.workloads.started) == 2
    for pod in pods:
        (status,) = pod["status"]["containerStatuses"]
        assert status["restartCount"] == 1
        assert status["lastState"]["terminated"]["reason"] == "Unknown"
    await second.manager.stop()


async def test_what_was_being_deleted_is_deleted_after_a_restart(tmp_path: Path) -> None:
    network = FakeNetwork()
    first = await begin(tmp_path / "state.db", network)
    first.registry.create("deployments.apps", workload("Deployment", "web", 1))
    await first.settle()
    (pod,) = first.pods()
    first.workloads.stop_takes = 5
    first.registry.delete("pods", pod["metadata"]["name"], "shop")
    first.registry.delete("namespaces", "shop")
    await first.settle()
    await first.manager.stop()
    first.registry.storage.close()

    second = await begin(tmp_path / "state.db", network)
    await second.clock.advance(10)
    await second.settle()
    assert second.registry.find("namespaces", "shop") is None
    assert not [pod for pod in second.pods() if is_ready(pod)]
    await second.manager.stop()
