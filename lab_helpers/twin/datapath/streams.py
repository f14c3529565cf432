"""TCP connections between simulated programs: two ends, bytes in memory, every segment through the plane.

A segment that policy drops (or that meets a conntrack entry gone and a policy that forbids) is retransmitted as
Linux does, until the peer gets it or the sender gives up with ETIMEDOUT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from lab_helpers.policy.protocols import Protocol
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.datapath.namespaces import Namespace
from lab_helpers.twin.datapath.packets import ACK, FIN, PSH, RST, Packet
from lab_helpers.twin.datapath.plane import Outcome
from lab_helpers.twin.datapath.segments import Segment
from lab_helpers.twin.interfaces import ConnectionFailed

__all__ = ["StreamEnd", "connected_pair"]

RETRANSMIT_FIRST: Final = 0.2
RETRANSMIT_MAX: Final = 120.0
RETRANSMITS: Final = 15
ORPHAN_RETRANSMITS: Final = 8
WINDOW: Final = 1 << 20


class StreamEnd:
    """One end of an established connection (``interfaces.ByteStream``). ``silent``: both ends share a kernel; no
    packets are seen.

    ``send`` gives a packet to the plane. ``expects_proxy``: does the connection end at a proxy? When policy sends
    its segments elsewhere later, whoever gets them knows no such connection and resets it. ``on_close`` runs once,
    when this end is finished. ``opened``: the last segment that this end sent of the handshake.
    """

    def __init__(
        self,
        clock: Clock,
        send: Callable[[Packet], Outcome],
        namespace: Namespace,
        local: tuple[str, int],
        remote: tuple[str, int],
        wire: tuple[tuple[str, int], tuple[str, int]],
        *,
        silent: bool = False,
        expects_proxy: bool | None = None,
        on_close: Callable[[], None] | None = None,
        opened: Segment | None = None,
    ) -> None:
        self.local = local
        self.remote = remote
        self.peer: StreamEnd | None = None
        self._clock = clock
        self._send = send
        self._namespace = namespace
        self._wire = wire
        self._silent = silent
        self._expects_proxy = expects_proxy
        self._on_close = on_close
        self._last = opened
        self._next = 0 if opened is None else (opened.seq + 1) & 0xFFFFFFFF
        self._buffer = bytearray()
        self._eof = False
        self._reset: ConnectionFailed | None = None
        self._sent_fin = False
        self._closed = False
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        namespace.streams.add(self)

    async def read(self, limit: int = 65536) -> bytes:
        """Bytes as they come; b"" after the peer's FIN. Raises ConnectionFailed(ECONNRESET) after a reset."""
        while not self._buffer:
            if self._reset is not None:
                raise self._reset
            if self._eof or self._closed:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._buffer[:limit])
        del self._buffer[: len(data)]
        if self.peer is not None:
            self.peer._changed.set()
        return data

    async def write(self, data: bytes) -> None:
        """Send; waits while the peer's window is full. Raises ConnectionFailed (ECONNRESET, EPIPE after close,
        ETIMEDOUT).
        """
        if self._reset is not None:
            raise self._reset
        if self._sent_fin or self._closed:
            raise ConnectionFailed("EPIPE", "Broken pipe")
        if not data:
            return
        await self._transmit(ACK | PSH, data, RETRANSMITS)
        peer = self.peer
        if peer is None or peer._closed:
            self._reset_by_peer()
            raise ConnectionFailed("ECONNRESET", "Connection reset by peer")
        peer._buffer += data
        peer._changed.set()
        while len(peer._buffer) > WINDOW and not peer._closed and self._reset is None:
            self._changed.clear()
            await self._changed.wait()

    async def write_eof(self) -> None:
        """Send FIN; reading goes on."""
        if self._sent_fin or self._closed or self._reset is not None:
            return
        self._sent_fin = True
        if self._pass(ACK | FIN):
            self._deliver_eof()
        else:
            task = asyncio.get_running_loop().create_task(self._retransmit_fin())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close both directions. Data that nobody read is answered with a reset, as Linux does."""
        if self._closed:
            return
        if self._buffer and self._reset is None and self.peer is not None and not self.peer._closed:
            self.abort()
            return
        await self.write_eof()
        self._finish()

    def abort(self) -> None:
        """Send RST."""
        if self._closed:
            return
        finished = self._sent_fin and self._eof
        self._sent_fin = True
        if self._reset is None and not finished:
            self._pass(ACK | RST)
            if self.peer is not None:
                self.peer._reset_by_peer()
        self._finish()

    def vanish(self) -> None:
        """The pod is being removed: its kernel sends a FIN for what is still open, then the namespace is gone."""
        if not self._closed and not self._sent_fin and self._reset is None:
            self._sent_fin = True
            if self._pass(ACK | FIN):
                self._deliver_eof()
        self._finish()

    def _finish(self) -> None:
        self._closed = True
        self._detach()
        self._changed.set()
        if self.peer is not None:
            self.peer._changed.set()

    def _detach(self) -> None:
        self._namespace.streams.discard(self)
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    def _deliver_eof(self) -> None:
        if self.peer is not None:
            self.peer._eof = True
            self.peer._changed.set()

    def _reset_by_peer(self) -> None:
        self._reset = ConnectionFailed("ECONNRESET", "Connection reset by peer")
        self._changed.set()
        self._detach()

    def _segment(self) -> Segment | None:
        """The next one: what was sent, and what was heard of the other end."""
        before, peer = self._last, self.peer
        if before is None or peer is None or peer._last is None:
            return None
        room = max(0, WINDOW - len(self._buffer))
        return Segment(self._next, peer._next, room, before.number + 1, self._clock.monotonic(), peer._last.sent)

    def _pass(self, flags: int, data: bytes = b"") -> bool:
        """Send one segment; did it arrive? A segment that reaches the wrong party is answered with a reset."""
        if self._silent:
            return self.peer is not None
        (src, sport), (dst, dport) = self._wire
        segment = self._segment()
        packet = Packet(Protocol.TCP, src, sport, dst, dport, flags, len(data), 0, data, segment)
        self._last = segment
        outcome = self._send(packet)
        if not outcome.passed:
            return False
        self._next = (self._next + len(data) + (flags & FIN)) & 0xFFFFFFFF
        wrong = self._expects_proxy is not None and self._expects_proxy != (outcome.redirection is not None)
        wrong = wrong or (
            outcome.target is not None and self.peer is not None and outcome.target is not self.peer._namespace
        )
        if wrong and not flags & RST:
            self._reset_by_peer()
            if self.peer is not None:
                self.peer._reset_by_peer()
        return True

    async def _transmit(self, flags: int, data: bytes, attempts: int) -> None:
        delay = RETRANSMIT_FIRST
        for _ in range(attempts):
            if self._pass(flags, data):
                if self._reset is not None:
                    raise self._reset
                return
            await self._clock.sleep(delay)
            delay = min(delay * 2, RETRANSMIT_MAX)
            if self._reset is not None:
                raise self._reset
            if self._closed:
                return
        self._reset = ConnectionFailed("ETIMEDOUT", "Connection timed out")
        self._finish()
        raise self._reset

    async def _retransmit_fin(self) -> None:
        delay = RETRANSMIT_FIRST
        for _ in range(ORPHAN_RETRANSMITS):
            await self._clock.sleep(delay)
            delay *= 2
            if self._namespace.gone:
                return
            if self._pass(ACK | FIN):
                self._deliver_eof()
                return


def connected_pair(client: StreamEnd, server: StreamEnd) -> None:
    """Join two ends."""
    client.peer, server.peer = server, client
