"""A running container from the inside: its programs, files, environment, and the table of its processes."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.files import FileSystem
from lab_helpers.twin.containers.processes import SIGNALS, Child, Descriptor, SimulatedProcess, run_program
from lab_helpers.twin.containers.sockets import Sockets, SocketTable
from lab_helpers.twin.interfaces import PodNetwork, Program

__all__ = ["PATH_DIRECTORIES", "Machine"]

PATH_DIRECTORIES = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/",
    "/app",
    "/opt/kafka/bin",
    "/etc/kafka/docker",
    "/opt/bin",
)


class Machine:
    """One run of one container. Processes are told apart by pid; pid 1 is the main program."""

    def __init__(
        self,
        *,
        pod: Mapping[str, Any],
        name: str,
        programs: Mapping[str, Program],
        files: FileSystem,
        env: Mapping[str, str],
        cwd: str,
        network: PodNetwork,
        table: SocketTable,
        clock: Clock,
        serving: Callable[..., None],
        router: Callable[[], str],
    ) -> None:
        self.pod = pod
        self.name = name
        self.programs = programs
        self.files = files
        self.env = env
        self.cwd = cwd
        self.network = network
        self.table = table
        self.clock = clock
        self.serving = serving
        self.router = router
        self.node = str(pod.get("spec", {}).get("nodeName") or network.node)
        self.children: dict[int, Child] = {}
        self._next_pid = 1
        self._closing = False

    @property
    def hostname(self) -> str:
        """As ``hostname`` prints it."""
        spec = self.pod.get("spec", {})
        if spec.get("hostNetwork"):
            return self.node
        return str(spec.get("hostname") or self.pod["metadata"]["name"])[:63]

    def lookup(self, name: str, cwd: str = "/") -> Program | None:
        """The program ``name`` means: a base name, or a path into one of the usual directories (some images keep
        theirs in / or /app)."""
        if "/" not in name:
            return self.programs.get(name)
        directory, base = posixpath.split(posixpath.normpath(posixpath.join(cwd, name)))
        return self.programs.get(base) if directory in PATH_DIRECTORIES else None

    def spawn(
        self,
        argv: Sequence[str],
        *,
        body: Program | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        descriptors: Mapping[int, Descriptor],
    ) -> Child:
        """Start a process. Raises FileNotFoundError when there is no such program, ProcessLookupError when the
        container ends."""
        found = body or self.lookup(argv[0], cwd or self.cwd)
        if found is None:
            raise FileNotFoundError(argv[0])
        if self._closing:
            raise ProcessLookupError("the container is stopping")
        pid = self._next_pid
        self._next_pid += 1
        process = SimulatedProcess(
            self,
            pid,
            argv,
            env=self.env if env is None else env,
            cwd=cwd or self.cwd,
            descriptors=descriptors,
            network=Sockets(self.network, self.table, pid, posixpath.basename(argv[0])),
        )
        child = Child(process)
        self.children[pid] = child
        child.task = asyncio.create_task(self._run(found, process), name=f"{self.name}/{pid} {argv[0]}")
        child.task.add_done_callback(lambda _: self.children.pop(pid, None))
        return child

    async def _run(self, body: Program, process: SimulatedProcess) -> int:
        try:
            return await run_program(body, process)
        finally:
            await process.network.release()

    def kill(self, signal: int = SIGNALS["KILL"]) -> None:
        """Signal every process; no new ones may start."""
        self._closing = True
        for child in tuple(self.children.values()):
            child.kill(signal)

    async def ended(self) -> None:
        """Wait until no process is left."""
        while self.children:
            await asyncio.wait({child.task for child in self.children.values() if child.task is not None})
            await asyncio.sleep(0)
