"""L4 protocols, ports and ICMP types as policies write them.

Follows Cilium pkg/policy/api/l4.go and pkg/u8proto. For ICMP the *type* takes the place of the port.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

__all__ = ["ICMPV6_NAMES", "ICMP_NAMES", "PORT_PROTOCOLS", "PortMatch", "Protocol", "protocol_named"]


class Protocol(IntEnum):
    """IANA numbers. ANY (0) as in map keys: every protocol."""

    ANY = 0
    ICMP = 1
    IGMP = 2
    IPIP = 4
    TCP = 6
    UDP = 17
    IPV6 = 41
    GRE = 47
    ESP = 50
    AH = 51
    ICMPV6 = 58
    VRRP = 112
    SCTP = 132

    @property
    def text(self) -> str:
        """As Cilium prints it."""
        return "ICMPv6" if self is Protocol.ICMPV6 else self.name


PORT_PROTOCOLS: Final = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)
"""What ``ANY`` with a port stands for. Never ICMP."""

_WRITABLE: Final = frozenset({"TCP", "UDP", "SCTP", "VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH", "ANY"})


def protocol_named(text: str, *, flows: bool = False) -> Protocol | None:
    """Read a protocol's name in any case; "" means ANY. ``flows`` also admits ICMP and ICMPv6, which policies
    cannot write.
    """
    name = text.upper() or "ANY"
    if name in _WRITABLE or (flows and name in ("ICMP", "ICMPV6")):
        return Protocol[name]
    return None


class PortMatch(NamedTuple):
    """A protocol and ports ``first`` to ``last`` (both 0: every port of the protocol), or the port called ``name``.

    Protocol ANY occurs only with every port, and then means every protocol, ICMP too. With a name, ``last`` may
    hold an ``endPort``.
    """

    protocol: Protocol
    first: int = 0
    last: int = 0
    name: str = ""

    def covers(self, protocol: int, port: int) -> bool:
        """Does a numeric match cover a port? Named ones never do: resolve them first."""
        if self.name or self.protocol not in (Protocol.ANY, protocol):
            return False
        return self.first == 0 or self.first <= port <= self.last

    def __str__(self) -> str:
        if self.protocol is Protocol.ANY:
            return "ANY"
        if self.name:
            return f"{self.name}/{self.protocol.text}"
        if self.protocol in (Protocol.ICMP, Protocol.ICMPV6):
            return f"{self.protocol.text} type {self.first}" if self.first else f"{self.protocol.text}"
        if self.first == 0:
            return f"ANY/{self.protocol.text}"
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{ports}/{self.protocol.text}"


ICMP_NAMES: Final[Mapping[str, int]] = {
    "EchoReply": 0,
    "DestinationUnreachable": 3,
    "Redirect": 5,
    "EchoRequest": 8,
    "Echo": 8,
    "RouterAdvertisement": 9,
    "RouterSelection": 10,
    "TimeExceeded": 11,
    "ParameterProblem": 12,
    "Timestamp": 13,
    "TimestampReply": 14,
    "Photuris": 40,
    "ExtendedEcho Request": 42,
    "ExtendedEcho Reply": 43,
    "ExtendedEchoRequest": 42,
    "ExtendedEchoReply": 43,
}

ICMPV6_NAMES: Final[Mapping[str, int]] = {
    "DestinationUnreachable": 1,
    "PacketTooBig": 2,
    "TimeExceeded": 3,
    "ParameterProblem": 4,
    "EchoRequest": 128,
    "EchoReply": 129,
    "MulticastListenerQuery": 130,
    "MulticastListenerReport": 131,
    "MulticastListenerDone": 132,
    "RouterSolicitation": 133,
    "RouterAdvertisement": 134,
    "NeighborSolicitation": 135,
    "NeighborAdvertisement": 136,
    "RedirectMessage": 137,
    "RouterRenumbering": 138,
    "ICMPNodeInformationQuery": 139,
    "ICMPNodeInformationResponse": 140,
    "InverseNeighborDiscoverySolicitation": 141,
    "InverseNeighborDiscoveryAdvertisement": 142,
    "HomeAgentAddressDiscoveryRequest": 144,
    "HomeAgentAddressDiscoveryReply": 145,
    "MobilePrefixSolicitation": 146,
    "MobilePrefixAdvertisement": 147,
    "DuplicateAddressRequestCodeSuffix": 157,
    "DuplicateAddressConfirmationCodeSuffix": 158,
    "ExtendedEchoRequest": 160,
    "ExtendedEchoReply": 161,
}
