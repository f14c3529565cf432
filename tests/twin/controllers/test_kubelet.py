from __future__ import annotations

from typing import Any

import pytest

from lab_helpers.twin.objects.storage import Object
from tests.twin.controllers.conftest import Cluster, is_ready


def pod(name: str = "web", *, image: str = "web:1", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"containers": [{"name": "main", "image": image}], **spec},
    }


def container(pod: Object, *, init: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = pod["status"]["initContainerStatuses" if init else "containerStatuses"][0]
    return found


def conditions(pod: Object) -> dict[str, str]:
    return {item["type"]: item["status"] for item in pod["status"]["conditions"]}


async def test_a_pod_waits_for_the_network(cluster: Cluster) -> None:
    cluster.network.switch("one", ready=False)
    cluster.registry.create("pods", pod(nodeName="one"))
    await cluster.settle()
    found = cluster.get("pods", "web")
    assert found["status"]["phase"] == "Pending"
    assert container(found)["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert conditions(found) == {
        "PodReadyToStartContainers": "False",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
        "PodScheduled": "True",
    }
    assert cluster.events("NetworkNotReady")[0].startswith("network is not ready: container runtime network not ready:")
    cluster.network.switch("one", ready=True)
    await cluster.settle()
    found = cluster.get("pods", "web")
    assert found["status"]["phase"] == "Running"
    assert set(conditions(found).values()) == {"True"}


async def test_a_host_network_pod_does_not_wait(cluster: Cluster) -> None:
    cluster.network.switch("one", ready=False)
    cluster.registry.create("pods", pod(nodeName="one", hostNetwork=True))
    await cluster.settle()
    assert cluster.get("pods", "web")["status"]["podIP"] == "172.18.0.3"
    assert is_ready(cluster.get("pods", "web"))


async def test_a_plug_in_that_fails_is_asked_again(cluster: Cluster) -> None:
    cluster.network.failure = "unable to create endpoint: Cilium API client timeout exceeded"
    cluster.registry.create("pods", pod(nodeName="one"))
    await cluster.settle()
    (message,) = cluster.events("FailedCreatePodSandBox")
    assert message.endswith(
        'plugin type="cilium-cni" failed (add): unable to create endpoint: Cilium API client timeout exceeded'
    )
    cluster.network.failure = ""
    await cluster.clock.advance(10)
    await cluster.settle()
    assert is_ready(cluster.get("pods", "web"))


async def test_crashes_are_restarted_with_growing_delays(cluster: Cluster) -> None:
    cluster.registry.create("pods", pod(nodeName="one"))
    await cluster.settle()
    starts = []
    for _ in range(4):
        found = cluster.get("pods", "web")
        cluster.workloads.finish(found, "main", 1)
        await cluster.settle()
        waited = 0
        while not is_ready(cluster.get("pods", "web")):
            state = container(cluster.get("pods", "web"))["state"]["waiting"]
            assert state["reason"] == "CrashLoopBackOff"
            await cluster.clock.advance(1)
            await cluster.settle()
            waited += 1
        starts.append(waited)
    assert starts == [0, 10, 20, 40]
    status = container(cluster.get("pods", "web"))
    assert status["restartCount"] == 4
    assert status["lastState"]["terminated"]["exitCode"] == 1


async def test_an_image_that_cannot_be_pulled(cluster: Cluster) -> None:
    cluster.workloads.broken["bad:1"] = "not in the twin"
    cluster.registry.create("pods", pod(nodeName="one", image="bad:1"))
    await cluster.settle()
    assert container(cluster.get("pods", "web"))["state"]["waiting"] == {
        "reason": "ErrImagePull",
        "message": "not in the twin",
    }
    await cluster.clock.advance(5)
    await cluster.settle()
    waiting = container(cluster.get("pods", "web"))["state"]["waiting"]
    assert waiting["reason"] == "ImagePullBackOff"
    assert waiting["message"] == 'Back-off pulling image "bad:1": ErrImagePull: not in the twin'
    assert len([item for item in cluster.workloads.started if item[0] == "web"]) == 1
    cluster.workloads.broken.clear()
    await cluster.clock.advance(10)
    await cluster.settle()
    assert is_ready(cluster.get("pods", "web"))


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [("Never", 0, "Succeeded"), ("Never", 3, "Failed"), ("OnFailure", 0, "Succeeded"), ("OnFailure", 3, "Running")],
)
async def test_restart_policies(cluster: Cluster, policy: str, code: int, phase: str) -> None:
    cluster.registry.create("pods", pod(nodeName="one", restartPolicy=policy))
    await cluster.settle()
    cluster.workloads.finish(cluster.get("pods", "web"), "main", code)
    await cluster.settle()
    assert cluster.get("pods", "web")["status"]["phase"] == phase


async def test_init_containers_run_in_order(cluster: Cluster) -> None:
    inits = [{"name": "first", "image": "init:1"}, {"name": "second", "image": "init:2"}]
    cluster.workloads.instant["init:2"] = 0
    cluster.registry.create("pods", pod(nodeName="one", initContainers=inits))
    await cluster.settle()
    found = cluster.get("pods", "web")
    assert [name for _, name in cluster.workloads.started] == ["first"]
    assert container(found)["state"]["waiting"]["reason"] == "PodInitializing"
    assert conditions(found)["Initialized"] == "False"
    cluster.workloads.finish(found, "first", 0)
    await cluster.settle()
    assert [name for _, name in cluster.workloads.started] == ["first", "second", "main"]
    assert is_ready(cluster.get("pods", "web"))
    assert container(cluster.get("pods", "web"), init=True)["state"]["terminated"]["reason"] == "Completed"


async def test_readiness_follows_the_probe(cluster: Cluster) -> None:
    cluster.workloads.probes["main"] = (False, "HTTP probe failed with statuscode: 503")
    body = pod(nodeName="one")
    body["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": 80}, "periodSeconds": 5}
    cluster.registry.create("pods", body)
    await cluster.settle()
    await cluster.clock.advance(11)
    assert not is_ready(cluster.get("pods", "web"))
    assert cluster.events("Unhealthy") == ["Readiness probe failed: HTTP probe failed with statuscode: 503"]
    cluster.workloads.probes["main"] = (True, "")
    await cluster.clock.advance(5)
    await cluster.settle()
    assert is_ready(cluster.get("pods", "web"))


async def test_a_failing_liveness_probe_restarts_the_container(cluster: Cluster) -> None:
    body = pod(nodeName="one")
    body["spec"]["containers"][0]["livenessProbe"] = {"tcpSocket": {"port": 80}, "failureThreshold": 2}
    cluster.registry.create("pods", body)
    await cluster.settle()
    cluster.workloads.probes["main"] = (False, "connection refused")
    await cluster.clock.advance(21)
    await cluster.settle()
    assert cluster.events("Killing") == ["Container main failed liveness probe, will be restarted"]
    assert container(cluster.get("pods", "web"))["restartCount"] == 1


async def test_readiness_waits_for_the_startup_probe(cluster: Cluster) -> None:
    body = pod(nodeName="one")
    body["spec"]["containers"][0]["startupProbe"] = {"exec": {}, "periodSeconds": 2, "failureThreshold": 100}
    cluster.workloads.probes["main"] = (False, "")
    cluster.registry.create("pods", body)
    await cluster.settle()
    await cluster.clock.advance(6)
    assert container(cluster.get("pods", "web"))["started"] is False
    cluster.workloads.probes["main"] = (True, "")
    await cluster.clock.advance(2)
    await cluster.settle()
    assert is_ready(cluster.get("pods", "web"))


async def test_a_missing_configmap_holds_the_pod(cluster: Cluster) -> None:
    volumes = [{"name": "conf", "configMap": {"name": "settings"}}]
    cluster.registry.create("pods", pod(nodeName="one", volumes=volumes))
    await cluster.settle()
    assert cluster.events("FailedMount") == [
        'MountVolume.SetUp failed for volume "conf" : configmap "settings" not found'
    ]
    cluster.registry.create("configmaps", {"metadata": {"name": "settings", "namespace": "shop"}, "data": {}})
    await cluster.settle()
    assert is_ready(cluster.get("pods", "web"))


async def test_deletion_is_graceful(cluster: Cluster) -> None:
    cluster.workloads.stop_takes = 4
    cluster.registry.create("pods", pod(nodeName="one", terminationGracePeriodSeconds=10))
    await cluster.settle()
    uid = cluster.get("pods", "web")["metadata"]["uid"]
    cluster.registry.delete("pods", "web", "shop")
    await cluster.settle()
    assert cluster.get("pods", "web")["metadata"]["deletionTimestamp"]
    assert cluster.events("Killing") == ["Stopping container main"]
    await cluster.clock.advance(5)
    await cluster.settle()
    assert cluster.registry.find("pods", "web", "shop") is None
    assert [key.uid for key in cluster.network.detached] == [uid]


async def test_forced_deletion_stops_containers_at_once(cluster: Cluster) -> None:
    cluster.registry.create("pods", pod(nodeName="one"))
    await cluster.settle()
    cluster.registry.delete("pods", "web", "shop", grace=0)
    assert cluster.registry.find("pods", "web", "shop") is None
    await cluster.settle()
    assert [grace for _, grace in cluster.workloads.stopped] == [0.0]


async def test_events_of_an_ordinary_start(cluster: Cluster) -> None:
    cluster.registry.create("pods", pod())
    await cluster.settle()
    events = [(item["reason"], item["message"]) for item in cluster.registry.list("events", "shop")]
    assert set(events) == {
        ("Scheduled", "Successfully assigned shop/web to one"),
        ("Pulling", 'Pulling image "web:1"'),
        ("Pulled", 'Successfully pulled image "web:1"'),
        ("Created", "Created container: main"),
        ("Started", "Started container main"),
    }


async def test_in_a_long_jump_a_passing_probe_is_asked_a_dozen_times(cluster: Cluster) -> None:
    body = pod(nodeName="one")
    body["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 80}, "periodSeconds": 5}
    cluster.registry.create("pods", body)
    await cluster.settle()
    await cluster.clock.advance(20)
    assert is_ready(cluster.get("pods", "web"))
    cluster.workloads.probed.clear()
    await cluster.clock.advance(3600)
    assert 10 <= len(cluster.workloads.probed) <= 30
    cluster.workloads.probed.clear()
    cluster.workloads.probes["main"] = (False, "HTTP probe failed with statuscode: 503")
    await cluster.clock.advance(3600)
    assert not is_ready(cluster.get("pods", "web"))
    assert len(cluster.workloads.probed) > 600, "a failing probe is asked every time"
