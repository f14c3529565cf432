"""Arithmetic and bookkeeping of a Deployment's rollout: surge, unavailability, revisions (kubernetes
pkg/controller/deployment/util)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from lab_helpers.twin.objects.storage import Object

__all__ = [
    "DESIRED",
    "HASH_LABEL",
    "MAX",
    "REVISION",
    "REVISION_HISTORY",
    "Bounds",
    "bounds",
    "copied_annotations",
    "proportions",
    "replicas",
    "revision",
    "same_template",
    "scaled",
]

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"
_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAX,
}


class Bounds(NamedTuple):
    """How far a rolling update may deviate from the wished number of pods."""

    surge: int
    unavailable: int


def scaled(value: int | str | None, total: int, *, up: bool, default: int | str) -> int:
    """An absolute number, or a percentage of ``total``."""
    value = default if value is None else value
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * total / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value)


def bounds(deployment: Object) -> Bounds:
    """maxSurge and maxUnavailable as numbers; never both zero. Both zero for Recreate."""
    spec = deployment["spec"]
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Bounds(0, 0)
    rolling = strategy.get("rollingUpdate") or {}
    total = spec.get("replicas", 1)
    surge = scaled(rolling.get("maxSurge"), total, up=True, default="25%")
    unavailable = min(scaled(rolling.get("maxUnavailable"), total, up=False, default="25%"), max(total, 1))
    return Bounds(surge, 1 if surge == 0 and unavailable == 0 else unavailable)


def replicas(item: Object) -> int:
    """``spec.replicas``, 1 when unset."""
    return int(item["spec"].get("replicas", 1))


def revision(item: Object) -> int:
    """The revision annotation as a number, 0 without."""
    return int((item["metadata"].get("annotations") or {}).get(REVISION, 0))


def copied_annotations(deployment: Object) -> dict[str, str]:
    """What a ReplicaSet takes over from its Deployment (``kubernetes.io/change-cause`` …)."""
    annotations = deployment["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key not in _NOT_COPIED}


def same_template(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Equal but for the hash label."""
    return _plain(left) == _plain(right)


def _plain(template: dict[str, Any]) -> dict[str, Any]:
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH_LABEL}
    metadata.pop("creationTimestamp", None)
    return {**template, "metadata": {key: value for key, value in metadata.items() if value}}


def proportions(sets: Sequence[Object], total: int) -> dict[str, int]:
    """Spread ``total`` pods over ReplicaSets in proportion to their sizes, the newest first when it does not divide
    (by name)."""
    before = sum(replicas(item) for item in sets)
    if not before:
        return {}
    shares = {item["metadata"]["name"]: replicas(item) * total // before for item in sets}
    rest = total - sum(shares.values())
    for item in sorted(sets, key=lambda item: (-replicas(item), item["metadata"]["name"])):
        if rest <= 0:
            break
        shares[item["metadata"]["name"]] += 1
        rest -= 1
    return shares
