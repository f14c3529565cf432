"""Connection tracking of one node: who answers whom, which TCP flags were seen, when an entry expires.

Follows Cilium bpf/lib/conntrack.h. An entry belongs to the pod whose program made it: OUT by the program of the pod
that opened the connection, IN by that of the pod that accepted it; both exist when both pods are on one node. Times
are clock seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.datapath.packets import ACK, FIN, RST, SYN, Packet

__all__ = [
    "ANY_LIFETIME",
    "CLOSE_LIFETIME",
    "SYN_LIFETIME",
    "TCP_LIFETIME",
    "Conntrack",
    "Entry",
    "EntryKey",
    "Lookup",
    "State",
]

TCP_LIFETIME: Final = 8000.0
SYN_LIFETIME: Final = 60.0
CLOSE_LIFETIME: Final = 10.0
ANY_LIFETIME: Final = 60.0


class State(IntEnum):
    """Numbers of flow.TraceReason."""

    UNKNOWN = 0
    NEW = 1
    ESTABLISHED = 2
    REPLY = 3
    RELATED = 4
    REOPENED = 5


class EntryKey(NamedTuple):
    """``direction`` is the one of the connection as its pod sees it; the tuple is that of its first packet."""

    protocol: Protocol
    src: str
    sport: int
    dst: str
    dport: int
    direction: Direction


@dataclass(slots=True)
class Entry:
    """One connection. ``rx``: seen by the pod's ingress program, ``tx``: by its egress program."""

    key: EntryKey
    identity: int
    created: float
    expires: float
    packets: int = 0
    bytes: int = 0
    rx_flags: int = 0
    tx_flags: int = 0
    rx_report: float = -1e9
    tx_report: float = -1e9
    rx_closing: bool = False
    tx_closing: bool = False
    seen_non_syn: bool = False
    proxy_redirect: bool = False
    reverse_nat: int = 0

    @property
    def closing(self) -> bool:
        """A FIN or RST was seen."""
        return self.rx_closing or self.tx_closing

    def flags_word(self) -> int:
        """The ``Flags=`` of ``cilium-dbg bpf ct list``."""
        return self.rx_closing | self.tx_closing << 1 | self.seen_non_syn << 4 | self.proxy_redirect << 6


class Lookup(NamedTuple):
    """``monitor``: conntrack asks for a trace event (new connection, unseen flag, or report interval)."""

    state: State
    entry: Entry | None
    monitor: bool


class Conntrack:
    """The entries of a node, TCP and others together. ``interval``: report interval of live connections in seconds."""

    def __init__(self, now: Callable[[], float], *, interval: float = 5.0) -> None:
        self._now = now
        self.interval = interval
        self._entries: dict[EntryKey, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        """Live entries; expired ones are forgotten on the way (as the garbage collector would)."""
        now = self._now()
        for key, entry in tuple(self._entries.items()):
            if entry.expires <= now:
                del self._entries[key]
            else:
                yield entry

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def flush(self) -> int:
        """Forget everything; returns how many entries there were."""
        count = len(self._entries)
        self._entries.clear()
        return count

    def lookup(self, packet: Packet, at: Direction, *, counting: bool = True) -> Lookup:
        """What the program of a pod finds for a packet that leaves (EGRESS) or enters (INGRESS) it; updates the
        entry found. ``counting``: with ``ConntrackAccounting``, packets and bytes are counted.

        NEW carries no entry: ``create`` one once policy allowed the packet.
        """
        other = Direction.INGRESS if at is Direction.EGRESS else Direction.EGRESS
        back = EntryKey(packet.protocol, packet.dst, packet.dport, packet.src, packet.sport, other)
        entry = self._live(back)
        if entry is not None:
            return Lookup(State.REPLY, entry, self._update(entry, packet, at, counting=counting))
        entry = self._live(EntryKey(packet.protocol, packet.src, packet.sport, packet.dst, packet.dport, at))
        if entry is None:
            return Lookup(State.NEW, None, True)
        if entry.closing and packet.flags & SYN and not packet.flags & ACK:
            del self._entries[entry.key]
            return Lookup(State.REOPENED, None, True)
        return Lookup(State.ESTABLISHED, entry, self._update(entry, packet, at, counting=counting))

    def create(
        self,
        packet: Packet,
        at: Direction,
        *,
        identity: int,
        redirect: bool = False,
        reverse_nat: int = 0,
        counting: bool = True,
    ) -> Entry:
        """Remember the connection that ``packet`` opens. ``identity`` is the security identity of its source."""
        key = EntryKey(packet.protocol, packet.src, packet.sport, packet.dst, packet.dport, at)
        now = self._now()
        entry = Entry(key, identity, now, now, proxy_redirect=redirect, reverse_nat=reverse_nat)
        self._entries[key] = entry
        self._update(entry, packet, at, counting=counting)
        return entry

    def alive(self, ip: str) -> bool:
        """Is there a live, not closing, connection from this node to ``ip``?"""
        return any(entry.key.dst == ip and not (entry.rx_closing and entry.tx_closing) for entry in self)

    def live_destinations(self) -> set[tuple[str, str]]:
        """(source, destination) addresses of the connections that pods of this node opened and that still live.

        Once both sides have closed a connection it counts no more. (Cilium's own collector, which runs rarer, counts
        the entry for the ten seconds until it expires.)
        """
        return {
            (entry.key.src, entry.key.dst)
            for entry in self
            if entry.key.direction is Direction.EGRESS and not (entry.rx_closing and entry.tx_closing)
        }

    def forget(self, ip: str) -> None:
        """Drop every entry that names ``ip`` (its endpoint is gone)."""
        for key in [key for key in self._entries if ip in (key.src, key.dst)]:
            del self._entries[key]

    def _live(self, key: EntryKey) -> Entry | None:
        entry = self._entries.get(key)
        if entry is not None and entry.expires <= self._now():
            del self._entries[key]
            return None
        return entry

    def _update(self, entry: Entry, packet: Packet, at: Direction, *, counting: bool) -> bool:
        now = self._now()
        if counting:
            entry.packets += packet.segments
            entry.bytes += packet.bytes
        flags = packet.flags
        if packet.protocol is Protocol.TCP:
            if not flags & SYN:
                entry.seen_non_syn = True
            if flags & (FIN | RST):
                both = flags & RST and not entry.rx_flags & entry.tx_flags & SYN
                entry.rx_closing |= bool(both or at is Direction.INGRESS)
                entry.tx_closing |= bool(both or at is Direction.EGRESS)
            if entry.rx_closing and entry.tx_closing:
                entry.expires = now + CLOSE_LIFETIME
            else:
                entry.expires = now + (TCP_LIFETIME if entry.seen_non_syn else SYN_LIFETIME)
        else:
            entry.expires = now + ANY_LIFETIME
        seen, report = (
            (entry.rx_flags, entry.rx_report) if at is Direction.INGRESS else (entry.tx_flags, entry.tx_report)
        )
        monitor = bool(flags & ~seen) or report + self.interval < now or bool(flags & (FIN | RST))
        if monitor:
            if at is Direction.INGRESS:
                entry.rx_flags, entry.rx_report = seen | flags, now
            else:
                entry.tx_flags, entry.tx_report = seen | flags, now
        return monitor
