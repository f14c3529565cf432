"""One container of a pod, over its restarts: starting its main program, noticing its end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_helpers.twin.clock import Clock, Timer
from lab_helpers.twin.containers.attaching import MainStreams
from lab_helpers.twin.containers.errors import StartFailure
from lab_helpers.twin.containers.logs import Log
from lab_helpers.twin.containers.machines import Machine
from lab_helpers.twin.containers.processes import SIGNALS, Child
from lab_helpers.twin.interfaces import ContainerState

__all__ = ["BACK_OFF", "ContainerRun"]

BACK_OFF = 10.0


@dataclass(eq=False)
class ContainerRun:
    """One start of a container and what became of it. ``changed`` is called after every change of ``state``."""

    name: str
    clock: Clock
    changed: Callable[[], None]
    log: Log
    previous: Log | None = None
    machine: Machine | None = None
    main: Child | None = None
    streams: MainStreams | None = None
    failure: StartFailure | None = None
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    serving: bool = True
    container_id: str = field(default_factory=lambda: "containerd://" + secrets.token_hex(32))
    _timer: Timer | None = None

    def launch(self, machine: Machine, argv: list[str], spec: Mapping[str, Any]) -> None:
        """Start the main program; a program that does not exist is a StartError (exit code 128)."""
        self.machine = machine
        self.streams = streams = MainStreams(self.log, spec)
        self.started_at = self.clock.monotonic()
        if not argv:
            self.refuse(StartFailure("StartError", _runc("no command specified"), 128))
            return
        try:
            env = {"TERM": "xterm", **machine.env} if streams.tty else None
            self.main = machine.spawn(argv, env=env, descriptors=streams.descriptors)
        except FileNotFoundError:
            where = "no such file or directory" if "/" in argv[0] else "executable file not found in $PATH"
            form = f"stat {argv[0]}: {where}" if "/" in argv[0] else where
            self.refuse(
                StartFailure("StartError", _runc(f'error during container init: exec: "{argv[0]}": {form}'), 128)
            )
            return
        assert self.main.task is not None
        streams.started(self.main)

        def ended(task: asyncio.Task[int]) -> None:
            streams.close()
            self._ended(128 + SIGNALS["TERM"] if task.cancelled() else self.main.code() if self.main else 0)

        self.main.task.add_done_callback(ended)
        self.changed()

    def refuse(self, failure: StartFailure) -> None:
        """It did not start. An image that cannot be pulled turns into ImagePullBackOff after a while."""
        self.failure = failure
        self.exit_code = failure.code
        if failure.code is not None:
            self.finished_at = self.clock.monotonic()
        self.log.close()
        if failure.reason == "ErrImagePull":
            self._timer = self.clock.call_later(BACK_OFF, self._back_off)
        self.changed()

    def _back_off(self) -> None:
        assert self.failure is not None
        self.failure = StartFailure("ImagePullBackOff", f"Back-off pulling image: ErrImagePull: {self.failure.message}")
        self.changed()

    def _ended(self, code: int) -> None:
        self.exit_code = code
        self.finished_at = self.clock.monotonic()
        self.log.close()
        if self.machine is not None:
            self.machine.kill()
        self.changed()

    @property
    def running(self) -> bool:
        """Is its main program running?"""
        return self.main is not None and self.main.running and self.exit_code is None

    @property
    def state(self) -> ContainerState:
        """As the kubelet asks for it."""
        reason = message = ""
        if self.failure is not None:
            reason, message = self.failure.reason, self.failure.message
        elif self.exit_code is not None:
            reason = "Completed" if self.exit_code == 0 else "Error"
        return ContainerState(
            self.name,
            self.running,
            self.running and self.serving,
            self.exit_code,
            reason,
            message,
            self.started_at,
            self.finished_at,
            self.container_id if self.started_at is not None else "",
        )

    def set_serving(self, *, serving: bool) -> None:
        """The program says whether it serves."""
        if serving != self.serving:
            self.serving = serving
            self.changed()

    def kill(self, signal: int) -> None:
        """Signal all its processes."""
        if self._timer is not None:
            self._timer.cancel()
        if self.machine is not None:
            self.machine.kill(signal)


def _runc(message: str) -> str:
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        f"unable to start container process: {message}"
    )


def container_spec(pod: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The container's spec: ordinary, init or ephemeral. Raises LookupError."""
    for field_name in ("containers", "initContainers", "ephemeralContainers"):
        for spec in pod["spec"].get(field_name) or []:
            if spec["name"] == name:
                return spec  # type: ignore[no-any-return]
    raise LookupError(f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} has no container {name!r}")
