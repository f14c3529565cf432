"""Packets as bytes on a pod's interface: Ethernet, IPv4, and TCP, UDP or ICMP (RFC 791, 792, 768, 9293, 7323).

Addresses, ports, flags, numbers, times and payload are those that the connection has; lengths and checksums are worked
out of them. A write of many segments is one frame, as with segmentation offload, of 65,535 bytes of IP at most.
"""

from __future__ import annotations

import ipaddress
import struct
import zlib
from typing import Final

from lab_helpers.policy.protocols import Protocol
from lab_helpers.twin.datapath.packets import RST, SYN, Packet
from lab_helpers.twin.datapath.segments import WINDOW_SCALE

__all__ = ["CAPTURED", "frame", "frame_length"]

CAPTURED: Final = 128
"""Bytes of a packet that an event carries (``trace-payloadlen``)."""
_ETHERNET, _IP, _UDP, _ICMP, _TCP = 14, 20, 8, 8, 20
_TIMESTAMPS: Final = 12
_SYN_OPTIONS: Final = 20
_MOST: Final = 65535
_SEGMENT_SIZE: Final = 1460
"""Of a payload, at an MTU of 1500."""
_NO_FRAGMENTS: Final = 0x4000


def _transport_header(packet: Packet) -> int:
    if packet.protocol is Protocol.TCP:
        if packet.flags & SYN:
            return _TCP + _SYN_OPTIONS
        return _TCP + (0 if packet.flags & RST and packet.segment is None else _TIMESTAMPS)
    return _UDP if packet.protocol is Protocol.UDP else _ICMP


def frame_length(packet: Packet) -> int:
    """Bytes of the whole frame."""
    return _ETHERNET + min(_MOST, _IP + _transport_header(packet) + packet.size)


def frame(packet: Packet, source_mac: str, destination_mac: str, ttl: int) -> bytes:
    """The whole frame; a payload that nobody gave is zeros."""
    length = frame_length(packet) - _ETHERNET
    payload = packet.data[: length - _IP - _transport_header(packet)]
    payload += bytes(length - _IP - _transport_header(packet) - len(payload))
    source, destination = (ipaddress.IPv4Address(ip).packed for ip in (packet.src, packet.dst))
    if packet.protocol is Protocol.TCP:
        inner, number = _tcp(packet), 6
    elif packet.protocol is Protocol.UDP:
        inner, number = struct.pack(">HHHH", packet.sport, packet.dport, _UDP + len(payload), 0), 17
    else:
        sequence = 0 if packet.segment is None else packet.segment.seq & 0xFFFF
        inner, number = struct.pack(">BBHHH", packet.icmp_type, 0, 0, packet.sport or packet.dport, sequence), 1
    pseudo = b"" if number == 1 else source + destination + struct.pack(">HH", number, len(inner) + len(payload))
    at = {6: 16, 17: 6, 1: 2}[number]
    total = _checksum(pseudo + inner + payload)
    if number == 17:
        total = total or 0xFFFF
    inner = inner[:at] + struct.pack(">H", total) + inner[at + 2 :]
    header = struct.pack(
        ">BBHHHBBH", 0x45, 0, length, _identification(packet), _NO_FRAGMENTS, ttl, number, 0
    ) + source + destination  # fmt: skip
    header = header[:10] + struct.pack(">H", _checksum(header)) + header[12:]
    link = bytes.fromhex((destination_mac + source_mac).replace(":", "")) + b"\x08\x00"
    return link + header + inner + payload


def _tcp(packet: Packet) -> bytes:
    segment = packet.segment
    opening = bool(packet.flags & SYN)
    room = 0 if segment is None else segment.window
    window = min(_MOST, room if opening else room >> WINDOW_SCALE)
    options = b"" if segment is None and packet.flags & RST else _times(packet)
    if opening:
        options = struct.pack(">BBHBB", 2, 4, _SEGMENT_SIZE, 4, 2) + options + bytes((1, 3, 3, WINDOW_SCALE))
    elif options:
        options = b"\x01\x01" + options
    numbers = (0, 0) if segment is None else (segment.seq, segment.ack)
    words = (_TCP + len(options)) // 4
    return struct.pack(
        ">HHIIBBHHH", packet.sport, packet.dport, *numbers, words << 4, packet.flags & 0x3F, window, 0, 0
    ) + options  # fmt: skip


def _times(packet: Packet) -> bytes:
    """The timestamps option: milliseconds of each end's own clock."""
    segment = packet.segment
    sent = 0 if segment is None else _stamp(segment.sent, packet.src, packet.dst)
    heard = 0 if segment is None or segment.heard is None else _stamp(segment.heard, packet.dst, packet.src)
    return struct.pack(">BBII", 8, 10, sent, heard)


def _stamp(moment: float, own: str, other: str) -> int:
    return (zlib.crc32(f"{own}>{other}".encode()) + int(moment * 1000)) & 0xFFFFFFFF


def _identification(packet: Packet) -> int:
    """Counted for what a connection sends; 0 where nothing may be fragmented anyway and nobody counts."""
    segment = packet.segment
    if packet.protocol is not Protocol.TCP or segment is None or (segment.heard is not None and packet.flags & SYN):
        return 0
    first = zlib.crc32(f"{packet.src}:{packet.sport}>{packet.dst}:{packet.dport}".encode())
    return (first + segment.number) & 0xFFFF


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\x00"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
