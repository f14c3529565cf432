"""What other controllers want to know about a Pod (kubernetes pkg/api/v1/pod)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lab_helpers.twin.objects.storage import Object

__all__ = ["available_in", "condition", "is_active", "is_finished", "is_ready", "moment", "phase", "ready_since"]


def moment(text: str) -> datetime:
    """An API timestamp as a datetime in UTC."""
    return datetime.fromisoformat(text)


def condition(item: Object, name: str) -> dict[str, Any] | None:
    """A condition of an object's status by its type."""
    for found in (item.get("status") or {}).get("conditions") or ():
        if found["type"] == name:
            result: dict[str, Any] = found
            return result
    return None


def phase(pod: Object) -> str:
    """``Pending`` until somebody says otherwise."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_finished(pod: Object) -> bool:
    """Succeeded or Failed: no container of it will run again."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Counts as a replica: not finished, not being deleted."""
    return not is_finished(pod) and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Object) -> bool:
    """Its Ready condition is True."""
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def ready_since(pod: Object) -> datetime | None:
    """Since when it is ready."""
    found = condition(pod, "Ready")
    if found is None or found["status"] != "True":
        return None
    return moment(found["lastTransitionTime"])


def available_in(pod: Object, seconds: int, now: datetime) -> float | None:
    """Seconds until it has been ready for ``seconds`` (0.0: it is available); None while it is not ready."""
    since = ready_since(pod)
    if since is None:
        return None
    if not seconds:
        return 0.0
    return max(seconds - (now - since).total_seconds(), 0.0)
