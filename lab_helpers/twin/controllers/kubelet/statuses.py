"""A pod's status as its kubelet reports it (kubernetes pkg/kubelet/kubelet_pods.go, status/generate.go).

Pure: pod, what the kubelet remembers, what the runtime says, results of the probes → status.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from lab_helpers.twin.clock import timestamp
from lab_helpers.twin.controllers.kubelet.records import PodRecord, Waiting
from lab_helpers.twin.controllers.pods import condition
from lab_helpers.twin.interfaces import ContainerState
from lab_helpers.twin.objects.storage import Object

__all__ = ["Now", "Probed", "is_sidecar", "pod_status", "qos_class", "should_restart", "terminated"]

CREATING = Waiting("ContainerCreating")
INITIALIZING = Waiting("PodInitializing")


class Probed(NamedTuple):
    """What the probes of a container say: its startup probe succeeded (or there is none), its readiness probe
    succeeds."""

    started: bool
    ready: bool


class Now(NamedTuple):
    """One moment on both scales of the clock."""

    time: datetime
    monotonic: float

    def stamp(self, seconds: float | None) -> str:
        """Clock seconds as an API timestamp."""
        return timestamp(
            self.time - timedelta(seconds=self.monotonic - (self.monotonic if seconds is None else seconds))
        )


def is_sidecar(container: Mapping[str, Any]) -> bool:
    """An init container that stays (``restartPolicy: Always``)."""
    return container.get("restartPolicy") == "Always"


def should_restart(policy: str, state: ContainerState) -> bool:
    """A container that ended is to be started again."""
    return policy == "Always" or (policy == "OnFailure" and state.exit_code != 0)


def terminated(state: ContainerState, now: Now) -> dict[str, Any]:
    """``state.terminated`` of a container that ended."""
    found: dict[str, Any] = {
        "containerID": _container_id(state),
        "exitCode": state.exit_code,
        "finishedAt": now.stamp(state.finished_at),
        "reason": state.reason or ("Completed" if state.exit_code == 0 else "Error"),
        "startedAt": now.stamp(state.started_at),
    }
    if state.message:
        found["message"] = state.message
    return found


def _container_id(state: ContainerState) -> str:
    return state.container_id if "://" in state.container_id else f"containerd://{state.container_id}"


def pod_status(
    pod: Object,
    record: PodRecord,
    states: Mapping[str, ContainerState],
    probed: Callable[[str], Probed],
    now: Now,
    host_ip: str,
    *,
    failure: Waiting | None = None,
) -> dict[str, Any]:
    """The whole status. ``failure`` marks a pod the kubelet itself ended (Evicted, DeadlineExceeded …)."""
    spec, before = pod["spec"], pod.get("status") or {}
    inits = [
        _container_status(item, pod, record, states, probed, now, init=True)
        for item in spec.get("initContainers") or ()
    ]
    initialized = _initialized(spec, states, probed)
    mains = [
        _container_status(item, pod, record, states, probed, now, init=False, initialized=initialized)
        for item in spec["containers"]
    ]
    phase = "Failed" if failure else _phase(pod, inits, states, initialized=initialized)
    status: dict[str, Any] = {
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": phase,
        "conditions": _conditions(pod, record, mains, inits, phase, now, initialized=initialized),
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
    }
    if failure is not None:
        status["reason"], status["message"] = failure.reason, failure.message
    if record.ip:
        status["podIP"], status["podIPs"] = record.ip, [{"ip": record.ip}]
    status["startTime"] = before.get("startTime") or timestamp(now.time)
    if inits:
        status["initContainerStatuses"] = inits
    status["containerStatuses"] = mains
    status["qosClass"] = before.get("qosClass") or qos_class(spec)
    added = [
        {**_container_status(item, pod, record, states, probed, now, init=False), "ready": False}
        for item in spec.get("ephemeralContainers") or ()
    ]
    for item in added:
        del item["started"]
    if added:
        status["ephemeralContainerStatuses"] = added
    return status


def _container_status(
    container: Mapping[str, Any],
    pod: Object,
    record: PodRecord,
    states: Mapping[str, ContainerState],
    probed: Callable[[str], Probed],
    now: Now,
    *,
    init: bool,
    initialized: bool = True,
) -> dict[str, Any]:
    name, state = container["name"], states.get(container["name"])
    waiting = record.waiting.get(name)
    has_init = bool(pod["spec"].get("initContainers"))
    running = state is not None and state.running
    status: dict[str, Any] = {}
    shown: dict[str, Any]
    if waiting is not None and not running:
        shown = {"waiting": _waiting(waiting)}
    elif state is not None and running:
        shown = {"running": {"startedAt": now.stamp(state.started_at)}}
    elif state is not None and state.exit_code is not None:
        shown = {"terminated": terminated(state, now)}
    else:
        blocked = has_init and record.ip and (init or not initialized)
        shown = {"waiting": _waiting(INITIALIZING if blocked or (has_init and not init) else CREATING)}
    if state is not None and state.container_id and (running or state.exit_code is not None):
        status["containerID"] = _container_id(state)
        status["image"], status["imageID"] = _image(container.get("image", ""))
    else:
        status["image"], status["imageID"] = container.get("image", ""), ""
    last = record.last.get(name)
    if last is None and "waiting" in shown and state is not None and state.exit_code is not None:
        last = terminated(state, now)
    status["lastState"] = {"terminated": dict(last)} if last else {}
    status["name"] = name
    verdict = probed(name) if running else Probed(started=False, ready=False)
    finished_init = init and not is_sidecar(container)
    if finished_init:
        status["ready"] = "terminated" in shown and shown["terminated"]["exitCode"] == 0
        status["started"] = False
    else:
        status["ready"], status["started"] = running and verdict.started and verdict.ready, running and verdict.started
    status["restartCount"] = record.restarts.get(name, 0)
    status["state"] = shown
    return dict(sorted(status.items()))


def _waiting(waiting: Waiting) -> dict[str, str]:
    return {"reason": waiting.reason, **({"message": waiting.message} if waiting.message else {})}


def _image(image: str) -> tuple[str, str]:
    """Canonical name and a digest that is the same for the same name (the twin has no image contents to hash)."""
    name, _, _ = image.partition("@")
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, name = name, f"{name}:latest"
    digest = image.partition("@")[2] or "sha256:" + hashlib.sha256(name.encode()).hexdigest()
    return name, f"{head}@{digest}"


def _initialized(
    spec: Mapping[str, Any], states: Mapping[str, ContainerState], probed: Callable[[str], Probed]
) -> bool:
    for container in spec.get("initContainers") or ():
        state = states.get(container["name"])
        if state is None:
            return False
        if is_sidecar(container):
            if not (state.running and probed(container["name"]).started):
                return False
        elif state.running or state.exit_code != 0:
            return False
    return True


def _phase(
    pod: Object, inits: Sequence[Mapping[str, Any]], states: Mapping[str, ContainerState], *, initialized: bool
) -> str:
    policy = pod["spec"].get("restartPolicy", "Always")
    if (
        any("terminated" in item["state"] and item["state"]["terminated"]["exitCode"] for item in inits)
        and policy == "Never"
    ):
        return "Failed"
    containers = pod["spec"]["containers"]
    found = [states.get(item["name"]) for item in containers]
    if not initialized and not any(found):
        return "Pending"
    ended = [state for state in found if state is not None and not state.running and state.exit_code is not None]
    started = [state for state in found if state is not None and (state.running or state.exit_code is not None)]
    if len(started) < len(containers):
        return "Pending"
    if len(ended) == len(containers):
        if pod["metadata"].get("deletionTimestamp") or policy == "Never":
            return "Succeeded" if all(state.exit_code == 0 for state in ended) else "Failed"
        if policy == "OnFailure" and all(state.exit_code == 0 for state in ended):
            return "Succeeded"
    return "Running"


def _conditions(
    pod: Object,
    record: PodRecord,
    mains: Sequence[Mapping[str, Any]],
    inits: Sequence[Mapping[str, Any]],
    phase: str,
    now: Now,
    *,
    initialized: bool,
) -> list[dict[str, Any]]:
    unready = [item["name"] for item in mains if not item["ready"]]
    unready += [
        item["name"]
        for item, container in zip(inits, pod["spec"].get("initContainers") or (), strict=True)
        if is_sidecar(container) and not item["ready"]
    ]
    if phase == "Succeeded":
        ready = ("False", "PodCompleted", "")
    elif phase == "Failed":
        ready = ("False", "PodFailed", "")
    elif unready:
        ready = ("False", "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    else:
        ready = ("True", "", "")
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    whole = ready
    if ready[0] == "True":
        closed = [gate for gate in gates if (condition(pod, gate) or {}).get("status") != "True"]
        if closed:
            messages = " ".join(
                f'corresponding condition of pod readiness gate "{gate}" does not exist.' for gate in closed
            )
            whole = ("False", "ReadinessGatesNotReady", messages)
    waiting = [item["name"] for item in inits if not item["ready"]]
    if initialized or phase == "Succeeded":
        begun = ("True", "PodCompleted" if phase == "Succeeded" else "", "")
    else:
        begun = ("False", "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting)}]")
    sandbox = "True" if record.ip and phase not in ("Succeeded", "Failed") else "False"
    wanted = [
        ("PodReadyToStartContainers", sandbox, "", ""),
        ("Initialized", *begun),
        ("Ready", *whole),
        ("ContainersReady", *ready),
        ("PodScheduled", "True", "", ""),
    ]
    names = {name for name, *_ in wanted}
    foreign = [item for item in (pod.get("status") or {}).get("conditions") or () if item["type"] not in names]
    return [*foreign, *(_condition(pod, now, *item) for item in wanted)]


def _condition(pod: Object, now: Now, name: str, value: str, reason: str, message: str) -> dict[str, Any]:
    before = condition(pod, name)
    kept = before is not None and before["status"] == value
    result: dict[str, Any] = {
        "type": name,
        "status": value,
        "observedGeneration": pod["metadata"].get("generation", 1),
        "lastProbeTime": None,
        "lastTransitionTime": before["lastTransitionTime"] if before is not None and kept else timestamp(now.time),
    }
    if reason:
        result["reason"] = reason
    if message:
        result["message"] = message
    return result


def qos_class(spec: Mapping[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort (kubernetes pkg/apis/core/v1/helper/qos)."""
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    resources = [container.get("resources") or {} for container in containers]
    if not any(item.get("requests") or item.get("limits") for item in resources):
        return "BestEffort"
    for item in resources:
        limits, requests = item.get("limits") or {}, item.get("requests") or {}
        if not {"cpu", "memory"} <= limits.keys():
            return "Burstable"
        if any(requests.get(name, limits[name]) != limits[name] for name in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"
