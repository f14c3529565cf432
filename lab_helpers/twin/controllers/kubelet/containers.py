"""Starting and restarting the containers of one pod, in the kubelet's order and with its delays.

Follows kubernetes pkg/kubelet/kuberuntime (computePodActions, doBackOff) and pkg/kubelet/images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lab_helpers.twin.controllers.kubelet.mounting import missing_environment
from lab_helpers.twin.controllers.kubelet.records import BackOff, PodRecord, Waiting
from lab_helpers.twin.controllers.kubelet.statuses import Now, Probed, is_sidecar, should_restart, terminated
from lab_helpers.twin.interfaces import ContainerState, Workloads
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["Notice", "Starter"]

PULL_FAILURES = frozenset(
    {"ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable"}
)
CONFIG_RETRY = 10.0
PULL_PAUSE = 3.0
"""Seconds ErrImagePull is shown before it becomes ImagePullBackOff: the kubelet's next look at the pod."""


class Notice(NamedTuple):
    """An event to be told: reason, message, container ("" for the pod), and whether it is a warning."""

    reason: str
    message: str
    container: str = ""
    warning: bool = False


class Starter:
    """One node's container starter; remembers which images the node has."""

    def __init__(self, registry: Registry, workloads: Workloads, tell: Callable[[Object, Notice], None]) -> None:
        self._registry = registry
        self._workloads = workloads
        self._tell = tell
        self._images: set[str] = set()

    def advance(
        self,
        pod: Object,
        record: PodRecord,
        states: Mapping[str, ContainerState],
        probed: Callable[[str], Probed],
        now: Now,
    ) -> float | None:
        """Start what can be started now. Returns after how many seconds to look again, None when only a change
        matters."""
        policy = pod["spec"].get("restartPolicy", "Always")
        waits: list[float] = []
        for container in pod["spec"].get("initContainers") or ():
            sidecar = is_sidecar(container)
            state = states.get(container["name"])
            if sidecar:
                waits.append(self._keep(pod, record, container, state, "Always", now))
                if state is None or not state.running or not probed(container["name"]).started:
                    return _shortest(waits)
                continue
            if state is not None and not state.running and state.exit_code == 0:
                self._announce(pod, record, container, state)
                continue
            waits.append(self._keep(pod, record, container, state, "Never" if policy == "Never" else "OnFailure", now))
            return _shortest(waits)
        waits += [
            self._keep(pod, record, container, states.get(container["name"]), policy, now)
            for container in pod["spec"]["containers"]
        ]
        waits += [
            self._keep(pod, record, container, states.get(container["name"]), "Never", now)
            for container in pod["spec"].get("ephemeralContainers") or ()
        ]
        return _shortest(waits)

    def restart(
        self, pod: Object, record: PodRecord, container: Mapping[str, Any], state: ContainerState, now: Now
    ) -> None:
        """Replace a running container (a probe said so)."""
        ended = state._replace(running=False, exit_code=137, reason="Error", finished_at=now.monotonic)
        self._again(pod, record, container, ended, now)

    def _keep(
        self,
        pod: Object,
        record: PodRecord,
        container: Mapping[str, Any],
        state: ContainerState | None,
        policy: str,
        now: Now,
    ) -> float:
        """Look after one container; seconds until the next look, infinity when only a change matters."""
        name = container["name"]
        if state is None:
            return self._start(pod, record, container)
        if state.running:
            record.waiting.pop(name, None)
            self._announce(pod, record, container, state)
            return float("inf")
        if state.exit_code is None:
            if state.reason in PULL_FAILURES:
                return self._pull_again(pod, record, container, state, now)
            return float("inf")
        self._announce(pod, record, container, state)
        if state.container_id in record.ended or not should_restart(policy, state):
            return float("inf")
        return self._crashed(pod, record, container, state, now)

    def _crashed(
        self, pod: Object, record: PodRecord, container: Mapping[str, Any], state: ContainerState, now: Now
    ) -> float:
        name = container["name"]
        back_off = record.crashes.setdefault(name, BackOff())
        finished = now.monotonic if state.finished_at is None else state.finished_at
        left = back_off.blocked_for(finished, now.monotonic)
        if left <= 0:
            return self._again(pod, record, container, state, now)
        if record.waiting.get(name, Waiting("")).reason != "CrashLoopBackOff":
            metadata = pod["metadata"]
            where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            delay = _duration(back_off.delay)
            message = f"back-off {delay} restarting failed container={name} pod={where}"
            record.waiting[name] = Waiting("CrashLoopBackOff", message)
            told = f"Back-off restarting failed container {name} in pod {where}"
            self._tell(pod, Notice("BackOff", told, name, warning=True))
        return left

    def _again(
        self, pod: Object, record: PodRecord, container: Mapping[str, Any], state: ContainerState, now: Now
    ) -> float:
        name = container["name"]
        record.crashes.setdefault(name, BackOff()).next(now.monotonic)
        record.last[name] = terminated(state, now)
        record.restarts[name] = record.restarts.get(name, 0) + 1
        record.ended.add(state.container_id)
        return self._start(pod, record, container)

    def _start(self, pod: Object, record: PodRecord, container: Mapping[str, Any]) -> float:
        name, image = container["name"], container.get("image", "")
        problem = missing_environment(self._registry, pod, container)
        if problem:
            record.waiting[name] = Waiting("CreateContainerConfigError", problem)
            self._tell(pod, Notice("Failed", f"Error: {problem}", name, warning=True))
            return CONFIG_RETRY
        record.waiting.pop(name, None)
        if self._pulls(container):
            self._tell(pod, Notice("Pulling", f'Pulling image "{image}"', name))
        self._workloads.start(pod, name, ip=record.ip)
        return float("inf")

    def _pulls(self, container: Mapping[str, Any]) -> bool:
        policy, image = container.get("imagePullPolicy"), container.get("image", "")
        if policy is None:
            policy = "Always" if image.endswith(":latest") or ":" not in image.rpartition("/")[2] else "IfNotPresent"
        return policy == "Always" or (policy == "IfNotPresent" and image not in self._images)

    def _announce(self, pod: Object, record: PodRecord, container: Mapping[str, Any], state: ContainerState) -> None:
        """Tell once that a container was created and started."""
        if state.container_id in record.announced:
            return
        record.announced.add(state.container_id)
        record.pulls.pop(container["name"], None)
        name, image = container["name"], container.get("image", "")
        if self._pulls(container):
            self._tell(pod, Notice("Pulled", f'Successfully pulled image "{image}"', name))
            self._images.add(image)
        else:
            self._tell(pod, Notice("Pulled", f'Container image "{image}" already present on machine', name))
        self._tell(pod, Notice("Created", f"Created container: {name}", name))
        if state.reason == "StartError":
            self._tell(pod, Notice("Failed", f"Error: {state.message}", name, warning=True))
        else:
            self._tell(pod, Notice("Started", f"Started container {name}", name))

    def _pull_again(
        self, pod: Object, record: PodRecord, container: Mapping[str, Any], state: ContainerState, now: Now
    ) -> float:
        name, image = container["name"], container.get("image", "")
        back_off = record.pulls.setdefault(name, BackOff())
        shown = record.waiting.get(name)
        left = back_off.blocked_for(back_off.since, now.monotonic)
        if shown is None or shown.reason not in (*PULL_FAILURES, "ImagePullBackOff"):
            back_off.next(now.monotonic)
            record.waiting[name] = Waiting(state.reason, state.message)
            self._tell(pod, Notice("Failed", f'Failed to pull image "{image}": {state.message}', name, warning=True))
            self._tell(pod, Notice("Failed", f"Error: {state.reason}", name, warning=True))
            return min(PULL_PAUSE, back_off.delay)
        if left > 0:
            if shown.reason != "ImagePullBackOff" and now.monotonic - back_off.since < PULL_PAUSE:
                return PULL_PAUSE - (now.monotonic - back_off.since)
            if shown.reason != "ImagePullBackOff":
                message = f'Back-off pulling image "{image}"'
                record.waiting[name] = Waiting("ImagePullBackOff", f"{message}: {state.reason}: {state.message}")
                self._tell(pod, Notice("BackOff", message, name))
                self._tell(pod, Notice("Failed", "Error: ImagePullBackOff", name, warning=True))
            return left
        return self._start(pod, record, container)


def _shortest(waits: list[float]) -> float | None:
    shortest = min(waits, default=float("inf"))
    return None if shortest == float("inf") else shortest


def _duration(seconds: float) -> str:
    """Go's time.Duration form of whole seconds: ``40s``, ``1m20s``, ``5m0s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
