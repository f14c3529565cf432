"""HTTP/1.1 connections against a server that answers what each test scripts."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from lab_helpers.tools.rest.clients import Client
from lab_helpers.tools.rest.connections import Connection, address_of
from lab_helpers.tools.rest.errors import ConnectError
from lab_helpers.tools.rest.kubeconfigs import Target

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Scripted:
    """A listening server: each connection is answered by the next list of byte strings, one per request.

    A list's end closes the connection, unless `hold` says to wait for the client to do so.
    """

    def __init__(self, *scripts: list[bytes], hold: bool = False) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: list[str] = []
        self._hold = hold
        self._thread = threading.Thread(target=self._serve, args=(scripts,), daemon=True)
        self._thread.start()

    def _serve(self, scripts: tuple[list[bytes], ...]) -> None:
        for script in scripts:
            with contextlib.suppress(OSError):
                sock, _ = self._listener.accept()
                with sock:
                    for answer in script:
                        seen = b""
                        while b"\r\n\r\n" not in seen:
                            data = sock.recv(65536)
                            if not data:
                                return
                            seen += data
                        self.heads.append(seen.decode("latin-1"))
                        sock.sendall(answer)
                    while self._hold and sock.recv(65536):
                        continue

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(120)


@pytest.fixture
def dial() -> Iterator[Callable[..., tuple[Scripted, Connection]]]:
    with contextlib.ExitStack() as stack:

        def start(
            *scripts: list[bytes], hold: bool = False, timeout: float | None = 120
        ) -> tuple[Scripted, Connection]:
            server = Scripted(*scripts, hold=hold)
            stack.callback(server.close)
            connection = Connection(address_of(server.url), Target(server.url), None, timeout)
            stack.callback(connection.close)
            return server, connection

        yield start


Dial = Callable[..., tuple[Scripted, Connection]]


def test_a_request_is_written_whole_and_the_connection_used_again(dial: Dial) -> None:
    server, connection = dial([OK, CHUNKED + b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nTrailer: t\r\n\r\n"])
    assert connection.exchange("POST", "/a b?\u00e9", {"X": "\u20ac "}, b"body").read() == b"ok"
    assert connection.reusable
    assert connection.exchange("GET", "/", {}, None).read() == b"abcd"
    host = server.url.removeprefix("http://")
    assert server.heads == [
        f"POST /a%20b?%C3%A9 HTTP/1.1\r\nHost: {host}\r\nX: ?\r\nContent-Length: 4\r\n\r\nbody",
        f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n",
    ]


@pytest.mark.parametrize(
    ("answer", "body", "reusable"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", b"x", False),
        (b"HTTP/1.1 200\r\n\r\nuntil the end", b"until the end", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x", False),
    ],
)
def test_bodies_of_every_length(dial: Dial, answer: bytes, body: bytes, reusable: bool) -> None:
    _, connection = dial([answer])
    assert connection.exchange("GET", "/", {}, None).read() == body
    assert (connection.reusable, connection.closed) == (reusable, not reusable)


@pytest.mark.parametrize(
    ("answer", "hold", "text"),
    [
        (b"", False, "EOF"),
        (b"HTTP/1.1 200 OK\r\n", False, "EOF"),
        (b"SSH-2.0-OpenSSH\r\n", True, 'transport connection broken: malformed HTTP response "SSH-2.0-OpenSSH"'),
        (b"HTTP/1.1 fine\r\n\r\n", True, 'transport connection broken: malformed HTTP response "HTTP/1.1 fine"'),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", True, "transport connection broken: illegal header line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", False, "unexpected EOF"),
        (CHUNKED + b"5\r\nabc", False, "unexpected EOF"),
        (CHUNKED + b"xyz\r\n", True, "malformed chunked encoding"),
    ],
)
def test_broken_answers_are_named(dial: Dial, answer: bytes, hold: bool, text: str) -> None:
    _, connection = dial([answer], hold=hold)
    with pytest.raises(ConnectError) as caught:
        connection.exchange("GET", "/", {}, None).read()
    assert text in str(caught.value)
    assert connection.closed


def test_a_header_h11_refuses_is_not_shown(dial: Dial) -> None:
    _, connection = dial([OK])
    with pytest.raises(ConnectError, match=r"^net/http: invalid header field value$"):
        connection.exchange("GET", "/", {"Authorization": "Bearer s3cr\0et"}, None)


def test_an_idle_connection_the_server_closed_is_replaced() -> None:
    server = Scripted([OK], [OK])
    client = Client(Target(server.url), timeout=120)
    try:
        assert [client.request("GET", "/"), client.request("GET", "/")] == [b"ok", b"ok"]
    finally:
        client.close()
        server.close()


def test_lines_come_before_the_stream_ends_and_an_interruption_ends_it(dial: Dial) -> None:
    _, connection = dial([CHUNKED + b"6\r\none\ntw\r\n2\r\no\n\r\n4\r\nrest\r\n"], hold=True, timeout=None)
    lines = connection.exchange("GET", "/", {}, None).lines()
    assert [next(lines), next(lines)] == [b"one", b"two"]
    threading.Thread(target=connection.interrupt).start()
    assert list(lines) == [b"rest"]
    assert connection.closed


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_silence_is_a_timeout(dial: Dial, answer: bytes) -> None:
    _, connection = dial([answer], hold=True, timeout=0.05)
    with pytest.raises(ConnectError, match=r"Client\.Timeout exceeded"):
        connection.exchange("GET", "/", {}, None).read()


def test_an_upgrade_hands_over_what_follows(dial: Dial) -> None:
    _, connection = dial([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello"])
    response = connection.exchange("GET", "/", {"Connection": "Upgrade", "Upgrade": "x"}, None)
    assert (response.status, response.headers["upgrade"], list(response.chunks())) == (101, "x", [])
    assert not connection.reusable
    assert b"".join([connection.some(2), connection.some(9)]) == b"hello"
    with pytest.raises(EOFError):
        connection.some(1)


def test_a_refused_upgrade_is_an_ordinary_answer(dial: Dial) -> None:
    _, connection = dial([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", OK])
    headers = {"Connection": "Upgrade", "Upgrade": "x"}
    assert connection.exchange("GET", "/", headers, None).read() == b"no"
    assert connection.exchange("GET", "/", {}, None).read() == b"ok"
