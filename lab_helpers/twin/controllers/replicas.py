"""Choosing and counting replicas: adoption by selector, readiness counts, and which pods go first when there are too
many.

The order of deletion is that of kubernetes pkg/controller/controller_utils.go ``ActivePodsWithRanks``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from lab_helpers.twin.controllers.controlling import key_of
from lab_helpers.twin.controllers.indexes import Indexes
from lab_helpers.twin.controllers.pods import available_in, is_ready, moment, phase, ready_since
from lab_helpers.twin.controllers.references import controller_of, owner_reference
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.selectors import matches_selector
from lab_helpers.twin.objects.storage import Object

__all__ = ["Availability", "availability", "claim", "first_to_go", "nonzero"]

_PHASES = {"Pending": 0, "Unknown": 1}


class Availability(NamedTuple):
    """Counts of ready and available pods; ``soon`` is the shortest delay until another one becomes available, None
    if none will."""

    ready: int
    available: int
    soon: float | None


def nonzero(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts that a status shows: Go's ``omitempty`` leaves zeros out."""
    return {name: count for name, count in counts.items() if count}


def availability(pods: Sequence[Object], min_ready: int, now: datetime) -> Availability:
    """Count ``pods`` that are ready, and ready for ``min_ready`` seconds."""
    ready = available = 0
    soon: float | None = None
    for pod in pods:
        wait = available_in(pod, min_ready, now)
        if wait is None:
            continue
        ready += 1
        if wait == 0.0:
            available += 1
        else:
            soon = wait if soon is None else min(soon, wait)
    return Availability(ready, available, soon)


def claim(registry: Registry, indexes: Indexes, resource: str, owner: Object) -> list[Object]:
    """The objects of ``resource`` that ``owner`` controls, after adopting orphans it selects and releasing those it
    no longer selects.

    Follows kubernetes pkg/controller/controller_ref_manager.go.
    """
    uid, selector = owner["metadata"]["uid"], owner["spec"].get("selector")
    mine: list[Object] = []
    for item in indexes.owned(uid, resource):
        controller = controller_of(item)
        if controller is None or controller["uid"] != uid:
            continue
        if matches_selector(selector, item["metadata"].get("labels") or {}):
            mine.append(item)
        elif not item["metadata"].get("deletionTimestamp"):
            draft = registry.draft(*_address(resource, item))
            references = [ref for ref in draft["metadata"]["ownerReferences"] if ref["uid"] != uid]
            draft["metadata"]["ownerReferences"] = references
            registry.update(resource, draft)
    if owner["metadata"].get("deletionTimestamp"):
        return mine
    for item in indexes.orphans(resource, owner["metadata"]["namespace"], selector):
        if not item["metadata"].get("deletionTimestamp"):
            draft = registry.draft(*_address(resource, item))
            draft["metadata"].setdefault("ownerReferences", []).append(owner_reference(owner))
            mine.append(registry.update(resource, draft))
    return mine


def _address(resource: str, item: Object) -> tuple[str, str, str]:
    key = key_of(resource, item)
    return resource, key.name, key.namespace


def first_to_go(pods: Sequence[Object], count: int) -> list[Object]:
    """The ``count`` pods a scale-down removes."""
    if count >= len(pods):
        return list(pods)
    nodes: dict[str, int] = {}
    for pod in pods:
        node = pod["spec"].get("nodeName", "")
        nodes[node] = nodes.get(node, 0) + 1

    def rank(pod: Object) -> tuple[object, ...]:
        node = pod["spec"].get("nodeName", "")
        cost = int((pod["metadata"].get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", 0))
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        restarts = max((status["restartCount"] for status in statuses), default=0)
        since = ready_since(pod)
        return (
            bool(node),
            _PHASES.get(phase(pod), 2),
            is_ready(pod),
            cost,
            -nodes[node],
            -since.timestamp() if since else 0.0,
            -restarts,
            -moment(pod["metadata"]["creationTimestamp"]).timestamp(),
            pod["metadata"]["name"],
        )

    return sorted(pods, key=rank)[:count]
