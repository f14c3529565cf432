"""The seams inside the twin: what one part may know of another.

==================  ==========================================  ==================================================
part (folder)       offers                                      needs
==================  ==========================================  ==================================================
``objects``         Registry: all reads and writes              –
``api``             REST, watch, exec, logs, port-forward       Registry, :class:`Console`
``controllers``     Deployments … kubelet                       Registry, :class:`NodeNetwork`, :class:`Workloads`
``agent``           identities, endpoints, policies, CNI        Registry, the policy engine
``datapath``        :class:`Networks`, flows                    agent's tables, Hubble rings
``containers``      :class:`Workloads`: simulated programs      :class:`Networks`, Registry
``relay``           Observer gRPC                               Hubble rings filled by the datapath
==================  ==========================================  ==================================================

Everything runs in one asyncio loop; nothing here may block. Addresses are strings as in the API; ports are integers;
times are clock seconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from lab_helpers.twin.clock import Clock

__all__ = [
    "Attachment",
    "ByteStream",
    "ConnectionFailed",
    "Console",
    "ContainerState",
    "DatagramHandler",
    "ExecResult",
    "Image",
    "NetworkReadiness",
    "Networks",
    "NodeNetwork",
    "PodKey",
    "PodNetwork",
    "Process",
    "Program",
    "StreamHandler",
    "Workloads",
]


class PodKey(NamedTuple):
    """One incarnation of a pod."""

    namespace: str
    name: str
    uid: str


# --- the node's network plug-in, seen by the kubelet ---------------------------------------------------------


class NetworkReadiness(NamedTuple):
    """Whether a node can start pods, and the kubelet's words for it (``cni plugin not initialized`` …)."""

    ready: bool
    message: str


class Attachment(NamedTuple):
    """A pod's place in the network."""

    ipv4: str


class NodeNetwork(Protocol):
    """The CNI plug-in of every node; the Cilium agent implements it once it is installed and running on that node."""

    def readiness(self, node: str) -> NetworkReadiness:
        """Is there a network on ``node``?"""

    def attach(self, node: str, pod: Mapping[str, Any]) -> Attachment:
        """CNI ADD for a pod object (not host-network). Idempotent.

        Raises RuntimeError with the plug-in's message when it cannot.
        """

    def detach(self, node: str, pod: PodKey) -> None:
        """CNI DEL; harmless when unknown."""

    def on_change(self, callback: Callable[[str], None]) -> None:
        """Call ``callback(node)`` when the readiness of a node changes."""


# --- containers, seen by the kubelet and by the API's exec, logs and port-forward ----------------------------


class ContainerState(NamedTuple):
    """One container as the runtime sees it.

    ``exit_code`` is None while it runs. ``reason`` and ``message`` explain a failure to start (``ErrImagePull``,
    ``CrashLoopBackOff``, ``StartError``) or an end (``Completed``, ``Error``).
    """

    name: str
    running: bool
    ready: bool
    exit_code: int | None
    reason: str
    message: str
    started_at: float | None
    finished_at: float | None
    container_id: str


class ExecResult(NamedTuple):
    """How a command ended; the code follows the shell's conventions (126, 127, 128+n)."""

    exit_code: int
    message: str


class Console(Protocol):
    """The part of the runtime that people reach through the API server."""

    def logs(
        self,
        pod: PodKey,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:
        """The container's output, line by line."""

    async def execute(
        self,
        pod: PodKey,
        container: str,
        command: Sequence[str],
        *,
        stdin: AsyncIterator[bytes] | None,
        tty: bool,
        stdout: Callable[[bytes], Awaitable[None]],
        stderr: Callable[[bytes], Awaitable[None]],
        resize: AsyncIterator[tuple[int, int]] | None = None,
    ) -> ExecResult:
        """Run a command in a running container; cancelling the task kills it."""

    async def attach(
        self,
        pod: PodKey,
        container: str,
        *,
        stdin: AsyncIterator[bytes] | None,
        stdout: Callable[[bytes], Awaitable[None]],
        stderr: Callable[[bytes], Awaitable[None]],
        resize: AsyncIterator[tuple[int, int]] | None = None,
    ) -> ExecResult:
        """Join the main program of a running container until it ends; cancelling the task only leaves it."""

    async def port_forward(self, pod: PodKey, port: int) -> ByteStream:
        """Connect to ``port`` inside the pod's network namespace, as the kubelet does. Raises ConnectionFailed."""


class Workloads(Console, Protocol):
    """The container runtime of all nodes. Programs are simulated inside the twin; they never touch the host."""

    def start(self, pod: Mapping[str, Any], container: str, *, ip: str) -> None:
        """Start (or restart) one container of a pod, init containers included; ``on_change`` tells its end."""

    def stop(self, pod: PodKey, *, grace: float = 0.0) -> Awaitable[None]:
        """Stop all containers of a pod (SIGTERM, then SIGKILL after ``grace``) and forget them."""

    def states(self, pod: PodKey) -> Sequence[ContainerState]:
        """The containers started so far, in start order."""

    def on_change(self, callback: Callable[[PodKey], None]) -> None:
        """Call ``callback(pod)`` when a container started, ended, or changed readiness."""

    async def probe(self, pod: Mapping[str, Any], container: str, probe: Mapping[str, Any]) -> tuple[bool, str]:
        """Run one probe (exec, httpGet, tcpSocket, grpc) from the node; (success, message)."""


# --- simulated programs --------------------------------------------------------------------------------------


class Process(Protocol):
    """What a simulated program sees: arguments, environment, streams, files, network, time. Never the host."""

    @property
    def argv(self) -> Sequence[str]:
        """The program's name and its arguments."""

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables."""

    @property
    def pod(self) -> Mapping[str, Any]:
        """The pod object, as it was when the container started."""

    @property
    def container(self) -> str:
        """The container's name."""

    @property
    def node(self) -> str:
        """The node's name."""

    @property
    def network(self) -> PodNetwork:
        """The pod's sockets; what a program opens is closed when it ends."""

    @property
    def clock(self) -> Clock:
        """The twin's clock."""

    @property
    def stdin(self) -> AsyncIterator[bytes]:
        """Standard input, in chunks."""

    @property
    def tty(self) -> bool:
        """Is standard output a terminal?"""

    async def out(self, text: str | bytes) -> None:
        """Write to standard output."""

    async def err(self, text: str | bytes) -> None:
        """Write to standard error."""

    def read_file(self, path: str) -> bytes:
        """A file of the container: of the image, mounted ConfigMaps and Secrets, /etc/hosts, /etc/resolv.conf.

        Raises FileNotFoundError.
        """

    def ready(self, *, serving: bool = True) -> None:
        """Tell the runtime that the program is up (without a readiness probe a container is ready as it runs)."""


Program = Callable[[Process], Awaitable[int]]
"""A program runs until it returns its exit code; SIGTERM arrives as asyncio.CancelledError."""


class Image(NamedTuple):
    """A container image the twin can play.

    ``name`` without tag or digest; ``programs`` by base name; ``entrypoint`` and ``command`` as in the image's
    configuration; ``files`` are paths to contents.
    """

    name: str
    programs: Mapping[str, Program]
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    files: Mapping[str, bytes] = {}
    env: Mapping[str, str] = {}


# --- the network, seen by a program in a container -----------------------------------------------------------


class ConnectionFailed(Exception):
    """A connection or datagram exchange did not work.

    ``errno`` names it: ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ECONNRESET, EPERM.
    """

    def __init__(self, errno: str, message: str) -> None:
        super().__init__(message)
        self.errno = errno


@runtime_checkable
class ByteStream(Protocol):
    """One end of an established TCP connection."""

    local: tuple[str, int]
    remote: tuple[str, int]

    async def read(self, limit: int = 65536) -> bytes:
        """What arrived; b"" at the peer's FIN. A reset raises ConnectionFailed(ECONNRESET)."""

    async def write(self, data: bytes) -> None:
        """Send."""

    async def write_eof(self) -> None:
        """Send FIN; reading goes on."""

    async def close(self) -> None:
        """Close both directions."""

    def abort(self) -> None:
        """Send RST."""


StreamHandler = Callable[[ByteStream], Awaitable[None]]
DatagramHandler = Callable[[bytes, tuple[str, int]], Awaitable[bytes | None]]


class PodNetwork(Protocol):
    """The sockets of one pod (or of a node, for host-network pods); gone with the pod."""

    @property
    def ip(self) -> str:
        """The address programs see as their own."""

    @property
    def node(self) -> str:
        """The node's name; empty outside the cluster."""

    @property
    def nameservers(self) -> Sequence[str]:
        """What /etc/resolv.conf names."""

    async def connect(self, host: str, port: int, *, timeout: float | None = None) -> ByteStream:
        """TCP to an IPv4 address within ``timeout`` clock seconds (None: as long as Linux retries a SYN).

        Raises ConnectionFailed.
        """

    def listen(self, port: int, handler: StreamHandler) -> Callable[[], None]:
        """Accept TCP on ``port``; returns a function that stops listening."""

    async def exchange(self, host: str, port: int, payload: bytes, *, timeout: float) -> bytes:
        """One UDP request and its answer. Raises ConnectionFailed (ETIMEDOUT, ECONNREFUSED)."""

    def bind(self, port: int, handler: DatagramHandler) -> Callable[[], None]:
        """Answer UDP on ``port``; returns a function that stops."""

    async def ping(self, host: str, *, sequence: int, timeout: float) -> float:
        """One ICMP echo; round-trip seconds. Raises ConnectionFailed."""


class Networks(Protocol):
    """Every place a simulated program can be in; the datapath implements it."""

    def pod(self, pod: Mapping[str, Any]) -> PodNetwork:
        """The network namespace of a pod (of its node, for host-network pods)."""

    def node(self, name: str) -> PodNetwork:
        """A node's own network namespace: kubelet probes, host-network pods."""

    def outside(self, ip: str) -> PodNetwork:
        """A host outside the cluster with that address (made on first use)."""
