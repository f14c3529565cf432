"""Packets as the datapath sees them: five-tuple, TCP flags, size.

For ICMP echo ``sport`` holds the identifier, ``dport`` is 0, and ``icmp_type`` tells request (8) from reply (0).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from lab_helpers.policy.protocols import Protocol
from lab_helpers.twin.datapath.segments import Segment

__all__ = ["ACK", "ECHO_REPLY", "ECHO_REQUEST", "FIN", "PSH", "RST", "SYN", "Packet", "flag_names", "summary"]

FIN: Final = 1
SYN: Final = 2
RST: Final = 4
PSH: Final = 8
ACK: Final = 16

ECHO_REQUEST: Final = 8
ECHO_REPLY: Final = 0

_ORDER: Final = ((SYN, "SYN"), (ACK, "ACK"), (RST, "RST"), (FIN, "FIN"), (PSH, "PSH"))
_HEADERS: Final = {Protocol.TCP: 66}
"""Ethernet, IP and the header of the protocol; for TCP with the options of an established connection."""
_HEADERS_OTHER: Final = 42
_MORE_OPTIONS: Final = 8
"""What the options of a SYN take more."""
_NO_OPTIONS: Final = 12


class Packet(NamedTuple):
    """One packet (or one write of a program: ``size`` payload bytes, counted as as many segments as they need).

    ``data``: the payload itself, where somebody wrote one. ``segment`` None: a packet without a connection.
    """

    protocol: Protocol
    src: str
    sport: int
    dst: str
    dport: int
    flags: int = 0
    size: int = 0
    icmp_type: int = 0
    data: bytes = b""
    segment: Segment | None = None

    def reply(self, flags: int = 0, size: int = 0, data: bytes = b"", segment: Segment | None = None) -> Packet:
        """A packet back to the sender. An echo comes back as it was."""
        if self.protocol is Protocol.ICMP:
            data, segment = self.data, self.segment
        return Packet(self.protocol, self.dst, self.dport, self.src, self.sport, flags, size, ECHO_REPLY, data, segment)

    @property
    def segments(self) -> int:
        """How many packets on the wire, at an MTU of 1500."""
        return 1 if self.size <= 1448 else -(-self.size // 1448)

    @property
    def bytes(self) -> int:
        """Bytes on the wire, headers included."""
        headers = _HEADERS.get(self.protocol, _HEADERS_OTHER) * self.segments
        if self.flags & SYN:
            headers += _MORE_OPTIONS
        elif self.flags & RST and self.segment is None:
            headers -= _NO_OPTIONS
        return self.size + headers

    @property
    def policy_port(self) -> int:
        """What policy compares with a port: for ICMP the type."""
        return self.icmp_type if self.protocol is Protocol.ICMP else self.dport


@lru_cache(maxsize=64)
def flag_names(flags: int) -> tuple[str, ...]:
    """The flags that are set, in Hubble's order."""
    return tuple(name for bit, name in _ORDER if flags & bit)


@lru_cache(maxsize=256)
def summary(protocol: Protocol, flags: int, icmp_type: int) -> str:
    """The text of ``Flow.Summary``."""
    if protocol is Protocol.TCP:
        return "TCP Flags: " + ", ".join(flag_names(flags)) if flags else "TCP"
    if protocol is Protocol.ICMP:
        return "ICMPv4 " + ("EchoRequest" if icmp_type == ECHO_REQUEST else "EchoReply")
    return protocol.text
