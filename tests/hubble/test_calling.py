"""The client's HTTP/2: header compression, frames, windows, gRPC's envelope."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.hubble.calling import framing, hpack, http2

# examples of RFC 7541, appendix C
_FIRST = "828684418cf1e3c2e5f23a6ba0ab90f4ff"
_SECOND = "828684be5886a8eb10649cbf"


def test_header_blocks_of_the_standard() -> None:
    decoder = hpack.Decoder()
    common = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]
    assert decoder.decode(bytes.fromhex(_FIRST)) == common
    assert decoder.decode(bytes.fromhex(_SECOND)) == [*common, (b"cache-control", b"no-cache")]


names = st.binary(min_size=1, max_size=200)


@given(st.lists(st.tuples(names, st.binary(max_size=300)), max_size=6))
def test_headers_survive(headers: list[tuple[bytes, bytes]]) -> None:
    assert hpack.Decoder().decode(hpack.encode(headers)) == headers


@given(st.binary(max_size=60))
def test_broken_header_blocks_are_errors(block: bytes) -> None:
    with contextlib.suppress(hpack.HpackError):
        hpack.Decoder().decode(block)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def opened() -> tuple[http2.ClientConnection, int]:
    connection = http2.ClientConnection()
    assert connection.take().startswith(http2.PREFACE)
    stream = connection.open([(b":method", b"POST")])
    connection.take()
    return connection, stream


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 30))
def test_any_cut_of_the_bytes_gives_the_same(bodies: list[bytes], step: int) -> None:
    data = frame(1, 4, 1, hpack.encode([(b":status", b"200")]))
    data += b"".join(frame(0, 0, 1, body) for body in bodies) + frame(1, 5, 1, hpack.encode([(b"grpc-status", b"0")]))
    whole, _ = opened()
    pieces, _ = opened()
    events = [event for at in range(0, len(data), step) for event in pieces.feed(data[at : at + step])]
    assert events == whole.feed(data)
    assert len(events) == len(bodies) + 2


def test_pings_and_settings_are_acknowledged() -> None:
    connection, _ = opened()
    assert connection.feed(frame(4, 0, 0) + frame(6, 0, 0, b"12345678")) == []
    assert connection.take() == frame(4, 1, 0) + frame(6, 1, 0, b"12345678")


def test_a_body_waits_for_the_window() -> None:
    connection, stream = opened()
    connection.send(stream, b"x" * 70_000, end=True)
    sent = connection.take()
    assert sent.count(b"x") == 65_535
    connection.feed(frame(8, 0, 0, struct.pack(">I", 100_000)))
    assert connection.take() == b""
    connection.feed(frame(8, 0, stream, struct.pack(">I", 100_000)))
    rest = connection.take()
    assert rest.count(b"x") == 70_000 - 65_535
    assert rest[4] == 1, "the last frame ends the stream"


def test_received_bytes_are_given_back_to_the_window() -> None:
    connection, stream = opened()
    for _ in range(2 * 1024 * 1024 // 16384 + 1):
        connection.feed(frame(0, 0, stream, b"x" * 16384))
    out = connection.take()
    assert [out[at + 3] for at in range(0, len(out), 13)] == [8, 8]


def test_resets_and_farewells() -> None:
    connection, stream = opened()
    assert connection.feed(frame(3, 0, stream, struct.pack(">I", 8))) == [http2.Reset(stream, 8)]
    away = connection.feed(frame(7, 0, 0, struct.pack(">II", 1, 0) + b"bye"))
    assert away == [http2.GoAway(1, 0, b"bye")]


def test_plain_text_is_noticed() -> None:
    connection, _ = opened()
    with pytest.raises(http2.Http2Error, match="speak HTTP/2"):
        connection.feed(b"HTTP/1.1 400 Bad Request\r\n")


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20))
def test_messages_survive(messages: list[bytes], step: int) -> None:
    data = b"".join(framing.pack(message) for message in messages)
    unpacker = framing.Unpacker()
    assert [one for at in range(0, len(data), step) for one in unpacker.feed(data[at : at + step])] == messages


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ([(b"grpc-status", b"0")], None),
        ([(b"grpc-status", b"3"), (b"grpc-message", b"a%20b")], "rpc error: code = InvalidArgument desc = a b"),
        ([(b"grpc-status", b"99")], "rpc error: code = Code(99) desc = "),
        (
            [(b":status", b"503"), (b"content-type", b"text/html")],
            (
                "rpc error: code = Unavailable desc = unexpected HTTP status code received from server: 503; "
                'transport: received unexpected content-type "text/html"'
            ),
        ),
    ],
)
def test_statuses(headers: list[tuple[bytes, bytes]], text: str | None) -> None:
    error = framing.status_error(headers)
    assert (str(error) if error else None) == text
