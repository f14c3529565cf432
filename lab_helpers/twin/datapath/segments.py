"""What TCP adds to a packet besides its flags: numbers of bytes, of packets, and times.

They follow from what the two ends of a connection did: the first number from their addresses and the clock (as
RFC 6528 has it), every further one from the bytes that went before.
"""

from __future__ import annotations

import zlib
from typing import Final, NamedTuple

__all__ = ["WINDOW_SCALE", "Segment", "initial_sequence", "opening"]

WINDOW_SCALE: Final = 7
_TICKS: Final = 250_000
"""The first number grows by this much in a second."""


class Segment(NamedTuple):
    """``window`` in bytes, before scaling. ``number`` counts the packets that this end sent (the identification of
    IP). ``sent`` is the clock's moment in seconds, ``heard`` the one that the last packet of the other end carried;
    None: none came yet. For an ICMP echo ``seq`` is its number.
    """

    seq: int
    ack: int = 0
    window: int = 0
    number: int = 0
    sent: float = 0.0
    heard: float | None = None


def initial_sequence(source: str, sport: int, destination: str, dport: int, now: float) -> int:
    """The number of the first byte that one end sends."""
    return (zlib.crc32(f"{source}:{sport}>{destination}:{dport}".encode()) + int(now * _TICKS)) & 0xFFFFFFFF


def opening(source: str, sport: int, destination: str, dport: int, now: float, window: int) -> Segment:
    """The first segment of a connection."""
    return Segment(initial_sequence(source, sport, destination, dport, now), 0, window, 0, now)
