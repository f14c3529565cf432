"""SPDY/3.1 framing."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.spdy import Connection, DataReceived, GoneAway, Replied, SpdyError, StreamOpened, StreamReset
from lab_helpers.spdy.headers import DICTIONARY

text = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=10)


def test_the_dictionary_is_the_standard_one() -> None:
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


@given(
    st.lists(st.dictionaries(text.map(str.lower), text, max_size=4), max_size=4),
    st.binary(max_size=50),
    st.integers(1, 40),
)
def test_what_is_sent_arrives_however_it_is_cut(blocks: list[dict[str, str]], body: bytes, step: int) -> None:
    client, server = Connection(client=True), Connection(client=False)
    streams = [client.open(headers, end=index % 2 == 0) for index, headers in enumerate(blocks)]
    for stream in streams:
        client.send(stream, body, end=True)
    data = client.take()
    events = [event for at in range(0, len(data), step) for event in server.feed(data[at : at + step])]
    opened = [
        StreamOpened(stream, headers, index % 2 == 0)
        for index, (stream, headers) in enumerate(zip(streams, blocks, strict=True))
    ]
    assert events == [*opened, *(DataReceived(stream, body, True) for stream in streams)]
    for stream in streams:
        server.reply(stream)
    assert client.feed(server.take()) == [Replied(stream, {}, False) for stream in streams]


def test_numbers_tell_who_opened() -> None:
    assert [Connection(client=True).open({}), Connection(client=False).open({})] == [1, 2]


def test_pings_are_answered_once() -> None:
    client, server = Connection(client=True), Connection(client=False)
    client.ping()
    ping = client.take()
    assert server.feed(ping) == []
    assert server.take() == ping
    assert client.feed(ping) == []
    assert client.take() == b""


def test_endings() -> None:
    client, server = Connection(client=True), Connection(client=False)
    stream = client.open({})
    client.reset(stream, 5)
    server.feed(client.take()[:0])
    assert client.feed(b"\x80\x03\x00\x07\x00\x00\x00\x08" + bytes(8)) == [GoneAway(0, 0)]
    other = Connection(client=True)
    number = other.open({})
    other.reset(number)
    fresh = Connection(client=False)
    assert fresh.feed(other.take())[1] == StreamReset(number, 5)


@pytest.mark.parametrize(
    "data", [b"\x80\x02\x00\x01\x00\x00\x00\x00", b"\x80\x03\x00\x01\x00\x00\x00\x0c" + b"\xff" * 12]
)
def test_broken_frames_are_errors(data: bytes) -> None:
    with pytest.raises(SpdyError):
        Connection(client=False).feed(data)
