"""Startup, readiness and liveness probes on the clock (kubernetes pkg/kubelet/prober)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lab_helpers.twin.clock import Clock, Timer
from lab_helpers.twin.controllers.kubelet.statuses import Probed
from lab_helpers.twin.interfaces import ContainerState, PodKey, Workloads
from lab_helpers.twin.objects.storage import Object

__all__ = ["Outcome", "Prober"]

log = logging.getLogger(__name__)

KINDS = {"startup": "startupProbe", "readiness": "readinessProbe", "liveness": "livenessProbe"}
PATIENCE = 1.0
"""Seconds beyond ``timeoutSeconds`` after which an unanswered probe counts as failed, whatever the runtime does."""


class Outcome(NamedTuple):
    """One probe's answer, told to the kubelet. ``exhausted``: the failure threshold is reached (startup, liveness)."""

    pod: PodKey
    container: str
    kind: str
    success: bool
    message: str
    exhausted: bool


@dataclass(slots=True)
class _Worker:
    """One probe of one running container."""

    pod: Object
    container: str
    kind: str
    probe: Mapping[str, Any]
    container_id: str
    passing: bool
    streak: int = 0
    timer: Timer | None = None
    task: asyncio.Task[None] | None = None
    failed: bool = False

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.task is not None:
            self.task.cancel()


@dataclass(slots=True)
class Prober:
    """All probes of one node. ``on_outcome`` is called in the loop after each answer that is a failure or a change."""

    clock: Clock
    workloads: Workloads
    on_outcome: Callable[[Outcome], None]
    _workers: dict[tuple[str, str, str], _Worker] = field(default_factory=dict)
    _by_pod: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def sync(self, pod: Object, states: Mapping[str, ContainerState]) -> None:
        """Start probes of containers that run now, drop those of containers that ended or were replaced."""
        uid = pod["metadata"]["uid"]
        for container in [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]:
            name = container["name"]
            state = states.get(name)
            for kind, entry in KINDS.items():
                if not container.get(entry):
                    continue
                worker = self._workers.get((uid, name, kind))
                running = state is not None and state.running
                if worker is not None and (state is None or not running or worker.container_id != state.container_id):
                    worker.cancel()
                    del self._workers[uid, name, kind]
                    worker = None
                if worker is None and state is not None and running:
                    worker = _Worker(pod, name, kind, container[entry], state.container_id, passing=kind == "liveness")
                    self._workers[uid, name, kind] = worker
                    self._by_pod.setdefault(uid, {}).setdefault(name, [])
                    if kind not in self._by_pod[uid][name]:
                        self._by_pod[uid][name].append(kind)
                    started = self.clock.monotonic() if state.started_at is None else state.started_at
                    due = started + container[entry].get("initialDelaySeconds", 0) - self.clock.monotonic()
                    self._arm(worker, due)

    def probed(self, uid: str, container: str) -> Probed:
        """Startup and readiness as the probes see it; without a probe, a running container is both."""
        startup = self._workers.get((uid, container, "startup"))
        readiness = self._workers.get((uid, container, "readiness"))
        return Probed(startup is None or startup.passing, readiness is None or readiness.passing)

    def hurry(self, uid: str) -> None:
        """Something changed in the pod: ask at once those that do not pass yet, instead of waiting for their period."""
        for container, kinds in self._by_pod.get(uid, {}).items():
            for kind in kinds:
                worker = self._workers.get((uid, container, kind))
                if (
                    worker is not None
                    and not worker.passing
                    and worker.task is None
                    and not worker.probe.get("initialDelaySeconds")
                ):
                    self._arm(worker, 0.0)

    def drop(self, uid: str) -> None:
        """Stop all probes of a pod."""
        for container, kinds in self._by_pod.pop(uid, {}).items():
            for kind in kinds:
                worker = self._workers.pop((uid, container, kind), None)
                if worker is not None:
                    worker.cancel()

    def stop(self) -> None:
        """Stop all probes."""
        for uid in tuple(self._by_pod):
            self.drop(uid)

    def _arm(self, worker: _Worker, delay: float) -> None:
        if worker.timer is not None:
            worker.timer.cancel()
            worker.timer = None
        if delay <= 0:
            self._begin(worker)
        else:
            worker.timer = self.clock.call_later(delay, lambda: self._begin(worker))

    def _begin(self, worker: _Worker) -> None:
        worker.timer = None
        uid = worker.pod["metadata"]["uid"]
        if worker.kind != "startup" and not self.probed(uid, worker.container).started:
            self._arm(worker, float(worker.probe.get("periodSeconds", 10)))
            return
        if worker.kind == "startup" and worker.passing:
            return
        if worker.task is None:
            worker.task = asyncio.get_running_loop().create_task(self._run(worker))

    async def _run(self, worker: _Worker) -> None:
        try:
            success, message = await self._ask(worker)
        finally:
            worker.task = None
        if self._workers.get((worker.pod["metadata"]["uid"], worker.container, worker.kind)) is worker:
            self._take(worker, success=success, message=message)

    async def _ask(self, worker: _Worker) -> tuple[bool, str]:
        asked = asyncio.ensure_future(self.workloads.probe(worker.pod, worker.container, worker.probe))
        limit = self.clock.call_later(worker.probe.get("timeoutSeconds", 1) + PATIENCE, asked.cancel)
        try:
            return await asked
        except asyncio.CancelledError:
            if asked.cancelled() and worker.task is not None and not worker.task.cancelling():
                return False, "context deadline exceeded"
            asked.cancel()
            raise
        except Exception as error:
            log.exception("%s probe of %s", worker.kind, worker.pod["metadata"]["name"])
            return False, str(error)
        finally:
            limit.cancel()

    def _take(self, worker: _Worker, *, success: bool, message: str) -> None:
        same = worker.failed != success
        worker.streak = worker.streak + 1 if same and worker.streak else 1
        worker.failed = not success
        threshold = worker.probe.get("successThreshold", 1) if success else worker.probe.get("failureThreshold", 3)
        reached = worker.streak >= threshold
        before = worker.passing
        if reached:
            worker.passing = success
        exhausted = reached and not success and worker.kind != "readiness"
        metadata = worker.pod["metadata"]
        key = PodKey(metadata["namespace"], metadata["name"], metadata["uid"])
        if not (worker.kind == "startup" and worker.passing) and not exhausted:
            period = float(worker.probe.get("periodSeconds", 10))
            self._arm(worker, self.clock.pace(period) if success and worker.passing else period)
        if worker.kind == "startup" and worker.passing:
            for kind in ("readiness", "liveness"):
                follower = self._workers.get((metadata["uid"], worker.container, kind))
                if follower is not None and follower.task is None:
                    self._arm(follower, 0.0)
        if not success or worker.passing != before:
            self.on_outcome(Outcome(key, worker.container, worker.kind, success, message, exhausted))
