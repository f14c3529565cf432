"""What a simulated program can do with the network (``interfaces.PodNetwork``): connect, listen, exchange datagrams,
ping.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from lab_helpers.policy.protocols import Protocol
from lab_helpers.twin.datapath.balancing import Translation, translate, translate_back
from lab_helpers.twin.datapath.connecting import Connector
from lab_helpers.twin.datapath.namespaces import Kind, Namespace
from lab_helpers.twin.datapath.packets import ECHO_REQUEST, SYN, Packet
from lab_helpers.twin.datapath.plane import Outcome, Plane
from lab_helpers.twin.datapath.segments import Segment, opening
from lab_helpers.twin.datapath.streams import WINDOW
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed, DatagramHandler, StreamHandler

__all__ = ["Sockets"]

SYN_DELAYS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Linux waits this long after each SYN (tcp_syn_retries 6), then gives up."""
_NEIGHBOUR_TIMEOUT: Final = 3.0
_PENDING: Final = 4096
_ECHO_SIZE: Final = 56


class Sockets:
    """The sockets of one program's namespace. ``nameservers`` depend on the pod's DNS policy, so pods of one node may
    differ.
    """

    def __init__(
        self, plane: Plane, connector: Connector, namespace: Namespace, nameservers: Sequence[str] = ()
    ) -> None:
        self._plane = plane
        self.namespace = namespace
        self.nameservers = tuple(nameservers)
        self._connector = connector
        self._pings: dict[str, int] = {}

    @property
    def ip(self) -> str:
        """The address programs see as their own."""
        return self.namespace.ip

    @property
    def node(self) -> str:
        """The node's name; "" outside."""
        return self.namespace.node

    def listen(self, port: int, handler: StreamHandler) -> Callable[[], None]:
        """Accept TCP on ``port``. Raises ConnectionFailed(EADDRINUSE)."""
        listeners = self.namespace.listeners
        if port in listeners:
            raise ConnectionFailed("EADDRINUSE", "Address already in use")
        listeners[port] = handler

        def stop() -> None:
            if listeners.get(port) is handler:
                del listeners[port]

        return stop

    def bind(self, port: int, handler: DatagramHandler) -> Callable[[], None]:
        """Answer UDP on ``port``. Raises ConnectionFailed(EADDRINUSE)."""
        datagrams = self.namespace.datagrams
        if port in datagrams:
            raise ConnectionFailed("EADDRINUSE", "Address already in use")
        datagrams[port] = handler

        def stop() -> None:
            if datagrams.get(port) is handler:
                del datagrams[port]

        return stop

    async def connect(
        self,
        host: str,
        port: int,
        *,
        timeout: float | None = None,
    ) -> ByteStream:
        """TCP connect; see ``interfaces.PodNetwork``."""
        if host == self.ip or host.startswith("127."):
            return self._connector.connect_locally(self.namespace, host, port)
        _only_version_4(host)
        clock = self._plane.clock
        started = clock.monotonic()
        deadline = None if timeout is None else started + timeout
        to = translate(self._plane, self.namespace, host, port, Protocol.TCP)
        sport = self.namespace.ephemeral()
        for number, delay in enumerate(SYN_DELAYS):
            if to.lost and number:
                to = translate(self._plane, self.namespace, host, port, Protocol.TCP)
            if not to.lost:
                source = self._sender(to)
                ip = self._source_ip(source, to.ip)
                segment = opening(ip, sport, to.ip, to.port, started, WINDOW)._replace(sent=clock.monotonic())
                syn = Packet(Protocol.TCP, ip, sport, to.ip, to.port, SYN, segment=segment)
                self._announce(to, syn)
                stream = self._connector.attempt(syn, source, local=(self.ip, sport), named=(host, port))
                if stream is not None:
                    return stream
                if self._no_neighbour(to.ip):
                    await self._pause(min(delay * 3, _NEIGHBOUR_TIMEOUT), deadline)
                    raise ConnectionFailed("EHOSTUNREACH", "No route to host")
            await self._pause(delay, deadline)
        raise ConnectionFailed("ETIMEDOUT", "Connection timed out")

    async def exchange(
        self,
        host: str,
        port: int,
        payload: bytes,
        *,
        timeout: float,
    ) -> bytes:
        """One UDP request and answer; see ``interfaces.PodNetwork``."""
        clock = self._plane.clock
        deadline = clock.monotonic() + timeout
        if host == self.ip or host.startswith("127."):
            handler = self.namespace.datagrams.get(port)
            if handler is None:
                raise ConnectionFailed("ECONNREFUSED", "Connection refused")
            return await self._answer(handler(payload, (host, self.namespace.ephemeral())), deadline)
        _only_version_4(host)
        to = translate(self._plane, self.namespace, host, port, Protocol.UDP)
        source = self._sender(to)
        packet = Packet(
            Protocol.UDP,
            self._source_ip(source, to.ip),
            self.namespace.ephemeral(),
            to.ip,
            to.port,
            0,
            len(payload),
            data=payload,
        )
        self._announce(to, packet)
        outcome = Outcome() if to.lost else self._plane.send(packet, source)
        if outcome.errno:
            raise ConnectionFailed(outcome.errno, "No route to host")
        if outcome.redirection is not None:
            answer = await self._answer(self._connector.exchange(outcome.redirection, packet, payload), deadline)
        elif outcome.target is not None:
            handler = outcome.target.datagrams.get(packet.dport)
            if handler is None:
                # the ICMP error finds its way as "related"
                raise ConnectionFailed("ECONNREFUSED", "Connection refused")
            answer = await self._answer(handler(payload, (packet.src, packet.sport)), deadline)
            if not self._plane.send(packet.reply(0, len(answer), answer), outcome.target).passed:
                await self._pause(float("inf"), deadline)
        else:
            await self._pause(float("inf"), deadline)
            raise AssertionError
        translate_back(self._plane, self.namespace, to, Protocol.UDP)
        return answer

    async def ping(
        self,
        host: str,
        *,
        sequence: int,
        timeout: float,
    ) -> float:
        """One ICMP echo; ``sequence`` > 1 continues the ping that began with 1."""
        if host == self.ip or host.startswith("127."):
            return random.uniform(0.00002, 0.00006)
        _only_version_4(host)
        deadline = self._plane.clock.monotonic() + timeout
        if sequence <= 1 or host not in self._pings:
            self._pings[host] = random.getrandbits(16)
        identifier = self._pings[host]
        source = self.namespace
        packet = Packet(
            Protocol.ICMP,
            self._source_ip(source, host),
            identifier,
            host,
            0,
            0,
            _ECHO_SIZE,
            ECHO_REQUEST,
            self._echo_payload(),
            Segment(max(1, sequence)),
        )
        outcome = self._plane.send(packet, source)
        if outcome.errno:
            raise ConnectionFailed(outcome.errno, "Destination Host Prohibited")
        if outcome.target is None or not self._plane.send(packet.reply(0, _ECHO_SIZE), outcome.target).passed:
            if self._no_neighbour(host):
                raise ConnectionFailed("EHOSTUNREACH", "Destination Host Unreachable")
            await self._pause(float("inf"), deadline)
        return self._round_trip(outcome.target)

    def _echo_payload(self) -> bytes:
        """The moment of sending, then a pattern, as ping has it."""
        seconds, rest = divmod(self._plane.clock.now().timestamp(), 1)
        stamp = struct.pack("<qq", int(seconds), int(rest * 1_000_000))
        return stamp + bytes(range(len(stamp), _ECHO_SIZE))

    def _round_trip(self, target: Namespace | None) -> float:
        """A plausible time on this network: the plane itself delivers at once."""
        if target is None or target.kind is Kind.OUTSIDE or self.namespace.kind is Kind.OUTSIDE:
            return random.uniform(0.008, 0.016)
        if target.node == self.node:
            return random.uniform(0.00005, 0.00015)
        return random.uniform(0.0002, 0.0006)

    def _announce(self, to: Translation, first: Packet) -> None:
        """Without the socket load balancer the pod's conntrack entry remembers the service, to undo it in answers."""
        if to.frontend is None or self.namespace.kind is not Kind.POD:
            return
        settings = self._plane.tables[self.node].settings
        if not settings.socket_lb or settings.socket_lb_host_only:
            if len(self._plane.translated) > _PENDING:
                self._plane.translated.clear()  # of connections that policy never let begin
            self._plane.translated[first.src, first.sport, first.dst, first.dport] = to.frontend.id

    def _sender(self, to: Translation) -> Namespace:
        """Who sends to the backend: for an outside client and a backend elsewhere, the node that did the translation
        (SNAT).
        """
        if to.via and to.backend is not None and to.backend.node != to.via:
            return self._plane.nodes[to.via]
        return self.namespace

    def _source_ip(self, source: Namespace, destination: str) -> str:
        if source.kind is not Kind.NODE:
            return source.ip
        tables = self._plane.tables[source.node]
        entry = tables.ipcache.lookup(destination)
        in_pods = destination in tables.by_ip or (entry.tunnel and self._plane.node_of(destination) is None)
        return tables.router_ip if in_pods and tables.router_ip else source.ip

    def _no_neighbour(self, ip: str) -> bool:
        """An address of the nodes' own network that nobody has: the router's ARP stays unanswered."""
        plane = self._plane
        if ip in plane.pods or ip in plane.outside or plane.node_of(ip) is not None:
            return False
        network = ip.rsplit(".", 2)[0]
        return any(tables.ip.rsplit(".", 2)[0] == network for tables in plane.tables.values())

    async def _pause(self, delay: float, deadline: float | None) -> None:
        """Wait; raises ConnectionFailed(ETIMEDOUT) when the deadline comes first."""
        clock = self._plane.clock
        if deadline is not None and clock.monotonic() + delay >= deadline:
            await clock.sleep(deadline - clock.monotonic())
            raise ConnectionFailed("ETIMEDOUT", "Connection timed out")
        await clock.sleep(delay)

    async def _answer(self, answering: Awaitable[bytes | None], deadline: float) -> bytes:
        """What a handler answers before the deadline. Raises ConnectionFailed(ETIMEDOUT) when it is silent or late."""
        clock = self._plane.clock
        task = asyncio.ensure_future(answering)
        expired = asyncio.get_running_loop().create_future()
        timer = clock.call_later(
            deadline - clock.monotonic(), lambda: None if expired.done() else expired.set_result(None)
        )
        try:
            await asyncio.wait({task, expired}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ConnectionFailed("ETIMEDOUT", "Connection timed out")
            answer = task.result()
            if answer is None:
                await expired
                raise ConnectionFailed("ETIMEDOUT", "Connection timed out")
            return answer
        finally:
            timer.cancel()
            task.cancel()
            expired.cancel()


def _only_version_4(host: str) -> None:
    """The cluster is of one family, as kind's are: nothing of IPv6 has a route. Raises ConnectionFailed."""
    if host == "::1":
        raise ConnectionFailed("ECONNREFUSED", "Connection refused")
    if ":" in host:
        raise ConnectionFailed("ENETUNREACH", "Network is unreachable")
