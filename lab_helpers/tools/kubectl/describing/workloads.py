"""Deployments, ReplicaSets, DaemonSets, StatefulSets and Jobs."""

from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.tools.kubectl.describing.containers import template
from lab_helpers.tools.kubectl.describing.pages import Page, created, selector_text
from lab_helpers.tools.kubectl.output.ages import human_duration, long_time, parse_time

Body = Mapping[str, Any]


def deployment(page: Page, body: Body, replicasets: Sequence[Body]) -> None:
    """A Deployment; `replicasets` are those it owns."""
    spec, status = body["spec"], body.get("status") or {}
    page.head(body)
    page.line(0, f"CreationTimestamp:\t{created(body)}")
    page.tags(body)
    page.line(0, f"Selector:\t{selector_text(spec.get('selector'))}")
    page.line(
        0,
        f"Replicas:\t{spec.get('replicas', 1)} desired | {status.get('updatedReplicas', 0)} updated | "
        f"{status.get('replicas', 0)} total | {status.get('availableReplicas', 0)} available | "
        f"{status.get('unavailableReplicas', 0)} unavailable",
    )
    strategy = spec.get("strategy") or {}
    page.line(0, f"StrategyType:\t{strategy.get('type', '')}")
    page.line(0, f"MinReadySeconds:\t{spec.get('minReadySeconds', 0)}")
    rolling = strategy.get("rollingUpdate")
    if rolling:
        page.line(
            0,
            f"RollingUpdateStrategy:\t{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} "
            "max surge",
        )
    template(page, spec["template"])
    page.conditions(status)
    new = newest(body, replicasets)
    old = [item for item in replicasets if item is not new]
    page.line(0, f"OldReplicaSets:\t{_replicasets(old)}")
    page.line(0, f"NewReplicaSet:\t{_replicasets([new] if new is not None else [])}")


def newest(body: Body, replicasets: Sequence[Body]) -> Body | None:
    """The ReplicaSet whose template is the Deployment's."""

    def bare(spec: Body) -> dict[str, Any]:
        meta = dict(spec["template"].get("metadata") or {})
        meta["labels"] = {key: value for key, value in (meta.get("labels") or {}).items() if key != "pod-template-hash"}
        return {**spec["template"], "metadata": {key: value for key, value in meta.items() if value}}

    wanted = bare(body["spec"])
    for item in sorted(replicasets, key=lambda one: str(one["metadata"].get("creationTimestamp"))):
        if bare(item["spec"]) == wanted:
            return item
    return None


def _replicasets(items: Sequence[Body]) -> str:
    return (
        ", ".join(
            f"{item['metadata']['name']} "
            f"({(item.get('status') or {}).get('replicas', 0)}/{item['spec'].get('replicas', 0)} "
            "replicas created)"
            for item in items
        )
        or "<none>"
    )


def _pods(pods: Sequence[Body]) -> str:
    phases = [(pod.get("status") or {}).get("phase") for pod in pods]
    return (
        f"{phases.count('Running')} Running / {phases.count('Pending')} Waiting / "
        f"{phases.count('Succeeded')} Succeeded / {phases.count('Failed')} Failed"
    )


def replicaset(page: Page, body: Body, pods: Sequence[Body]) -> None:
    """A ReplicaSet; `pods` are those it owns."""
    spec, status = body["spec"], body.get("status") or {}
    page.head(body)
    page.line(0, f"Selector:\t{selector_text(spec.get('selector'))}")
    page.tags(body)
    page.controller(body)
    page.line(0, f"Replicas:\t{status.get('replicas', 0)} current / {spec.get('replicas', 0)} desired")
    page.line(0, f"Pods Status:\t{_pods(pods)}")
    template(page, spec["template"])
    page.conditions(status)


def daemonset(page: Page, body: Body, pods: Sequence[Body]) -> None:
    """A DaemonSet; `pods` are those it owns."""
    spec, status = body["spec"], body.get("status") or {}
    page.head(body)
    page.line(0, f"Selector:\t{selector_text(spec.get('selector'))}")
    node_selector = (spec["template"].get("spec") or {}).get("nodeSelector")
    page.line(0, f"Node-Selector:\t{selector_text({'matchLabels': node_selector})}")
    page.tags(body)
    for title, key in (
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ):
        page.line(0, f"{title}: {status.get(key, 0)}")
    page.line(0, f"Pods Status:\t{_pods(pods)}")
    template(page, spec["template"])


def statefulset(page: Page, body: Body, pods: Sequence[Body]) -> None:
    """A StatefulSet; `pods` are those it owns."""
    spec, status = body["spec"], body.get("status") or {}
    page.head(body)
    page.line(0, f"CreationTimestamp:\t{created(body)}")
    page.line(0, f"Selector:\t{selector_text(spec.get('selector'))}")
    page.tags(body)
    page.line(0, f"Replicas:\t{spec.get('replicas', 1)} desired | {status.get('replicas', 0)} total")
    strategy = spec.get("updateStrategy") or {}
    page.line(0, f"Update Strategy:\t{strategy.get('type', '')}")
    if (strategy.get("rollingUpdate") or {}).get("partition") is not None:
        page.line(1, f"Partition:\t{strategy['rollingUpdate']['partition']}")
    page.line(0, f"Pods Status:\t{_pods(pods)}")
    template(page, spec["template"])
    claims = spec.get("volumeClaimTemplates") or []
    if not claims:
        page.line(0, "Volume Claims:\t<none>")
        return
    page.line(0, "Volume Claims:")
    for claim in claims:
        page.line(1, f"Name:\t{claim['metadata']['name']}")
        page.line(1, f"StorageClass:\t{claim['spec'].get('storageClassName', '')}")
        page.labels("  Labels", claim["metadata"].get("labels"))
        page.annotations("  Annotations", claim["metadata"].get("annotations"))
        requests = (claim["spec"].get("resources") or {}).get("requests") or {}
        page.line(1, f"Capacity:\t{requests.get('storage', '<default>')}")
        page.line(1, f"Access Modes:\t[{' '.join(claim['spec'].get('accessModes') or [])}]")


def job(page: Page, body: Body) -> None:
    """A Job."""
    spec, status = body["spec"], body.get("status") or {}
    page.head(body)
    page.line(0, f"Selector:\t{selector_text(spec.get('selector'))}")
    page.tags(body)
    page.controller(body)
    for title, key in (
        ("Parallelism", "parallelism"),
        ("Completions", "completions"),
        ("Completion Mode", "completionMode"),
        ("Suspend", "suspend"),
        ("Backoff Limit", "backoffLimit"),
        ("TTL Seconds After Finished", "ttlSecondsAfterFinished"),
    ):
        value = spec.get(key)
        if value is None and key == "completions":
            value = "<unset>"
        if value is not None:
            page.line(0, f"{title}:\t{str(value).lower() if isinstance(value, bool) else value}")
    if status.get("startTime"):
        page.line(0, f"Start Time:\t{long_time(status['startTime'])}")
    if status.get("completionTime"):
        page.line(0, f"Completed At:\t{long_time(status['completionTime'])}")
        if status.get("startTime"):
            took = parse_time(status["completionTime"]) - parse_time(status["startTime"])
            page.line(0, f"Duration:\t{human_duration(took)}")
    if spec.get("activeDeadlineSeconds") is not None:
        page.line(0, f"Active Deadline Seconds:\t{spec['activeDeadlineSeconds']}s")
    ready = f" ({status['ready']} Ready)" if status.get("ready") is not None else ""
    page.line(
        0,
        f"Pods Statuses:\t{status.get('active', 0)} Active{ready} / {status.get('succeeded', 0)} Succeeded / "
        f"{status.get('failed', 0)} Failed",
    )
    template(page, spec["template"])
