"""The client's calls: gRPC's use of an HTTP/2 connection, and gRPC's envelope."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, PingReceived, StreamReset
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.hubble.calling import Channel, Tls, framing
from lab_helpers.hubble.calling.connections import ClientConnection, Http2Error
from lab_helpers.hubble.errors import HubbleError

_REQUEST = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/x"), (b":authority", b"a")]
_STATUS = [(b":status", b"200")]


class Server:
    """The other side of a connection, with stream 1 open."""

    def __init__(self, *, end: bool = True, configuration: H2Configuration | None = None) -> None:
        self.http = H2Connection(configuration or H2Configuration(client_side=False))
        self.http.initiate_connection()
        self.client = ClientConnection()
        self.exchange()
        self.stream = self.client.open(_REQUEST)
        if end:
            self.client.send(self.stream, b"", end=True)
        self.exchange()

    def exchange(self) -> tuple[list[Any], list[Any]]:
        """Pass bytes until both are silent: what the client saw, what the server saw."""
        seen: tuple[list[Any], list[Any]] = ([], [])
        while True:
            down, up = self.http.data_to_send(), self.client.take()
            if not down and not up:
                return seen
            seen[0].extend(self.client.feed(down))
            seen[1].extend(self.http.receive_data(up))


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 30))
def test_any_cut_of_the_bytes_gives_the_same(bodies: list[bytes], step: int) -> None:
    server, other = Server(), Server()
    server.http.send_headers(1, _STATUS)
    for body in bodies:
        server.http.send_data(1, body)
    server.http.send_headers(1, [(b"grpc-status", b"0")], end_stream=True)
    data = server.http.data_to_send()
    pieces = [event for at in range(0, len(data), step) for event in other.client.feed(data[at : at + step])]
    assert [repr(event) for event in pieces] == [repr(event) for event in server.client.feed(data)]
    assert [event.data for event in pieces if isinstance(event, DataReceived)] == bodies


def test_pings_are_answered() -> None:
    server = Server()
    server.http.ping(b"12345678")
    seen, answers = server.exchange()
    assert [type(event) for event in seen] == [PingReceived]
    assert [event.ping_data for event in answers] == [b"12345678"]


def test_a_body_waits_for_the_window() -> None:
    server = Server(end=False)
    server.client.send(server.stream, b"x" * 70_000, end=True)
    _, got = server.exchange()
    assert sum(len(event.data) for event in got if isinstance(event, DataReceived)) == 65_535
    server.http.increment_flow_control_window(100_000)
    assert server.exchange()[1] == []
    server.http.increment_flow_control_window(100_000, server.stream)
    _, got = server.exchange()
    (rest,) = (event for event in got if isinstance(event, DataReceived))
    assert (len(rest.data), rest.stream_ended is not None) == (70_000 - 65_535, True)


def test_received_bytes_are_given_back_to_the_window() -> None:
    server = Server()
    server.http.send_headers(1, _STATUS)
    for _ in range(1000):  # four times the window
        server.http.send_data(1, b"x" * 16384)
        server.exchange()
    assert server.http.local_flow_control_window(1) > 1024 * 1024


def test_a_reset_and_a_cancelled_call() -> None:
    server = Server()
    server.client.cancel(server.stream)
    _, got = server.exchange()
    assert [(type(event), event.error_code) for event in got] == [(StreamReset, 8)]
    server.client.cancel(server.stream)
    assert server.client.take() == b""
    other = Server(end=False)
    other.http.reset_stream(1, 7)
    seen, _ = other.exchange()
    assert [(type(event), event.error_code) for event in seen] == [(StreamReset, 7)]
    other.client.send(other.stream, b"nobody hears this", end=True)
    assert other.client.take() == b""


def farewell(last: int) -> bytes:
    """A GOAWAY frame; h2 itself sends none that lets streams go on."""
    payload = struct.pack(">II", last, 0)
    return struct.pack(">HBBBI", 0, len(payload), 7, 0, 0) + payload


def test_calls_under_way_survive_a_farewell() -> None:
    server = Server()
    server.http.send_headers(1, _STATUS)
    server.http.ping(b"12345678")
    server.http.send_data(1, b"still here")
    seen = list(server.client.feed(farewell(1) + server.http.data_to_send()))
    assert [event.last_stream_id for event in seen if isinstance(event, ConnectionTerminated)] == [1]
    assert [event.data for event in seen if isinstance(event, DataReceived)] == [b"still here"]
    assert server.client.take()[-8:] == b"12345678", "the ping after the farewell is answered"


def test_a_header_may_end_with_a_space() -> None:
    plain = H2Configuration(client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False)
    server = Server(configuration=plain)
    server.http.send_headers(1, _STATUS)
    server.http.send_headers(1, [(b"grpc-status", b"2"), (b"grpc-message", b"a: ")], end_stream=True)
    seen, _ = server.exchange()
    error = framing.status_error(list(seen[-2].headers))
    assert error is not None
    assert error.details == "a: "


def test_plain_text_is_noticed() -> None:
    with pytest.raises(Http2Error, match="speak HTTP/2"):
        list(Server().client.feed(b"HTTP/1.1 400 Bad Request\r\n"))


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


def test_a_connection_that_cannot_be_secured_is_closed(tmp_path: Path) -> None:
    here, there = socket.socketpair()
    tls = Tls(ca_files=(str(tmp_path / "nowhere"),))
    with there, Channel("relay:443", tls=tls, connect=lambda: here) as channel:
        with pytest.raises(HubbleError, match="no such file"):
            channel.unary("a.B/C", b"", bytes)
        assert here.fileno() == -1
