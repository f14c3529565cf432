"""The TCP handshake, with a server or the proxy that policy puts in its place, and UDP requests through a proxy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from lab_helpers.policy.rules import Direction
from lab_helpers.twin.datapath.namespaces import Kind, Namespace
from lab_helpers.twin.datapath.packets import ACK, RST, SYN, Packet
from lab_helpers.twin.datapath.plane import Plane
from lab_helpers.twin.datapath.proxies import Redirection
from lab_helpers.twin.datapath.segments import Segment, initial_sequence, opening
from lab_helpers.twin.datapath.streams import WINDOW, StreamEnd, connected_pair
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed, StreamHandler

__all__ = ["Connector"]

_log = logging.getLogger(__name__)

PROXY_CONNECT_TIMEOUT: Final = 2.0
"""How long Envoy waits for its upstream (``proxy-connect-timeout``)."""


class Connector:
    """Opens connections on the plane and runs the programs that accept them."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """End every accepting program (the twin stops)."""
        for task in tuple(self._tasks):
            task.cancel()

    def attempt(
        self,
        syn: Packet,
        source: Namespace,
        *,
        local: tuple[str, int],
        named: tuple[str, int],
        proxied: bool = False,
        on_close: Callable[[], None] | None = None,
    ) -> StreamEnd | None:
        """One SYN and what follows; None when it vanished. ``local`` and ``named`` are the addresses the client
        believes in.

        Raises ConnectionFailed when the answer is no. ``proxied``: a proxy of the source's node connects in the
        pod's name.
        """
        plane = self._plane
        send = partial(plane.send, source=source, proxied=proxied)
        outcome = send(syn)
        if outcome.errno:
            raise ConnectionFailed(outcome.errno, "No route to host")
        redirection = outcome.redirection
        handler: StreamHandler | None
        if redirection is not None:
            at = self._proxy_place(redirection)
            handler = self._proxy_handler(redirection, syn)
            back: Callable[..., object] = partial(plane.answer, redirection)
        elif outcome.target is not None:
            at = outcome.target
            handler = at.listeners.get(syn.dport)
            back = partial(plane.send, source=at)
        else:
            return None
        if handler is None:
            if redirection is not None:  # TPROXY without a listening socket drops
                return None
            if plane.send(syn.reply(RST | ACK), at).passed:
                raise ConnectionFailed("ECONNREFUSED", "Connection refused")
            return None
        first, second, third = self._handshake(syn)
        answer = syn.reply(SYN | ACK, segment=second)
        arrived = plane.answer(redirection, answer) if redirection is not None else plane.send(answer, at)
        if not arrived.passed:
            return None
        send(syn._replace(flags=ACK, segment=third))
        here, there = (syn.src, syn.sport), (syn.dst, syn.dport)
        client = StreamEnd(
            plane.clock,
            send,
            source,
            local,
            named,
            (here, there),
            expects_proxy=redirection is not None,
            on_close=on_close,
            opened=first._replace(number=third.number, sent=third.sent),
        )
        masqueraded = self._masqueraded(here, at)
        server = StreamEnd(plane.clock, back, at, there, masqueraded, (there, here), opened=second)  # type: ignore[arg-type]
        connected_pair(client, server)
        self._serve(handler, server)
        return client

    def _handshake(self, syn: Packet) -> tuple[Segment, Segment, Segment]:
        """SYN, SYN with ACK, and ACK."""
        now = self._plane.clock.monotonic()
        first = syn.segment or opening(syn.src, syn.sport, syn.dst, syn.dport, now, WINDOW)
        isn = initial_sequence(syn.dst, syn.dport, syn.src, syn.sport, now)
        after = (first.seq + 1) & 0xFFFFFFFF
        second = Segment(isn, after, WINDOW, 0, now, first.sent)
        return first, second, Segment(after, (isn + 1) & 0xFFFFFFFF, WINDOW, 1, now, now)

    def connect_locally(self, namespace: Namespace, host: str, port: int) -> StreamEnd:
        """Within one namespace: no packet is seen by anybody. Raises ConnectionFailed(ECONNREFUSED)."""
        here, there = (host, namespace.ephemeral()), (host, port)
        return self._silently(namespace, here, there)

    async def exchange(self, redirection: Redirection, packet: Packet, payload: bytes) -> bytes | None:
        """A datagram that policy sends to a proxy; its answer, or None."""
        redirect = redirection.decision.redirect
        assert redirect is not None
        make = self._plane.proxies.get(redirect.parser.value)
        proxy = None if make is None else make(redirection.tables)
        if proxy is None:
            return None
        answer = await proxy.datagram(redirection, payload, partial(self._forward, redirection))
        if answer is None:
            return None
        return answer if self._plane.answer(redirection, packet.reply(0, len(answer), answer)).passed else None

    async def _forward(self, redirection: Redirection, payload: bytes) -> bytes:
        """The proxy's own request to the original destination. Raises ConnectionFailed."""
        plane, tables = self._plane, redirection.tables
        source = plane.pods.get(redirection.endpoint.ip)
        if source is None:
            raise ConnectionFailed("ENETUNREACH", "Network is unreachable")
        packet = redirection.packet._replace(sport=source.ephemeral(), size=len(payload), data=payload)
        socket = (packet.src, packet.sport)
        tables.proxy_sockets.add(socket)
        try:
            target = plane.send(packet, source, proxied=True).target
            handler = None if target is None else target.datagrams.get(packet.dport)
            if target is None:
                raise ConnectionFailed("ETIMEDOUT", "Connection timed out")
            if handler is None:
                raise ConnectionFailed("ECONNREFUSED", "Connection refused")
            answer = await handler(payload, socket)
            if answer is None or not plane.send(packet.reply(0, len(answer), answer), target).passed:
                raise ConnectionFailed("ETIMEDOUT", "Connection timed out")
            return answer
        finally:
            tables.proxy_sockets.discard(socket)

    # --- proxies --------------------------------------------------------------------------------------------

    def _proxy_place(self, redirection: Redirection) -> Namespace:
        """Where the proxy's end of the client's connection lives: with the pod it stands for, or on the node."""
        plane = self._plane
        if redirection.direction is Direction.INGRESS:
            return plane.pods[redirection.endpoint.ip]
        return plane.nodes[redirection.tables.name]

    def _proxy_handler(self, redirection: Redirection, syn: Packet) -> StreamHandler | None:
        redirect = redirection.decision.redirect
        assert redirect is not None
        make = self._plane.proxies.get(redirect.parser.value)
        worker = None if make is None else make(redirection.tables)
        if worker is None:
            return None

        async def upstream() -> ByteStream:
            return await self._connect_upstream(redirection, syn)

        async def serve(stream: ByteStream) -> None:
            await worker.stream(redirection, stream, upstream)

        return serve

    async def _connect_upstream(self, redirection: Redirection, syn: Packet) -> StreamEnd:
        """The proxy's connection to the original destination. Raises ConnectionFailed."""
        plane, tables = self._plane, redirection.tables
        client = (syn.src, syn.sport)
        if redirection.direction is Direction.INGRESS:
            pod = plane.pods.get(redirection.endpoint.ip)
            if pod is None:
                raise ConnectionFailed("ECONNREFUSED", "Connection refused")
            return self._silently(pod, client, (syn.dst, syn.dport))
        source = plane.pods.get(redirection.endpoint.ip)
        if source is None:
            raise ConnectionFailed("ENETUNREACH", "Network is unreachable")
        sport, now = source.ephemeral(), plane.clock.monotonic()
        own = syn._replace(sport=sport, segment=opening(syn.src, sport, syn.dst, syn.dport, now, WINDOW))
        socket = (own.src, own.sport)
        tables.proxy_sockets.add(socket)
        waited, delay = 0.0, 1.0
        try:
            while waited <= PROXY_CONNECT_TIMEOUT:
                stream = self.attempt(
                    own,
                    source,
                    local=client,
                    named=(own.dst, own.dport),
                    proxied=True,
                    on_close=lambda: tables.proxy_sockets.discard(socket),
                )
                if stream is not None:
                    return stream
                await plane.clock.sleep(delay)
                waited += delay
        except BaseException:
            tables.proxy_sockets.discard(socket)
            raise
        tables.proxy_sockets.discard(socket)
        raise ConnectionFailed("ETIMEDOUT", "Connection timed out")

    def _silently(self, namespace: Namespace, here: tuple[str, int], there: tuple[str, int]) -> StreamEnd:
        plane = self._plane
        handler = namespace.listeners.get(there[1])
        if handler is None:
            raise ConnectionFailed("ECONNREFUSED", "Connection refused")
        send = partial(plane.send, source=namespace)
        client = StreamEnd(plane.clock, send, namespace, here, there, (here, there), silent=True)
        server = StreamEnd(plane.clock, send, namespace, there, here, (there, here), silent=True)
        connected_pair(client, server)
        self._serve(handler, server)
        return client

    # --- accepting programs ---------------------------------------------------------------------------------

    def _masqueraded(self, address: tuple[str, int], target: Namespace) -> tuple[str, int]:
        """What the server sees as its client: pods leave the cluster with their node's address."""
        pod = self._plane.pods.get(address[0])
        if pod is None or target.kind is Kind.POD:
            return address
        tables = self._plane.tables[pod.node]
        if target.node == pod.node:
            return address
        return (tables.ip, address[1]) if tables.settings.ipv4_masquerade else address

    def _serve(self, handler: StreamHandler, stream: StreamEnd) -> None:
        task = asyncio.get_running_loop().create_task(self._run(handler, stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _run(handler: StreamHandler, stream: StreamEnd) -> None:
        try:
            await handler(stream)
        except ConnectionFailed:
            stream.abort()
        except asyncio.CancelledError:
            stream.abort()
            raise
        except Exception:  # noqa: BLE001 - a defect of one simulated program must not end the others
            _log.exception("the program that accepted %s from %s failed", stream.local, stream.remote)
            stream.abort()
        else:
            await stream.close()
