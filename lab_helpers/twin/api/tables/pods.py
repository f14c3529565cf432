"""The pod row: ready count, the reason shown as status, restarts (Kubernetes pkg/printers ``printPod``)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lab_helpers.twin.api.tables.columns import Cells, Printer, columns
from lab_helpers.twin.api.tables.formatting import age

__all__ = ["POD"]

_DONE = {
    "Succeeded": ("Succeeded", "The pod has completed successfully."),
    "Failed": ("Failed", "The pod failed."),
}


class _Tally:
    """What is counted while walking over the container statuses."""

    def __init__(self) -> None:
        self.ready = 0
        self.restarts = 0
        self.last = ""

    def restarted(self, status: Mapping[str, Any]) -> None:
        self.restarts += status.get("restartCount", 0)
        ended = ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
        self.last = max(self.last, ended)


def _walk(pod: Mapping[str, Any]) -> tuple[str, _Tally]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    phase = status.get("phase", "")
    reason = status.get("reason") or phase
    conditions = status.get("conditions") or ()
    if any(c["type"] == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in conditions):
        reason = "SchedulingGated"
    everything, sidecars = _Tally(), _Tally()
    stuck = _initializing(spec, status, everything, sidecars)
    reason = stuck or reason
    tally = everything
    if not stuck or any(c["type"] == "Initialized" and c["status"] == "True" for c in conditions):
        tally = sidecars
        tally.ready = everything.ready
        reason = _containers(status, reason, tally)
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif phase not in ("Succeeded", "Failed"):
            reason = "Terminating"
    return reason, tally


def _initializing(spec: Mapping[str, Any], status: Mapping[str, Any], every: _Tally, sidecars: _Tally) -> str:
    """Why initialisation is not over, in the words of the STATUS column; "" when it is."""
    declared = {c["name"]: c for c in spec.get("initContainers") or ()}
    for position, container in enumerate(status.get("initContainerStatuses") or ()):
        every.restarted(container)
        state = container.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        sidecar = declared.get(container["name"], {}).get("restartPolicy") == "Always"
        if sidecar:
            sidecars.restarted(container)
        if terminated and terminated.get("exitCode") == 0:
            continue
        if sidecar and container.get("started"):
            every.ready += bool(container.get("ready"))
            continue
        if terminated:
            return "Init:" + (terminated.get("reason") or _exit_text(terminated))
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return f"Init:{waiting['reason']}"
        return f"Init:{position}/{len(declared)}"
    return ""


def _containers(status: Mapping[str, Any], reason: str, tally: _Tally) -> str:
    running = False
    for container in reversed(status.get("containerStatuses") or ()):
        tally.restarted(container)
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif terminated:
            reason = terminated.get("reason") or _exit_text(terminated)
        elif container.get("ready") and state.get("running") is not None:
            running = True
            tally.ready += 1
    if reason == "Completed" and running:
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
        return "Running" if ready else "NotReady"
    return reason


def _exit_text(terminated: Mapping[str, Any]) -> str:
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _gates(pod: Mapping[str, Any]) -> str:
    gates = (pod.get("spec") or {}).get("readinessGates") or ()
    if not gates:
        return "<none>"
    true = {c["type"] for c in (pod.get("status") or {}).get("conditions") or () if c["status"] == "True"}
    return f"{sum(gate['conditionType'] in true for gate in gates)}/{len(gates)}"


def _cells(pod: Mapping[str, Any], now: datetime) -> Cells:
    spec, status, metadata = pod.get("spec") or {}, pod.get("status") or {}, pod["metadata"]
    reason, tally = _walk(pod)
    total = len(spec.get("containers") or ())
    total += sum(c.get("restartPolicy") == "Always" for c in spec.get("initContainers") or ())
    restarts = str(tally.restarts)
    if tally.restarts and tally.last:
        restarts += f" ({age(tally.last, now)} ago)"
    addresses = status.get("podIPs") or ()
    return [
        metadata["name"],
        f"{tally.ready}/{total}",
        reason,
        restarts,
        age(metadata.get("creationTimestamp"), now),
        addresses[0]["ip"] if addresses else "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        _gates(pod),
    ]


def _conditions(pod: Mapping[str, Any]) -> list[dict[str, str]]:
    done = _DONE.get((pod.get("status") or {}).get("phase", ""))
    if done is None:
        return []
    return [{"type": "Completed", "status": "True", "reason": done[0], "message": done[1]}]


POD = Printer(columns("Name Ready Status Restarts Age | IP Node Nominated_Node Readiness_Gates"), _cells, _conditions)
