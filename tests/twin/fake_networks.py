"""An in-memory network for tests of simulated programs: no policy, no flows, only delivery.

``FakeNetworks`` implements ``Networks``. ``services`` maps (cluster IP, port) to (pod IP, port); ``blocked`` swallows
what goes to an
address and port (SYN and datagrams vanish); ``delay`` is seconds of the clock per packet (0: at once).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.interfaces import ConnectionFailed, DatagramHandler, StreamHandler

SYN_GIVES_UP = 127.0


class FakeStream:
    def __init__(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        self.local, self.remote = local, remote
        self.peer: FakeStream = self
        self._buffer = bytearray()
        self._ended = False
        self._reset = False
        self._closed = False
        self._changed = asyncio.Event()

    async def read(self, limit: int = 65536) -> bytes:
        while not self._buffer:
            if self._reset:
                raise ConnectionFailed("ECONNRESET", "Connection reset by peer")
            if self._ended or self._closed:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return data

    async def write(self, data: bytes) -> None:
        if self._reset or self.peer._closed:
            raise ConnectionFailed("ECONNRESET", "Connection reset by peer")
        self.peer._buffer += data
        self.peer._changed.set()

    async def write_eof(self) -> None:
        self.peer._ended = True
        self.peer._changed.set()

    async def close(self) -> None:
        self._closed = True
        self._changed.set()
        await self.write_eof()

    def abort(self) -> None:
        self._closed = True
        self.peer._reset = True
        self.peer._changed.set()


class FakeNetwork:
    def __init__(self, networks: FakeNetworks, ip: str, node: str) -> None:
        self.networks, self.ip, self.node = networks, ip, node
        self.nameservers = networks.nameservers
        self.tcp: dict[int, StreamHandler] = {}
        self.udp: dict[int, DatagramHandler] = {}
        self._port = 40000

    async def connect(self, host: str, port: int, *, timeout: float | None = None) -> FakeStream:
        target = await self._reach(host, port, SYN_GIVES_UP if timeout is None else timeout)
        ip, port_there, handler = target[0].ip, target[1], target[0].tcp.get(target[1])
        if handler is None:
            raise ConnectionFailed("ECONNREFUSED", "Connection refused")
        self._port += 1
        here, there = (
            FakeStream((self.ip, self._port), (host, port)),
            FakeStream((ip, port_there), (self.ip, self._port)),
        )
        here.peer, there.peer = there, here
        task = asyncio.create_task(handler(there))
        self.networks.tasks.add(task)
        task.add_done_callback(self.networks.tasks.discard)
        return here

    def listen(self, port: int, handler: StreamHandler) -> Callable[[], None]:
        if port in self.tcp:
            raise ConnectionFailed("EADDRINUSE", "Address in use")
        self.tcp[port] = handler
        return lambda: self.tcp.pop(port, None) and None

    async def exchange(self, host: str, port: int, payload: bytes, *, timeout: float) -> bytes:
        network, there = await self._reach(host, port, timeout)
        handler = network.udp.get(there)
        if handler is None:
            raise ConnectionFailed("ECONNREFUSED", "Connection refused")
        self._port += 1
        answer = await handler(payload, (self.ip, self._port))
        if answer is None:
            await self.networks.clock.sleep(timeout)
            raise ConnectionFailed("ETIMEDOUT", "timed out")
        return answer

    def bind(self, port: int, handler: DatagramHandler) -> Callable[[], None]:
        self.udp[port] = handler
        return lambda: self.udp.pop(port, None) and None

    async def ping(self, host: str, *, sequence: int, timeout: float) -> float:
        await self._reach(host, 0, timeout)
        return 0.000_1

    async def _reach(self, host: str, port: int, timeout: float) -> tuple[FakeNetwork, int]:
        networks = self.networks
        await asyncio.sleep(0)
        if networks.delay:
            await networks.clock.sleep(networks.delay)
        if ":" in host:
            raise ConnectionFailed("ENETUNREACH", "Network unreachable")
        if (host, port) in networks.blocked or (host, 0) in networks.blocked:
            await networks.clock.sleep(timeout)
            raise ConnectionFailed("ETIMEDOUT", "Connection timed out")
        host, port = networks.services.get((host, port), (host, port))
        if host.startswith("127."):
            return self, port
        network = networks.by_ip.get(host)
        if network is None:
            await networks.clock.sleep(timeout)
            raise ConnectionFailed("ETIMEDOUT", "Connection timed out")
        return network, port


class FakeNetworks:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.by_ip: dict[str, FakeNetwork] = {}
        self.services: dict[tuple[str, int], tuple[str, int]] = {}
        self.blocked: set[tuple[str, int]] = set()
        self.nameservers = ("172.18.0.1",)
        self.delay = 0.0
        self.tasks: set[asyncio.Task[None]] = set()
        self.nodes: dict[str, FakeNetwork] = {}

    def add(self, ip: str, node: str = "") -> FakeNetwork:
        return self.by_ip.setdefault(ip, FakeNetwork(self, ip, node))

    def pod(self, pod: Mapping[str, Any]) -> FakeNetwork:
        if pod["spec"].get("hostNetwork"):
            return self.node(pod["spec"]["nodeName"])
        return self.add(pod["status"]["podIP"], pod["spec"].get("nodeName", ""))

    def node(self, name: str) -> FakeNetwork:
        if name not in self.nodes:
            ip = f"172.18.0.{2 + len(self.nodes)}"
            self.nodes[name] = self.add(ip, name)
        return self.nodes[name]

    def outside(self, ip: str) -> FakeNetwork:
        return self.add(ip)
