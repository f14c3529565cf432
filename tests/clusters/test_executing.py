"""Commands in pods over a WebSocket: what comes back, what is said when it does not, and that nothing stays open."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes.stream.ws_client
import pytest
from kubernetes.client import ApiClient, Configuration
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from lab_helpers.clusters.clients import Client
from lab_helpers.clusters.errors import NotExecuted
from lab_helpers.clusters.executing import execute
from lab_helpers.course.api import Api
from lab_helpers.course.errors import ProbeError

Handler = Callable[[ServerConnection], None]
SUCCESS = b'\x03{"status": "Success"}'


class Server:
    """An API server that knows nothing but how to upgrade; ``handler`` plays the other end."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuses: HTTPStatus | None = None
        self.handler: Handler = lambda _connection: None
        self.server = serve(
            self._handle,
            "127.0.0.1",
            0,
            process_request=self._process,
            subprotocols=[Subprotocol("v5.channel.k8s.io"), Subprotocol("v4.channel.k8s.io")],
        )
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def client(self) -> ApiClient:
        return Client(Configuration(host=f"http://127.0.0.1:{self.server.socket.getsockname()[1]}"))

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request.path)
        return connection.respond(self.refuses, "no") if self.refuses else None

    def _handle(self, connection: ServerConnection) -> None:
        try:
            self.handler(connection)
        except ConnectionClosed:
            return


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """The connections the official client opened: all are closed when a test ends, none by the collector."""
    found: list[socket.socket] = []
    create = kubernetes.stream.ws_client.create_websocket

    def remember(*arguments: Any, **options: Any) -> Any:
        made = create(*arguments, **options)
        found.append(made.sock)
        return made

    monkeypatch.setattr(kubernetes.stream.ws_client, "create_websocket", remember)
    yield found
    assert [item.fileno() for item in found] == [-1] * len(found)


def sends(*frames: bytes) -> Handler:
    def handler(connection: ServerConnection) -> None:
        for frame in frames:
            connection.send(frame)

    return handler


def reset(connection: ServerConnection) -> None:
    """The machine at the other end is gone: no goodbye, not even of TCP's."""
    connection.send(b"\x01half")
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.socket.close()


def until_closed(connection: ServerConnection) -> None:
    for _message in connection:
        pass


def failed(code: int) -> bytes:
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return b"\x03" + json.dumps({"status": "Failure", "details": {"causes": causes}}).encode()


def test_what_came_on_which_channel(server: Server, opened: list[socket.socket]) -> None:
    server.handler = sends(b"\x01", b"\x02", b"\x01out ", b"\x02err", b"\x01more", b"\xff\x01", failed(7))
    with server.client() as api:
        done = execute(api, "shop", "frontend-1", ["sh", "-c", "a b; exit 7"], container="app")
    assert done[:3] == (7, "out more", "err")
    assert done.seconds > 0
    asked = urlsplit(server.asked[0])
    assert asked.path == "/api/v1/namespaces/shop/pods/frontend-1/exec"
    assert parse_qs(asked.query) == {
        "command": ["sh", "-c", "a b; exit 7"],
        "container": ["app"],
        "stdout": ["true"],
        "stderr": ["true"],
    }
    assert len(opened) == 1


def test_a_letter_in_two_frames_is_one_letter(server: Server) -> None:
    """Whatever the size of the frames: output is read as a whole."""
    text = "grün " * 20_000
    data = text.encode()
    cut = data.index("ü".encode()) + 1
    server.handler = sends(b"\x01" + data[:cut], b"\x01" + data[cut:], SUCCESS)
    with server.client() as api:
        assert execute(api, "shop", "frontend-1", ["cat"])[:2] == (0, text)


@pytest.mark.parametrize("handler", [sends(), sends(b"\x01half"), reset], ids=["closed", "closed amid", "reset"])
def test_a_connection_that_ends_before_the_command(server: Server, handler: Handler) -> None:
    server.handler = handler
    with server.client() as api, pytest.raises(NotExecuted, match="ended before the command did") as said:
        execute(api, "shop", "frontend-1", ["true"])
    assert said.value.where == "shop/frontend-1"


def test_a_command_that_does_not_end(server: Server) -> None:
    server.handler = until_closed
    with server.client() as api, pytest.raises(NotExecuted, match="`sleep 9` did not end within 0 s"):
        execute(api, "shop", "frontend-1", ["sleep", "9"], timeout=0.1)


def test_a_command_that_cannot_be_run(server: Server) -> None:
    server.handler = sends(b'\x03{"status": "Failure", "message": "no such container"}')
    with server.client() as api, pytest.raises(NotExecuted, match="could not be run: no such container"):
        execute(api, "shop", "frontend-1", ["true"])


def test_a_refusal_has_its_status(server: Server) -> None:
    server.refuses = HTTPStatus.FORBIDDEN
    with server.client() as api, pytest.raises(NotExecuted, match="no way into the pod") as said:
        execute(api, "shop", "frontend-1", ["true"])
    assert said.value.status == 403
    assert "kubectl -n shop get pod frontend-1" in str(said.value)


def test_the_course_speaks_of_probes(server: Server) -> None:
    server.handler = sends(b"\x01out", SUCCESS)
    with server.client() as api:
        course = Api(api)
        assert course.execute("shop", "frontend-1", ["true"])[:2] == (0, "out")
        server.refuses = HTTPStatus.NOT_FOUND
        with pytest.raises(ProbeError, match=r"no way into the pod[\s\S]*kubectl -n shop get pod frontend-1"):
            course.execute("shop", "frontend-1", ["true"])


def test_a_token_is_sent(server: Server) -> None:
    seen: list[str | None] = []

    def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers.get("authorization"))
        connection.send(SUCCESS)

    server.handler = handler
    with server.client() as api:
        api.configuration.api_key["authorization"] = "Bearer sesame"
        execute(api, "shop", "frontend-1", ["true"])
    assert seen == ["Bearer sesame"]
