"""The sockets of a pod's programs: a :class:`PodNetwork` per process that remembers what is open.

So ``ss`` and ``netstat`` can list it, and the end of a process closes it, as a kernel does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed, DatagramHandler, PodNetwork, StreamHandler

__all__ = ["Socket", "SocketTable", "Sockets"]


@dataclass(eq=False, slots=True)
class Socket:
    """One entry of ``ss``: ``tcp LISTEN``, ``tcp ESTAB`` or ``udp UNCONN``."""

    protocol: str
    state: str
    local: tuple[str, int]
    remote: tuple[str, int]
    pid: int
    program: str


class SocketTable:
    """What is open in one network namespace, in the order it was opened."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []

    def add(self, socket: Socket) -> Socket:
        """Remember it."""
        self.sockets.append(socket)
        return socket

    def drop(self, socket: Socket) -> None:
        """Forget it; harmless when it is gone."""
        with contextlib.suppress(ValueError):
            self.sockets.remove(socket)


class _Stream:
    """A connection that leaves the table when it is closed."""

    def __init__(self, stream: ByteStream, forget: Callable[[], None]) -> None:
        self._stream = stream
        self._forget = forget
        self.local = stream.local
        self.remote = stream.remote

    async def read(self, limit: int = 65536) -> bytes:
        return await self._stream.read(limit)

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)

    async def write_eof(self) -> None:
        await self._stream.write_eof()

    async def close(self) -> None:
        self._forget()
        await self._stream.close()

    def abort(self) -> None:
        self._forget()
        self._stream.abort()


class Sockets:
    """The network as one process sees it (implements ``PodNetwork``)."""

    def __init__(self, network: PodNetwork, table: SocketTable, pid: int, program: str) -> None:
        self._network = network
        self._table = table
        self._pid = pid
        self._program = program
        self._streams: set[_Stream] = set()
        self._closers: set[Callable[[], None]] = set()
        self._handlers: set[asyncio.Task[Any]] = set()
        self.ip = network.ip
        self.node = network.node

    @property
    def nameservers(self) -> Sequence[str]:
        """As the network says."""
        return self._network.nameservers

    @property
    def open_sockets(self) -> Sequence[Socket]:
        """All sockets of the namespace."""
        return tuple(self._table.sockets)

    async def connect(self, host: str, port: int, *, timeout: float | None = None) -> ByteStream:
        """TCP, as in ``PodNetwork``."""
        return self._track(await self._network.connect(host, port, timeout=timeout))

    def listen(self, port: int, handler: StreamHandler) -> Callable[[], None]:
        """Accept TCP; connections being served end with the process."""

        async def serve(stream: ByteStream) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._handlers.add(task)
            tracked = self._track(stream)
            try:
                await handler(tracked)
            except ConnectionFailed:
                tracked.abort()
            finally:
                self._handlers.discard(task)
                with contextlib.suppress(ConnectionFailed):
                    await tracked.close()

        return self._closing(
            self._network.listen(port, serve),
            self._table.add(Socket("tcp", "LISTEN", ("0.0.0.0", port), ("0.0.0.0", 0), self._pid, self._program)),
        )

    async def exchange(self, host: str, port: int, payload: bytes, *, timeout: float) -> bytes:
        """UDP, as in ``PodNetwork``."""
        return await self._network.exchange(host, port, payload, timeout=timeout)

    def bind(self, port: int, handler: DatagramHandler) -> Callable[[], None]:
        """Answer UDP."""
        return self._closing(
            self._network.bind(port, handler),
            self._table.add(Socket("udp", "UNCONN", ("0.0.0.0", port), ("0.0.0.0", 0), self._pid, self._program)),
        )

    async def ping(self, host: str, *, sequence: int, timeout: float) -> float:
        """ICMP echo."""
        return await self._network.ping(host, sequence=sequence, timeout=timeout)

    async def release(self) -> None:
        """The process ended: stop listening, close connections, end what was being served."""
        for close in tuple(self._closers):
            close()
        current = asyncio.current_task()
        for task in tuple(self._handlers):
            if task is not current:
                task.cancel()
        for stream in tuple(self._streams):
            with contextlib.suppress(ConnectionFailed):
                await stream.close()

    def _track(self, stream: ByteStream) -> _Stream:
        socket = self._table.add(Socket("tcp", "ESTAB", stream.local, stream.remote, self._pid, self._program))

        def forget() -> None:
            self._table.drop(socket)
            self._streams.discard(tracked)

        tracked = _Stream(stream, forget)
        self._streams.add(tracked)
        return tracked

    def _closing(self, stop: Callable[[], None], socket: Socket) -> Callable[[], None]:
        def close() -> None:
            if close in self._closers:
                self._closers.discard(close)
                self._table.drop(socket)
                stop()

        self._closers.add(close)
        return close
