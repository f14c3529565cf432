"""What the monitor says of a packet's bytes: its layers, field by field, or hexadecimal numbers.

Follows Cilium pkg/monitor/dissect.go; layers are written as gopacket's LayerString does.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Mapping
from typing import Final

from lab_helpers.twin.agent.dbg.portnames import port_name

__all__ = ["connection", "dissected", "hex_dump", "layers"]

_ICMP: Final = {0: "EchoReply", 8: "EchoRequest"}
_FLAGS: Final = (
    *(("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32), ("ECE", 64), ("CWR", 128)),
)
_SHOWN_FLAGS: Final = (("SYN", 2), ("ACK", 16), ("RST", 4), ("FIN", 1))
_OPTIONS: Final = {1: "NOP", 2: "MSS", 3: "WindowScale", 4: "SACKPermitted", 8: "Timestamps"}
_FEW: Final = 4
"""Lists of more members are shown by their number."""


def hex_dump(data: bytes) -> str:
    """Sixteen bytes per line: offset, numbers, text."""
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        numbers = " ".join(f"{byte:02x}" for byte in row[:8]) + "  " + " ".join(f"{byte:02x}" for byte in row[8:])
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:08x}  {numbers:<48}  |{text}|\n")
    return "".join(lines)


def _members(values: Iterable[object]) -> str:
    known = list(values)
    return f"[..{len(known)}..]" if len(known) > _FEW else f"[{', '.join(map(str, known))}]"


def _layer(name: str, contents: bytes, payload: bytes, fields: Mapping[str, object]) -> str:
    shown = {"Contents": _members(contents), "Payload": _members(payload), **fields}
    return f"{name}\t{{{' '.join(f'{key}={value}' for key, value in shown.items())}}}"


def _truth(value: int) -> str:
    return "true" if value else "false"


def _mac(data: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in data)


def layers(data: bytes) -> dict[str, str]:
    """``Ethernet``, ``IPv4`` and the protocol of a frame, each as one line."""
    found = {
        "Ethernet": _layer(
            "Ethernet",
            data[:14],
            data[14:],
            {"SrcMAC": _mac(data[6:12]), "DstMAC": _mac(data[:6]), "EthernetType": "IPv4", "Length": 0},
        )
    }
    packet = data[14:]
    _, tos, length, number, fragments, ttl, protocol, checksum = struct.unpack(">BBHHHBBH", packet[:12])
    source, destination = (ipaddress.IPv4Address(packet[at : at + 4]) for at in (12, 16))
    name = {1: "ICMPv4", 6: "TCP", 17: "UDP"}[protocol]
    found["IPv4"] = _layer(
        "IPv4",
        packet[:20],
        packet[20:],
        {
            "Version": 4,
            "IHL": 5,
            "TOS": tos,
            "Length": length,
            "Id": number,
            "Flags": "DF" if fragments & 0x4000 else "",
            "FragOffset": fragments & 0x1FFF,
            "TTL": ttl,
            "Protocol": name,
            "Checksum": checksum,
            "SrcIP": source,
            "DstIP": destination,
            "Options": "[]",
            "Padding": "[]",
        },
    )
    inner = packet[20:]
    found[name] = {"TCP": _tcp, "UDP": _udp, "ICMPv4": _icmp}[name](inner)
    return found


def _tcp(data: bytes) -> str:
    sport, dport, seq, ack, offset, flags, window, checksum, urgent = struct.unpack(">HHIIBBHHH", data[:20])
    end = (offset >> 4) * 4
    return _layer(
        "TCP",
        data[:end],
        data[end:],
        {
            "SrcPort": port_name(sport, "tcp"),
            "DstPort": port_name(dport, "tcp"),
            "Seq": seq,
            "Ack": ack,
            "DataOffset": offset >> 4,
            **{name: _truth(flags & bit) for name, bit in _FLAGS},
            "NS": _truth(offset & 1),
            "Window": window,
            "Checksum": checksum,
            "Urgent": urgent,
            "Options": _members(_options(data[20:end])),
            "Padding": "[]",
            "Multipath": "false",
        },
    )


def _options(data: bytes) -> Iterable[str]:
    while data:
        kind = data[0]
        size = 1 if kind == 1 else data[1]
        value, name = data[2:size], _OPTIONS[kind]
        text = f" 0x{value.hex()}" if value else ""
        if kind == 2:
            yield f"TCPOption({name}:{int.from_bytes(value, 'big')}{text})"
        elif kind == 8:
            yield f"TCPOption({name}:{int.from_bytes(value[:4], 'big')}/{int.from_bytes(value[4:], 'big')}{text})"
        else:
            yield f"TCPOption({name}:{text})"
        data = data[size:]


def _udp(data: bytes) -> str:
    sport, dport, length, checksum = struct.unpack(">HHHH", data[:8])
    ports = {"SrcPort": port_name(sport, "udp"), "DstPort": port_name(dport, "udp")}
    return _layer("UDP", data[:8], data[8:], {**ports, "Length": length, "Checksum": checksum})


def _icmp(data: bytes) -> str:
    kind, code, checksum, identifier, sequence = struct.unpack(">BBHHH", data[:8])
    fields = {"TypeCode": _icmp_name(kind, code), "Checksum": checksum, "Id": identifier, "Seq": sequence}
    return _layer("ICMPv4", data[:8], data[8:], fields)


def _icmp_name(kind: int, code: int) -> str:
    name = _ICMP.get(kind)
    return f"{kind}({code})" if name is None else name if not code else f"{name}(Code: {code})"


def dissected(data: bytes) -> str:
    """All layers, one per line; a frame that the event holds only the beginning of says so."""
    lines = list(layers(data).values())
    if int.from_bytes(data[16:18], "big") > len(data) - 14:
        lines.append("  Packet has been truncated")
    return "".join(f"{line}\n" for line in lines)


def connection(data: bytes) -> str:
    """``10.0.1.5:45678 -> 10.0.2.9:80 tcp SYN``."""
    packet = data[14:]
    source, destination = (str(ipaddress.IPv4Address(packet[at : at + 4])) for at in (12, 16))
    protocol, inner = packet[9], packet[20:]
    if protocol == 1:
        return f"{source} -> {destination} icmp {_icmp_name(inner[0], inner[1])}"
    sport, dport = struct.unpack(">HH", inner[:4])
    ends = f"{source}:{sport} -> {destination}:{dport}"
    if protocol == 17:
        return f"{ends} udp"
    return f"{ends} tcp {', '.join(name for name, bit in _SHOWN_FLAGS if inner[13] & bit)}"
