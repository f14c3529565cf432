"""Stand-ins for the container runtime and the network plug-in: everything starts at once, tests decide what fails
and when."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from lab_helpers.twin.clock import Clock, ManualClock
from lab_helpers.twin.interfaces import (
    Attachment,
    ByteStream,
    ContainerState,
    ExecResult,
    NetworkReadiness,
    PodKey,
)
from lab_helpers.twin.objects.kinds import Kinds
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Storage

__all__ = ["FakeNetwork", "FakeWorkloads", "make_node", "make_registry", "pod_key", "until"]


def pod_key(pod: Mapping[str, Any]) -> PodKey:
    metadata = pod["metadata"]
    return PodKey(metadata["namespace"], metadata["name"], metadata["uid"])


def make_registry(clock: Clock | None = None, storage: Storage | None = None) -> Registry:
    """A registry without admission steps."""
    return Registry(storage or Storage(), Kinds(), clock or ManualClock())


def make_node(registry: Registry, name: str, ip: str, **spec: Any) -> None:
    """A node with room for 110 pods."""
    body = {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": spec}
    registry.create("nodes", body)
    status = {
        "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}],
        "capacity": {"cpu": "8", "memory": "16Gi", "pods": "110"},
        "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"},
    }
    registry.update("nodes", {"metadata": {"name": name}, "status": status}, subresource="status")


async def until(condition: Callable[[], Any], turns: int = 20_000) -> Any:
    """Give the loop turns until ``condition()`` is true; returns its value."""
    for _ in range(turns):
        value = condition()
        if value:
            return value
        await asyncio.sleep(0)
    raise AssertionError(f"did not become true within {turns} turns of the loop")


class FakeWorkloads:
    """A runtime whose containers run until ``finish``. Images in ``broken`` cannot be pulled; those in ``instant``
    end with that code."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.broken: dict[str, str] = {}
        self.instant: dict[str, int] = {}
        self.probes: dict[str, tuple[bool, str]] = {}
        """Answer by container name; success when absent."""
        self.probed: list[str] = []
        self.started: list[tuple[str, str]] = []
        self.stopped: list[tuple[PodKey, float]] = []
        self.stop_takes = 0.0
        self._states: dict[PodKey, dict[str, ContainerState]] = {}
        self._callbacks: list[Callable[[PodKey], None]] = []
        self._ids = itertools.count(1)

    def start(self, pod: Mapping[str, Any], container: str, *, ip: str) -> None:
        assert ip
        key = pod_key(pod)
        spec = pod["spec"]
        image = next(
            item.get("image", "")
            for item in [*spec["containers"], *spec.get("initContainers", ())]
            if item["name"] == container
        )
        self.started.append((key.name, container))
        now = self.clock.monotonic()
        number = f"{next(self._ids):064x}"
        if image in self.broken:
            state = ContainerState(container, False, False, None, "ErrImagePull", self.broken[image], None, None, "")
        elif image in self.instant:
            code = self.instant[image]
            state = ContainerState(
                container, False, False, code, "Error" if code else "Completed", "", now, now, number
            )
        else:
            state = ContainerState(container, True, True, None, "", "", now, None, number)
        self._states.setdefault(key, {})[container] = state
        self._changed(key)

    async def _stop(self, pod: PodKey, grace: float) -> None:
        if self.stop_takes:
            await self.clock.sleep(min(grace, self.stop_takes))
        self._states.pop(pod, None)
        self.stopped.append((pod, grace))

    def stop(self, pod: PodKey, *, grace: float = 0.0) -> Awaitable[None]:
        return self._stop(pod, grace)

    def states(self, pod: PodKey) -> Sequence[ContainerState]:
        return tuple(self._states.get(pod, {}).values())

    def on_change(self, callback: Callable[[PodKey], None]) -> None:
        self._callbacks.append(callback)

    def finish(self, pod: Mapping[str, Any], container: str, code: int) -> None:
        """End a running container."""
        key = pod_key(pod)
        state = self._states[key][container]
        self._states[key][container] = state._replace(
            running=False,
            ready=False,
            exit_code=code,
            reason="Error" if code else "Completed",
            finished_at=self.clock.monotonic(),
        )
        self._changed(key)

    def _changed(self, key: PodKey) -> None:
        loop = asyncio.get_running_loop()
        for callback in self._callbacks:
            loop.call_soon(callback, key)

    async def probe(self, pod: Mapping[str, Any], container: str, probe: Mapping[str, Any]) -> tuple[bool, str]:
        self.probed.append(container)
        return self.probes.get(container, (True, ""))

    async def logs(self, pod: PodKey, container: str, **_: Any) -> AsyncIterator[bytes]:
        yield f"log of {pod.name} {container}\n".encode()

    async def execute(self, pod: PodKey, container: str, command: Sequence[str], **_: Any) -> ExecResult:
        return ExecResult(0, "")

    async def port_forward(self, pod: PodKey, port: int) -> ByteStream:
        raise NotImplementedError("no port forwarding to a fake container")


class FakeNetwork:
    """A network plug-in that hands out 10.0.<node>.<n>; ``down(node)`` and ``up(node)`` switch it."""

    def __init__(self, *, ready: bool = True) -> None:
        self.default = ready
        self.ready: dict[str, bool] = {}
        self.failure = ""
        self.attached: dict[str, str] = {}
        self.detached: list[PodKey] = []
        self._callbacks: list[Callable[[str], None]] = []
        self._nodes: dict[str, int] = {}
        self._next = itertools.count(1)

    def readiness(self, node: str) -> NetworkReadiness:
        ready = self.ready.get(node, self.default)
        return NetworkReadiness(ready, "" if ready else "cni plugin not initialized")

    def attach(self, node: str, pod: Mapping[str, Any]) -> Attachment:
        if self.failure:
            raise RuntimeError(self.failure)
        uid = pod["metadata"]["uid"]
        if uid not in self.attached:
            number = self._nodes.setdefault(node, len(self._nodes))
            count = next(self._next)
            self.attached[uid] = f"10.{count // 250}.{number}.{count % 250 + 1}"
        return Attachment(self.attached[uid])

    def detach(self, node: str, pod: PodKey) -> None:
        self.attached.pop(pod.uid, None)
        self.detached.append(pod)

    def on_change(self, callback: Callable[[str], None]) -> None:
        self._callbacks.append(callback)

    def switch(self, node: str, *, ready: bool) -> None:
        """Make the network of a node come or go."""
        self.ready[node] = ready
        for callback in self._callbacks:
            callback(node)
