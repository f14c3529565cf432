"""``--wait``: until the objects of a release are ready, by the rules of helm's pkg/kube/ready.go."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_helpers.tools.helm.applying import Cluster, identity
from lab_helpers.tools.helm.errors import HelmError

__all__ = ["Patience", "is_ready", "wait_for", "wait_gone"]

Body = dict[str, Any]
PAUSE = 0.25


class Patience:
    """How long to wait (seconds), and how: tests give their own clock."""

    def __init__(
        self,
        timeout: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._end = clock() + timeout
        self._sleep = sleep
        self._clock = clock

    def pause(self) -> None:
        """Wait a moment. Raises HelmError when the time is over."""
        if self._clock() >= self._end:
            raise HelmError("context deadline exceeded")
        self._sleep(PAUSE)


def wait_for(cluster: Cluster, bodies: Sequence[Body], patience: Patience) -> None:
    """Return when every object is ready. Raises HelmError when the time is over."""
    left = list(bodies)
    while True:
        left = [body for body in left if not _ready_now(cluster, body)]
        if not left:
            return
        patience.pause()


def wait_gone(cluster: Cluster, bodies: Sequence[Body], patience: Patience) -> None:
    """Return when none of the objects exists any more."""
    while any(cluster.find(identity(body)) is not None for body in bodies):
        patience.pause()


def _ready_now(cluster: Cluster, body: Body) -> bool:
    if body["kind"] not in ("Deployment", "DaemonSet", "StatefulSet", "Pod", "PersistentVolumeClaim"):
        return True
    live = cluster.find(identity(body))
    return live is not None and is_ready(live)


def is_ready(live: Mapping[str, Any]) -> bool:
    """Enough of its pods serve."""
    spec, status = live.get("spec") or {}, live.get("status") or {}
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return False
    match live["kind"]:
        case "Deployment":
            return _deployment(spec, status)
        case "DaemonSet":
            return _daemonset(spec, status)
        case "StatefulSet":
            wanted = spec.get("replicas", 1)
            return bool(status.get("readyReplicas", 0) == wanted and status.get("updatedReplicas", 0) >= wanted)
        case "Pod":
            conditions = status.get("conditions") or ()
            return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
        case "PersistentVolumeClaim":
            return bool(status.get("phase") == "Bound")
    return True


def _deployment(spec: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    wanted = spec.get("replicas", 1)
    strategy = spec.get("strategy") or {}
    allowed = 0
    if strategy.get("type", "RollingUpdate") == "RollingUpdate":
        allowed = _count((strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%"), wanted, up=False)
    return bool(status.get("readyReplicas", 0) >= wanted - allowed and status.get("updatedReplicas", 0) >= wanted)


def _daemonset(spec: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return True
    wanted = status.get("desiredNumberScheduled", 0)
    allowed = _count((strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1), wanted, up=True)
    updated = status.get("updatedNumberScheduled", 0)
    return bool(
        "desiredNumberScheduled" in status and updated == wanted and status.get("numberReady", 0) >= wanted - allowed
    )


def _count(value: Any, total: int, *, up: bool) -> int:
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * total
        return -(-share // 100) if up else share // 100
    return int(value)
