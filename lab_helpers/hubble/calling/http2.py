"""The client's half of an HTTP/2 connection (RFC 9113), without I/O: `feed` bytes in, events out, `take` bytes to send.

What gRPC does not use is left out: server push is refused, priorities are ignored. Events are named tuples because
importing dataclasses would take a tenth of a small command's time.
"""

import struct
from typing import NamedTuple

from lab_helpers.hubble.calling.hpack import Decoder, Header, HpackError, encode

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _PRIORITY, _RST, _SETTINGS, _PUSH, _PING, _GOAWAY, _WINDOW, _CONTINUATION = range(10)
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITIZED = 1, 1, 4, 8, 32
_ENABLE_PUSH, _INITIAL_WINDOW, _MAX_FRAME = 2, 4, 5
_OUR_WINDOW = 4 * 1024 * 1024
_DEFAULT_WINDOW = 65535
_CANCEL = 8
_HEAD = struct.Struct(">HBBBI")


class Http2Error(Exception):
    """The peer broke the protocol."""


class Headers(NamedTuple):
    """A header block arrived: the response's headers or, at the end, its trailers."""

    stream: int
    headers: list[Header]
    ended: bool


class Data(NamedTuple):
    """Bytes of the body arrived."""

    stream: int
    data: bytes
    ended: bool


class Reset(NamedTuple):
    """The peer gave up a stream; `code` is HTTP/2's error code."""

    stream: int
    code: int


class GoAway(NamedTuple):
    """The peer takes no new streams; those after `last` were not processed."""

    last: int
    code: int
    debug: bytes


Event = Headers | Data | Reset | GoAway


class _Outgoing:
    """The sending side of a stream: how much the peer accepts, and what waits for that."""

    __slots__ = ("consumed", "end", "waiting", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.waiting = bytearray()
        self.end = False
        self.consumed = 0


class ClientConnection:
    """One connection. Streams are numbered 1, 3, 5 …"""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._out = bytearray(PREFACE)
        self._decoder = Decoder()
        self._next = 1
        self._streams: dict[int, _Outgoing] = {}
        self._peer_window = _DEFAULT_WINDOW
        self._peer_initial = _DEFAULT_WINDOW
        self._peer_frame = 16384
        self._consumed = 0
        self._block: tuple[int, bytearray, bool] | None = None
        settings = struct.pack(">HIHI", _ENABLE_PUSH, 0, _INITIAL_WINDOW, _OUR_WINDOW)
        self._frame(_SETTINGS, 0, 0, settings)
        self._frame(_WINDOW, 0, 0, struct.pack(">I", _OUR_WINDOW - _DEFAULT_WINDOW))

    def take(self) -> bytes:
        """Bytes to send now."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def open(self, headers: list[Header]) -> int:
        """Start a stream and return its number."""
        stream = self._next
        self._next += 2
        self._streams[stream] = _Outgoing(self._peer_initial)
        self._frame(_HEADERS, _END_HEADERS, stream, encode(headers))
        return stream

    def send(self, stream: int, data: bytes, *, end: bool) -> None:
        """Send body bytes, as far as the peer accepts them now; the rest follows when it accepts more."""
        outgoing = self._streams[stream]
        outgoing.waiting += data
        outgoing.end = end
        self._push(stream, outgoing)

    def cancel(self, stream: int) -> None:
        """Tell the peer that nobody wants the answer any more."""
        if self._streams.pop(stream, None) is not None:
            self._frame(_RST, 0, stream, struct.pack(">I", _CANCEL))

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes from the peer and return what they mean. Raises Http2Error."""
        self._buffer += data
        events: list[Event] = []
        position, size = 0, len(self._buffer)
        while size - position >= 9:
            high, low, kind, flags, stream = _HEAD.unpack_from(self._buffer, position)
            length = high << 8 | low
            if length > 1 << 20:
                raise Http2Error("a frame is too large: does the server speak HTTP/2 without TLS?")
            if size - position < 9 + length:
                break
            payload = bytes(self._buffer[position + 9 : position + 9 + length])
            position += 9 + length
            event = self._received(kind, flags, stream & 0x7FFFFFFF, payload)
            if event is not None:
                events.append(event)
        del self._buffer[:position]
        return events

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        length = len(payload)
        self._out += _HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload

    def _push(self, stream: int, outgoing: _Outgoing) -> None:
        while outgoing.waiting:
            size = min(len(outgoing.waiting), self._peer_frame, outgoing.window, self._peer_window)
            if size <= 0:
                return
            chunk = bytes(outgoing.waiting[:size])
            del outgoing.waiting[:size]
            outgoing.window -= size
            self._peer_window -= size
            last = outgoing.end and not outgoing.waiting
            self._frame(_DATA, _END_STREAM if last else 0, stream, chunk)
            if last:
                outgoing.end = False
        if outgoing.end:
            outgoing.end = False
            self._frame(_DATA, _END_STREAM, stream, b"")

    def _received(self, kind: int, flags: int, stream: int, payload: bytes) -> Event | None:
        if self._block is not None and kind != _CONTINUATION:
            raise Http2Error("a header block was interrupted")
        if kind == _DATA:
            return self._data(flags, stream, payload)
        if kind == _HEADERS:
            body = _unpadded(payload, flags)
            if flags & _PRIORITIZED:
                body = body[5:]
            self._block = (stream, bytearray(body), bool(flags & _END_STREAM))
            return self._headers(flags)
        if kind == _CONTINUATION:
            if self._block is None or self._block[0] != stream:
                raise Http2Error("a header block continues that never began")
            self._block[1].extend(payload)
            return self._headers(flags)
        if kind == _SETTINGS:
            if not flags & _ACK:
                self._settings(payload)
        elif kind == _PING:
            if not flags & _ACK:
                self._frame(_PING, _ACK, 0, payload)
        elif kind == _WINDOW:
            self._window(stream, payload)
        elif kind == _RST:
            self._streams.pop(stream, None)
            return Reset(stream, int.from_bytes(payload[:4], "big"))
        elif kind == _GOAWAY:
            last, code = struct.unpack_from(">II", payload)
            return GoAway(last & 0x7FFFFFFF, code, payload[8:])
        return None

    def _data(self, flags: int, stream: int, payload: bytes) -> Event | None:
        size = len(payload)
        self._consumed += size
        if self._consumed >= _OUR_WINDOW // 2:
            self._frame(_WINDOW, 0, 0, struct.pack(">I", self._consumed))
            self._consumed = 0
        outgoing = self._streams.get(stream)
        if outgoing is None:
            return None
        ended = bool(flags & _END_STREAM)
        outgoing.consumed += size
        if not ended and outgoing.consumed >= _OUR_WINDOW // 2:
            self._frame(_WINDOW, 0, stream, struct.pack(">I", outgoing.consumed))
            outgoing.consumed = 0
        if ended:
            self._streams.pop(stream, None)
        return Data(stream, _unpadded(payload, flags), ended)

    def _headers(self, flags: int) -> Event | None:
        if not flags & _END_HEADERS or self._block is None:
            return None
        stream, block, ended = self._block
        self._block = None
        try:
            headers = self._decoder.decode(bytes(block))
        except HpackError as error:
            raise Http2Error(str(error)) from error
        if stream not in self._streams:
            return None
        if ended:
            self._streams.pop(stream, None)
        return Headers(stream, headers, ended)

    def _settings(self, payload: bytes) -> None:
        for key, value in struct.iter_unpack(">HI", payload[: len(payload) // 6 * 6]):
            if key == _INITIAL_WINDOW:
                change, self._peer_initial = value - self._peer_initial, value
                for outgoing in self._streams.values():
                    outgoing.window += change
            elif key == _MAX_FRAME:
                self._peer_frame = value
        self._frame(_SETTINGS, _ACK, 0, b"")
        self._resume()

    def _window(self, stream: int, payload: bytes) -> None:
        more = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        if stream == 0:
            self._peer_window += more
        elif stream in self._streams:
            self._streams[stream].window += more
        self._resume()

    def _resume(self) -> None:
        for stream, outgoing in self._streams.items():
            if outgoing.waiting:
                self._push(stream, outgoing)


def _unpadded(payload: bytes, flags: int) -> bytes:
    if not flags & _PADDED:
        return payload
    return payload[1 : len(payload) - payload[0]]
