from __future__ import annotations

from typing import Any

from lab_helpers.twin.objects.storage import Object
from tests.twin.controllers.conftest import Cluster, workload

TOLERATE_ALL = {"tolerations": [{"operator": "Exists"}]}


def names(pods: list[Object]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods]


def set_image(cluster: Cluster, resource: str, name: str, image: str) -> None:
    draft = cluster.registry.draft(resource, name, "shop")
    draft["spec"]["template"]["spec"]["containers"][0]["image"] = image
    cluster.registry.update(resource, draft)


async def test_a_daemonset_runs_where_taints_allow(cluster: Cluster) -> None:
    cluster.registry.create("daemonsets.apps", workload("DaemonSet", "agent"))
    cluster.registry.create("daemonsets.apps", workload("DaemonSet", "everywhere", pod=TOLERATE_ALL))
    await cluster.settle()
    assert {pod["spec"]["nodeName"] for pod in cluster.pods("app=agent")} == {"one", "two"}
    assert {pod["spec"]["nodeName"] for pod in cluster.pods("app=everywhere")} == {"control", "one", "two"}
    assert cluster.get("daemonsets.apps", "everywhere")["status"] == {
        "currentNumberScheduled": 3,
        "desiredNumberScheduled": 3,
        "numberAvailable": 3,
        "numberMisscheduled": 0,
        "numberReady": 3,
        "observedGeneration": 1,
        "updatedNumberScheduled": 3,
    }


async def test_a_daemonset_reaches_unready_nodes_when_it_tolerates_them(cluster: Cluster) -> None:
    for node in ("control", "one", "two"):
        cluster.network.switch(node, ready=False)
    await cluster.settle()
    body = workload("DaemonSet", "agent", pod={**TOLERATE_ALL, "hostNetwork": True})
    cluster.registry.create("daemonsets.apps", body)
    await cluster.settle()
    assert len(cluster.ready("app=agent")) == 3


async def test_a_daemonset_rolls_within_its_limit(cluster: Cluster) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}
    body = workload("DaemonSet", "agent", pod=TOLERATE_ALL, updateStrategy=strategy)
    cluster.registry.create("daemonsets.apps", body)
    await cluster.settle()
    least: list[int] = []
    cluster.registry.listen(lambda _: least.append(len(cluster.ready("app=agent"))))
    set_image(cluster, "daemonsets.apps", "agent", "web:2")
    await cluster.settle()
    await cluster.settle()
    assert {pod["spec"]["containers"][0]["image"] for pod in cluster.ready()} == {"web:2"}
    assert min(least) == 1
    hashes = {pod["metadata"]["labels"]["controller-revision-hash"] for pod in cluster.pods()}
    revisions = cluster.registry.list("controllerrevisions.apps")
    assert [item["revision"] for item in sorted(revisions, key=lambda item: item["revision"])] == [1, 2]
    assert hashes == {
        item["metadata"]["labels"]["controller-revision-hash"] for item in revisions if item["revision"] == 2
    }


async def test_on_delete_waits_for_the_deletion(cluster: Cluster) -> None:
    body = workload("DaemonSet", "agent", updateStrategy={"type": "OnDelete"})
    cluster.registry.create("daemonsets.apps", body)
    await cluster.settle()
    set_image(cluster, "daemonsets.apps", "agent", "web:2")
    await cluster.settle()
    assert {pod["spec"]["containers"][0]["image"] for pod in cluster.pods()} == {"web:1"}
    cluster.registry.delete("pods", names(cluster.pods())[0], "shop")
    await cluster.settle()
    assert sorted(pod["spec"]["containers"][0]["image"] for pod in cluster.pods()) == ["web:1", "web:2"]


async def test_a_statefulset_starts_in_order(cluster: Cluster) -> None:
    cluster.registry.create("statefulsets.apps", workload("StatefulSet", "db", 3, serviceName="db"))
    await cluster.settle()
    pods = cluster.pods("app=db")
    assert names(pods) == ["db-0", "db-1", "db-2"]
    assert [name for name, _ in cluster.workloads.started] == ["db-0", "db-1", "db-2"]
    labels = pods[1]["metadata"]["labels"]
    assert labels["statefulset.kubernetes.io/pod-name"] == "db-1"
    assert labels["apps.kubernetes.io/pod-index"] == "1"
    assert (pods[1]["spec"]["hostname"], pods[1]["spec"]["subdomain"]) == ("db-1", "db")
    status = cluster.get("statefulsets.apps", "db")["status"]
    assert (status["readyReplicas"], status["currentReplicas"]) == (3, 3)
    assert status["currentRevision"] == status["updateRevision"] == labels["controller-revision-hash"]


async def test_a_statefulset_waits_for_the_one_before(cluster: Cluster) -> None:
    cluster.workloads.probes["web"] = (False, "no")
    body = workload("StatefulSet", "db", 3)
    body["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 1}}
    cluster.registry.create("statefulsets.apps", body)
    await cluster.settle()
    assert names(cluster.pods()) == ["db-0"]


async def test_a_statefulset_updates_from_the_last(cluster: Cluster) -> None:
    strategy: dict[str, Any] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    cluster.registry.create("statefulsets.apps", workload("StatefulSet", "db", 3, updateStrategy=strategy))
    await cluster.settle()
    set_image(cluster, "statefulsets.apps", "db", "web:2")
    await cluster.settle()
    await cluster.settle()
    images = [pod["spec"]["containers"][0]["image"] for pod in cluster.pods()]
    assert images == ["web:1", "web:2", "web:2"]
    assert [name for name, _ in cluster.workloads.started][3:] == ["db-2", "db-1"]


async def test_a_statefulset_scales_down_from_the_last(cluster: Cluster) -> None:
    cluster.registry.create("statefulsets.apps", workload("StatefulSet", "db", 3))
    await cluster.settle()
    draft = cluster.registry.draft("statefulsets.apps", "db", "shop")
    draft["spec"]["replicas"] = 1
    cluster.registry.update("statefulsets.apps", draft)
    await cluster.settle()
    await cluster.settle()
    assert names(cluster.pods()) == ["db-0"]


def job(**spec: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "job:1"}]}}
    return {"metadata": {"name": "task", "namespace": "shop"}, "spec": {"template": template, **spec}}


def done(cluster: Cluster) -> dict[str, str]:
    status = cluster.get("jobs.batch", "task")["status"]
    return {item["type"]: item["reason"] for item in status.get("conditions", ())}


async def test_a_job_completes(cluster: Cluster) -> None:
    cluster.workloads.instant["job:1"] = 0
    cluster.registry.create("jobs.batch", job(completions=3, parallelism=2))
    await cluster.settle()
    assert done(cluster) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    status = cluster.get("jobs.batch", "task")["status"]
    assert (status["succeeded"], "active" in status) == (3, False)
    assert all(pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "task" for pod in cluster.pods())


async def test_a_job_gives_up(cluster: Cluster) -> None:
    cluster.workloads.instant["job:1"] = 1
    cluster.registry.create("jobs.batch", job(backoffLimit=1))
    await cluster.settle()
    assert len(cluster.pods()) == 1
    await cluster.clock.advance(11)
    await cluster.settle()
    assert len(cluster.pods()) == 2
    assert done(cluster)["Failed"] == "BackoffLimitExceeded"


async def test_a_suspended_job_starts_nothing_until_it_goes_on(cluster: Cluster) -> None:
    cluster.workloads.instant["job:1"] = 0
    cluster.registry.create("jobs.batch", job(suspend=True, activeDeadlineSeconds=5))
    await cluster.settle()
    await cluster.clock.advance(60)
    await cluster.settle()
    assert cluster.pods() == []
    assert done(cluster) == {"Suspended": "JobSuspended"}
    assert "startTime" not in cluster.get("jobs.batch", "task")["status"]
    draft = cluster.registry.draft("jobs.batch", "task", "shop")
    draft["spec"]["suspend"] = False
    cluster.registry.update("jobs.batch", draft)
    await cluster.settle()
    assert done(cluster) == {
        "Suspended": "JobResumed",
        "SuccessCriteriaMet": "CompletionsReached",
        "Complete": "CompletionsReached",
    }
    assert cluster.get("jobs.batch", "task")["status"]["startTime"] == cluster.clock.timestamp()
    assert cluster.events("Suspended") == ["Job suspended"]
    assert cluster.events("Resumed") == ["Job resumed"]


async def test_suspending_a_job_stops_its_pods(cluster: Cluster) -> None:
    cluster.registry.create("jobs.batch", job(completions=2, parallelism=2))
    await cluster.settle()
    assert len(cluster.pods()) == 2
    draft = cluster.registry.draft("jobs.batch", "task", "shop")
    draft["spec"]["suspend"] = True
    cluster.registry.update("jobs.batch", draft)
    await cluster.settle()
    assert all(pod["metadata"].get("deletionTimestamp") for pod in cluster.pods())
    assert done(cluster) == {"Suspended": "JobSuspended"}


async def test_a_job_counts_the_restarts_of_pods_that_never_fail(cluster: Cluster) -> None:
    cluster.workloads.instant["job:1"] = 1
    body = job(backoffLimit=2)
    body["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    cluster.registry.create("jobs.batch", body)
    for _ in range(4):
        await cluster.settle()
        await cluster.clock.advance(60)
    await cluster.settle()
    assert done(cluster)["Failed"] == "BackoffLimitExceeded"
