"""One SPDY/3.1 connection: bytes in, events out, bytes to send."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from lab_helpers.spdy.headers import HeaderError, Packer, Unpacker

VERSION = 3
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
_FIN = 1
_STREAM_MASK = 0x7FFFFFFF
_LARGEST = 1 << 20
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5
"""Statuses of RST_STREAM."""


class SpdyError(Exception):
    """The peer broke the protocol; the connection is useless."""


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened a stream. `ended`: it will send nothing on it."""

    stream: int
    headers: dict[str, str]
    ended: bool


@dataclass(frozen=True, slots=True)
class Replied:
    """The peer accepted a stream."""

    stream: int
    headers: dict[str, str]
    ended: bool


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Bytes of a stream; `ended`: the last ones."""

    stream: int
    data: bytes
    ended: bool


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The peer gave up a stream."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer takes no more streams."""

    last: int
    status: int


Event = StreamOpened | Replied | DataReceived | StreamReset | GoneAway


class Connection:
    """One side of a connection. Streams opened here have odd numbers for a client, even ones for a server."""

    def __init__(self, *, client: bool) -> None:
        self._packer = Packer()
        self._unpacker = Unpacker()
        self._buffer = bytearray()
        self._out = bytearray()
        self._next = 1 if client else 2
        self._next_ping = self._next

    def take(self) -> bytes:
        """Bytes to send now."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def open(self, headers: Mapping[str, str], *, end: bool = False) -> int:
        """Open a stream; with `end` nothing will be sent on it. Returns its number."""
        stream = self._next
        self._next += 2
        body = struct.pack(">IIBB", stream, 0, 0, 0) + self._packer.pack(headers)
        self._control(_SYN_STREAM, _FIN if end else 0, body)
        return stream

    def reply(self, stream: int, headers: Mapping[str, str] | None = None, *, end: bool = False) -> None:
        """Accept a stream the peer opened."""
        self._control(_SYN_REPLY, _FIN if end else 0, struct.pack(">I", stream) + self._packer.pack(headers or {}))

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send bytes on a stream."""
        pieces = [data[start : start + _LARGEST] for start in range(0, len(data), _LARGEST)] or [b""]
        for index, piece in enumerate(pieces):
            last = end and index == len(pieces) - 1
            self._out += struct.pack(">II", stream, (_FIN if last else 0) << 24 | len(piece)) + piece

    def reset(self, stream: int, status: int = CANCEL) -> None:
        """Give a stream up."""
        self._control(_RST_STREAM, 0, struct.pack(">II", stream, status))

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._control(_PING, 0, struct.pack(">I", self._next_ping))
        self._next_ping += 2

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes from the peer and return what they mean; pings are answered by themselves. Raises SpdyError."""
        self._buffer += data
        events: list[Event] = []
        position, size = 0, len(self._buffer)
        while size - position >= 8:
            first, second = struct.unpack_from(">II", self._buffer, position)
            flags, length = second >> 24, second & 0xFFFFFF
            if size - position < 8 + length:
                break
            payload = bytes(self._buffer[position + 8 : position + 8 + length])
            position += 8 + length
            if first & 0x80000000:
                event = self._received(first >> 16 & 0x7FFF, first & 0xFFFF, flags, payload)
                if event is not None:
                    events.append(event)
            else:
                events.append(DataReceived(first, payload, bool(flags & _FIN)))
        del self._buffer[:position]
        return events

    def _control(self, kind: int, flags: int, body: bytes) -> None:
        self._out += struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(body)) + body

    def _received(self, version: int, kind: int, flags: int, payload: bytes) -> Event | None:
        if version != VERSION:
            raise SpdyError(f"the peer speaks SPDY/{version}, not SPDY/{VERSION}")
        ended = bool(flags & _FIN)
        try:
            if kind == _SYN_STREAM:
                return StreamOpened(self._number(payload), self._unpacker.unpack(payload[10:]), ended)
            if kind == _SYN_REPLY:
                return Replied(self._number(payload), self._unpacker.unpack(payload[4:]), ended)
            if kind == _HEADERS:
                self._unpacker.unpack(payload[4:])  # the decompressor must see every block
                return DataReceived(self._number(payload), b"", True) if ended else None
            if kind == _RST_STREAM:
                stream, status = struct.unpack_from(">II", payload)
                return StreamReset(stream & _STREAM_MASK, status)
            if kind == _GOAWAY:
                last, status = struct.unpack_from(">II", payload)
                return GoneAway(last & _STREAM_MASK, status)
            if kind == _PING:
                number = self._number(payload)
                if number % 2 != self._next_ping % 2:
                    self._control(_PING, 0, payload[:4])
        except (struct.error, HeaderError) as error:
            raise SpdyError(str(error)) from error
        return None

    @staticmethod
    def _number(payload: bytes) -> int:
        (number,) = struct.unpack_from(">I", payload)
        return int(number) & _STREAM_MASK
