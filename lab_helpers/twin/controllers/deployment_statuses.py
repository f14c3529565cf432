"""The status of a Deployment, in the terms ``kubectl rollout status`` reads (kubernetes
pkg/controller/deployment/progress.go)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lab_helpers.twin.clock import timestamp
from lab_helpers.twin.controllers.pods import condition, moment
from lab_helpers.twin.controllers.replicas import nonzero
from lab_helpers.twin.controllers.rollouts import bounds, replicas
from lab_helpers.twin.objects.storage import Object

__all__ = ["deployment_status", "timed_out_in"]

NO_DEADLINE = 2**31 - 1


def deployment_status(
    deployment: Object, new: Object | None, old: list[Object], now: datetime, *, created: bool
) -> dict[str, Any]:
    """Counts and conditions. ``created``: the new ReplicaSet was made in this step."""
    sets = [*old, *([new] if new else [])]
    total = sum(_count(item, "replicas") for item in sets)
    available = sum(_count(item, "availableReplicas") for item in sets)
    status: dict[str, Any] = {"observedGeneration": deployment["metadata"]["generation"]}
    status |= nonzero(
        {
            "replicas": total,
            "updatedReplicas": _count(new, "replicas") if new else 0,
            "readyReplicas": sum(_count(item, "readyReplicas") for item in sets),
            "availableReplicas": available,
            "unavailableReplicas": max(sum(replicas(item) for item in sets) - available, 0),
        }
    )
    conditions = [_available(deployment, available), *_progressing(deployment, new, status, now, created=created)]
    failure = next((found for item in sets if (found := condition(item, "ReplicaFailure")) is not None), None)
    if failure is not None:
        conditions.append((failure["type"], failure["status"], failure["reason"], failure["message"]))
    status["conditions"] = _stamped(deployment, conditions, status, now)
    if "collisionCount" in (deployment.get("status") or {}):
        status["collisionCount"] = deployment["status"]["collisionCount"]
    return status


def timed_out_in(deployment: Object, status: dict[str, Any], now: datetime) -> float | None:
    """Seconds until ``progressDeadlineSeconds`` is over; None when nothing is under way."""
    deadline = deployment["spec"].get("progressDeadlineSeconds", 600)
    found = condition({"status": status}, "Progressing")
    if (
        deadline >= NO_DEADLINE
        or found is None
        or found["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded")
    ):
        return None
    return float(max(deadline - (now - moment(found["lastUpdateTime"])).total_seconds(), 0.0)) + 1.0


Condition = tuple[str, str, str, str]


def _count(item: Object, field: str) -> int:
    return int((item.get("status") or {}).get(field, 0))


def _available(deployment: Object, available: int) -> Condition:
    if available >= replicas(deployment) - bounds(deployment).unavailable:
        return "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
    return "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."


def _progressing(
    deployment: Object, new: Object | None, status: dict[str, Any], now: datetime, *, created: bool
) -> list[Condition]:
    if deployment["spec"].get("progressDeadlineSeconds", 600) >= NO_DEADLINE:
        return []
    before = condition(deployment, "Progressing")
    name = new["metadata"]["name"] if new else deployment["metadata"]["name"]
    kind = "ReplicaSet" if new else "Deployment"
    if deployment["spec"].get("paused"):
        return [("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")]
    if before is not None and before["reason"] == "DeploymentPaused":
        return [("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")]
    wanted = replicas(deployment)
    complete = (
        status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )
    if created:
        return [("Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')]
    if complete and new is not None:
        return [("Progressing", "True", "NewReplicaSetAvailable", f'{kind} "{name}" has successfully progressed.')]
    if before is not None and before["reason"] == "NewReplicaSetAvailable":
        if status.get("replicas", 0) == status.get("updatedReplicas", 0):
            return [("Progressing", "True", before["reason"], before["message"])]
        return [("Progressing", "True", "ReplicaSetUpdated", f'{kind} "{name}" is progressing.')]
    if before is None or _moved(deployment, status):
        return [("Progressing", "True", "ReplicaSetUpdated", f'{kind} "{name}" is progressing.')]
    wait = timed_out_in(deployment, {"conditions": [before]}, now)
    if (wait is not None and wait <= 1.0) or before["reason"] == "ProgressDeadlineExceeded":
        return [("Progressing", "False", "ProgressDeadlineExceeded", f'{kind} "{name}" has timed out progressing.')]
    return [("Progressing", before["status"], before["reason"], before["message"])]


def _moved(deployment: Object, status: dict[str, Any]) -> bool:
    before = deployment.get("status") or {}

    def count(counts: dict[str, Any], field: str) -> int:
        return int(counts.get(field, 0))

    return (
        count(status, "updatedReplicas") > count(before, "updatedReplicas")
        or count(status, "replicas") - count(status, "updatedReplicas")
        < count(before, "replicas") - count(before, "updatedReplicas")
        or count(status, "readyReplicas") > count(before, "readyReplicas")
        or count(status, "availableReplicas") > count(before, "availableReplicas")
    )


def _stamped(
    deployment: Object, conditions: list[Condition], status: dict[str, Any], now: datetime
) -> list[dict[str, Any]]:
    result = []
    for name, value, reason, message in conditions:
        before = condition(deployment, name)
        same = before is not None and (before["status"], before["reason"], before["message"]) == (
            value,
            reason,
            message,
        )
        fresh = name == "Progressing" and value == "True" and _moved(deployment, status)
        updated = before["lastUpdateTime"] if before is not None and same and not fresh else timestamp(now)
        kept = before is not None and before["status"] == value
        result.append(
            {
                "type": name,
                "status": value,
                "reason": reason,
                "message": message,
                "lastUpdateTime": updated,
                "lastTransitionTime": before["lastTransitionTime"] if before is not None and kept else timestamp(now),
            }
        )
    return result
