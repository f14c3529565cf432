"""A container runtime made of a few functions, and an in-memory connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed, ContainerState, ExecResult, PodKey

LOGS = ["first", "second", "third"]


class Pipe:
    """One end of a connection; ``peer`` is the other."""

    def __init__(self) -> None:
        self.local = self.remote = ("127.0.0.1", 0)
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.peer: Pipe = self
        self._ended = False

    async def read(self, limit: int = 65536) -> bytes:
        if self._ended:
            return b""
        data = await self.inbox.get()
        self._ended = not data
        return data

    async def write(self, data: bytes) -> None:
        self.peer.inbox.put_nowait(data)

    async def write_eof(self) -> None:
        self.peer.inbox.put_nowait(b"")

    async def close(self) -> None:
        self.peer.inbox.put_nowait(b"")
        self.inbox.put_nowait(b"")

    def abort(self) -> None:
        self.inbox.put_nowait(b"")


def pipes() -> tuple[Pipe, Pipe]:
    one, other = Pipe(), Pipe()
    one.peer, other.peer = other, one
    return one, other


async def answer_http(stream: ByteStream) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        data = await stream.read()
        if not data:
            return
        request += data
    line = request.split(b"\r\n")[0]
    body = b"you asked for " + line + b"\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    await stream.write(head.encode() + body)
    await stream.write_eof()


class FakeWorkloads:
    """Every container runs; port 80 answers HTTP; commands are cat, echo, tee-err, size, and ``sh -c 'exit N'``."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.killed: list[Sequence[str]] = []

    def start(self, pod: Mapping[str, Any], container: str, *, ip: str) -> None: ...

    async def stop(self, pod: PodKey, *, grace: float = 0.0) -> None: ...

    def states(self, pod: PodKey) -> Sequence[ContainerState]:
        return []

    def on_change(self, callback: Callable[[PodKey], None]) -> None: ...

    async def probe(self, pod: Mapping[str, Any], container: str, probe: Mapping[str, Any]) -> tuple[bool, str]:
        return True, ""

    async def logs(
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
        if previous:
            raise LookupError(f'previous terminated container "{container}" in pod "{pod.name}" not found')
        lines = LOGS if tail is None else LOGS[len(LOGS) - tail :]
        for line in lines:
            yield (f"2026-01-01T00:00:00Z {line}\n" if timestamps else f"{line}\n").encode()
        if follow:
            yield b"followed\n"

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
        await stdout(b"followed\n")
        if stdin is not None:
            async for data in stdin:
                await stdout(data)
        return ExecResult(0, "")

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
        try:
            match list(command):
                case ["cat"] if stdin is not None:
                    async for data in stdin:
                        await stdout(data)
                case ["echo", *words]:
                    await stdout((" ".join(words) + "\n").encode())
                case ["complain"]:
                    await stderr(b"no\n")
                case ["size"] if resize is not None:
                    width, height = await anext(resize)
                    await stdout(f"{width}x{height}\n".encode())
                case ["sleep"]:
                    await asyncio.get_running_loop().create_future()
                case ["sh", "-c", text] if text.startswith("exit "):
                    return ExecResult(int(text[5:]), "")
                case [name, *_]:
                    return ExecResult(
                        126, f'OCI runtime exec failed: exec: "{name}": executable file not found in $PATH'
                    )
        except asyncio.CancelledError:
            self.killed.append(command)
            raise
        return ExecResult(0, "")

    async def port_forward(self, pod: PodKey, port: int) -> ByteStream:
        if port != 80:
            raise ConnectionFailed("ECONNREFUSED", "connection refused")
        here, there = pipes()
        task = asyncio.create_task(answer_http(there))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return here
