"""The relay's gRPC server.

It serves ``observer.Observer`` for the whole cluster on a Unix socket (on Windows on a loopback TCP port), and only
while at least one hubble-relay program runs. ``bridge`` connects a stream from inside the cluster (the relay pod's
port 4245) with that server. Order: make it, ``await start()``, let programs ``join``, ``await stop()``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

if TYPE_CHECKING:
    from lab_helpers.hubble.serving.nodelogs import NodeLog

__all__ = ["Relay"]

_FAREWELL: Final = 1.0
"""Seconds in which calls that were just ended may still tell their clients so."""


class Relay:
    """``path``: the Unix socket; None (or Windows) means a free loopback port. ``target`` is what gRPC clients dial."""

    def __init__(self, agents: Agents, clock: Clock, path: Path | None) -> None:
        self._agents = agents
        self._clock = clock
        self._path = path if path is not None and sys.platform != "win32" else None
        self._port = 0
        self._server: Any = None
        self._observer: Any = None
        self._members: list[str] = []
        self._changing = asyncio.Lock()
        self._logs: dict[str, NodeLog] = {}

    @property
    def target(self) -> str:
        """``unix:///…/relay.sock`` or ``127.0.0.1:port``; known after ``start``."""
        return f"unix://{self._path}" if self._path is not None else f"127.0.0.1:{self._port}"

    @property
    def serving(self) -> bool:
        """Does anybody answer at ``target``?"""
        return self._server is not None

    async def start(self) -> None:
        """Choose the address; nobody answers there yet."""
        if self._path is None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._port = probe.getsockname()[1]

    async def stop(self) -> None:
        """Stop serving for good."""
        async with self._changing:
            self._members.clear()
            await self._shut()

    async def join(self, name: str) -> Callable[[], Awaitable[None]]:
        """A relay pod came up; call the result when it goes."""
        async with self._changing:
            self._members.append(name)
            if self._server is None:
                await self._open(name)

        async def leave() -> None:
            async with self._changing:
                if name in self._members:
                    self._members.remove(name)
                if not self._members:
                    await self._shut()

        return leave

    async def bridge(self, stream: ByteStream) -> None:
        """Carry bytes between a connection inside the cluster and the server."""
        if self._server is None:
            raise ConnectionFailed("ECONNREFUSED", "Connection refused")
        try:
            if self._path is not None:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:  # the server stopped meanwhile
            raise ConnectionFailed("ECONNREFUSED", "Connection refused") from error

        async def inward() -> None:
            while data := await stream.read():
                writer.write(data)
                await writer.drain()
            writer.write_eof()

        async def outward() -> None:
            while data := await reader.read(65536):
                await stream.write(data)
            await stream.write_eof()

        tasks = [asyncio.ensure_future(inward()), asyncio.ensure_future(outward())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done() and not tasks[1].done():
                await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            await stream.close()

    async def _open(self, name: str) -> None:
        import grpc

        from lab_helpers.hubble.serving import SERVER_OPTIONS, add_relay

        if self._path is not None:
            self._path.unlink(missing_ok=True)
        server = grpc.aio.server(options=SERVER_OPTIONS)
        self._observer = add_relay(server, self._nodes, name=name, clock=self._now, version=self._version())
        server.add_insecure_port(self.target)
        await server.start()
        if self._path is not None:
            self._path.chmod(0o600)
        self._server = server

    async def _shut(self) -> None:
        if self._server is None:
            return
        server, self._server = self._server, None
        self._observer.leave()
        await server.stop(_FAREWELL)
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000) * 1000

    def _version(self) -> str:
        version = next((agent.version for agent in self._agents.nodes.values() if agent.version), "")
        return f"hubble-relay v{version}" if version else "hubble-relay"

    def _nodes(self) -> list[Any]:
        """Every node whose Hubble server was ever seen; one whose agent is down is unavailable."""
        from lab_helpers.hubble.serving.nodelogs import RelayNode

        found = []
        for name, agent in sorted(self._agents.nodes.items()):
            if agent.hubble is not None:
                self._logs[name] = agent.hubble
            log = self._logs.get(name)
            if log is not None:
                settings = agent.settings
                secured = settings.raw.get("hubble-disable-tls", "false") != "true"
                certified = f"{name.replace('.', '-')}.{settings.cluster_name}.hubble-grpc.cilium.io" if secured else ""
                found.append(RelayNode(log, f"{agent.tables.ip}:4244", agent.hubble is not None, certified))
        return found
