"""Simulated processes: what a program of this package may use, beyond the seam's ``Process``.

A process is an asyncio task. SIGTERM, SIGINT and SIGKILL cancel it; ``signal`` tells which one it was. Programs here
are written as ``async def curl(process: SimulatedProcess) -> int`` and made fit for images by :func:`program`.
"""

from __future__ import annotations

import asyncio
import logging
import posixpath
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.errors import BrokenPipe, Deadline, ProgramExit
from lab_helpers.twin.containers.files import FileSystem, normalise
from lab_helpers.twin.containers.sockets import Sockets
from lab_helpers.twin.containers.streams import BytesInput, Input, NullOutput, Output
from lab_helpers.twin.interfaces import ConnectionFailed, Process, Program

if TYPE_CHECKING:
    from lab_helpers.twin.containers.machines import Machine

__all__ = ["SIGNALS", "Child", "Descriptor", "SimulatedProcess", "program"]

log = logging.getLogger(__name__)

SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15}

Descriptor = Input | Output


class SimulatedProcess:
    """One running program (implements ``Process``). Descriptors 0, 1, 2 are always there."""

    def __init__(
        self,
        machine: Machine,
        pid: int,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        descriptors: Mapping[int, Descriptor],
        network: Sockets,
    ) -> None:
        self.machine = machine
        self.pid = pid
        self.argv: Sequence[str] = list(argv)
        self.env: Mapping[str, str] = dict(env)
        self.cwd = cwd
        self.descriptors = dict(descriptors)
        self.network = network
        self.signal = 0
        self.passed_on: int | None = None
        """The exit code of the child that got this process's last signal."""
        self.ignored: set[int] = set()
        """Signals that do nothing (``trap '' TERM``)."""
        self.started = machine.clock.monotonic()

    # --- the seam ---

    @property
    def pod(self) -> Mapping[str, Any]:
        """The pod object."""
        return self.machine.pod

    @property
    def container(self) -> str:
        """The container's name."""
        return self.machine.name

    @property
    def node(self) -> str:
        """The node's name."""
        return self.machine.node

    @property
    def clock(self) -> Clock:
        """The twin's clock."""
        return self.machine.clock

    @property
    def stdin(self) -> Input:
        """Descriptor 0."""
        found = self.descriptors.get(0)
        return found if isinstance(found, Input) else BytesInput()

    @property
    def tty(self) -> bool:
        """Is standard output a terminal?"""
        return self.stdout.tty

    async def out(self, text: str | bytes) -> None:
        """Write to standard output."""
        await self.stdout.write(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)

    async def err(self, text: str | bytes) -> None:
        """Write to standard error."""
        await self.stderr.write(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)

    def read_file(self, path: str) -> bytes:
        """A file's content. Raises OSError."""
        return self.files.read(self.path(path))

    def ready(self, *, serving: bool = True) -> None:
        """Tell the runtime whether this program serves."""
        self.machine.serving(serving=serving)

    # --- more ---

    @property
    def name(self) -> str:
        """The program's base name, as it puts before its messages."""
        return posixpath.basename(self.argv[0]) if self.argv else ""

    @property
    def stdout(self) -> Output:
        """Descriptor 1."""
        found = self.descriptors.get(1)
        return found if isinstance(found, Output) else NullOutput()

    @property
    def stderr(self) -> Output:
        """Descriptor 2."""
        found = self.descriptors.get(2)
        return found if isinstance(found, Output) else NullOutput()

    @property
    def files(self) -> FileSystem:
        """The container's files."""
        return self.machine.files

    def path(self, path: str) -> str:
        """Absolute, from the working directory."""
        return normalise(path, self.cwd)

    async def fail(self, message: str, code: int = 1) -> int:
        """``name: message`` to standard error; returns ``code``."""
        await self.err(f"{self.name}: {message}\n")
        return code

    def spawn(
        self,
        argv: Sequence[str],
        *,
        body: Program | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        descriptors: Mapping[int, Descriptor] | None = None,
    ) -> Child:
        """Start a child; ``body`` instead of looking ``argv[0]`` up. Raises FileNotFoundError when there is no such
        program."""
        return self.machine.spawn(
            argv,
            body=body,
            env=self.env if env is None else env,
            cwd=cwd or self.cwd,
            descriptors=self.descriptors if descriptors is None else descriptors,
        )

    async def run(self, child: Child) -> int:
        """Wait for a child; if this process is told to end meanwhile, the child is told too."""
        try:
            return await child.wait()
        except asyncio.CancelledError:
            child.kill(self.signal or SIGNALS["TERM"])
            self.passed_on = await child.wait()
            raise


class Child:
    """A started process, from its parent's side."""

    def __init__(self, process: SimulatedProcess) -> None:
        self.process = process
        self.task: asyncio.Task[int] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Not ended yet?"""
        return self.task is not None and not self.task.done()

    def kill(self, signal: int) -> None:
        """Send a signal; all that are not ignored end the program (0 only asks whether it runs)."""
        if self.task is None or self.task.done() or signal == 0 or signal in self.process.ignored - {SIGNALS["KILL"]}:
            return
        self.process.signal = signal
        self.task.cancel()

    async def wait(self) -> int:
        """The exit code, once it ended."""
        assert self.task is not None
        await asyncio.wait({self.task})
        return self.code()

    def code(self) -> int:
        """The exit code of an ended process: 128 + n after signal n."""
        assert self.task is not None
        if self.task.cancelled():
            return 128 + (self.process.signal or SIGNALS["TERM"])
        return 128 + SIGNALS["KILL"] if self.process.signal == SIGNALS["KILL"] else self.task.result()


def program(body: Callable[[SimulatedProcess], Awaitable[int]]) -> Program:
    """Fit a program written for this package into an image."""

    async def run(process: Process) -> int:
        if not isinstance(process, SimulatedProcess):
            raise TypeError(f"{body.__name__} runs only in the twin's own containers, not in {type(process).__name__}")
        return await body(process)

    run.__name__ = body.__name__
    run.__doc__ = body.__doc__
    return run


async def run_program(body: Program, process: SimulatedProcess) -> int:
    """Run to the end whatever happens; the result is the exit code."""
    try:
        return await body(process)
    except asyncio.CancelledError:
        return 128 + (process.signal or SIGNALS["TERM"])
    except BrokenPipe:
        return 141
    except ProgramExit as end:
        return await _last_words(process, end.message, end.code)
    except (ConnectionFailed, Deadline, OSError) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return await _last_words(process, f"{process.name}: {text}\n", 1)
    except Exception as error:  # a defect of a simulated program must end that program, not the cluster
        log.exception("simulated program %s failed", " ".join(process.argv))
        message = (
            f"{process.name}: the embedded cluster failed while playing this program: {type(error).__name__}: {error}\n"
        )
        return await _last_words(process, message, 70)


async def _last_words(process: SimulatedProcess, message: str, code: int) -> int:
    try:
        if message:
            await process.err(message)
    except (BrokenPipe, OSError, ConnectionFailed):
        return code
    return code
