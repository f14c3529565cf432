"""Reaching Hubble Relay through the API server: which pod and port, and what is said when there is none."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace as Object
from typing import Any

import kubernetes.client
import pytest
from kubernetes.client import Configuration
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from lab_helpers.clusters import Cluster as AnyCluster
from lab_helpers.clusters import NotRunning, relaying
from lab_helpers.clusters.clients import Client
from lab_helpers.clusters.relaying import dial_relay


def pod(name: str, *, ready: bool = True, leaving: bool = False, port: int = 4245) -> Any:
    return Object(
        metadata=Object(name=name, deletion_timestamp="now" if leaving else None),
        status=Object(conditions=[Object(type="Ready", status=str(ready))]),
        spec=Object(containers=[Object(ports=[Object(name="grpc", container_port=port)]), Object(ports=None)]),
    )


def service(target: object = "grpc") -> Any:
    return Object(spec=Object(selector={"k8s-app": "hubble-relay"}, ports=[Object(port=80, target_port=target)]))


Cluster = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """An API with this Service and these pods; what was forwarded is remembered."""
    forwarded: list[tuple[Any, ...]] = []
    here, there = socket.socketpair()

    def make(found: Any, *pods: Any) -> list[tuple[Any, ...]]:
        def read(_name: str, _namespace: str) -> Any:
            if isinstance(found, Exception):
                raise found
            return found

        core = Object(
            read_namespaced_service=read,
            list_namespaced_pod=lambda _namespace, label_selector: Object(items=list(pods)),
        )
        monkeypatch.setattr(kubernetes.client, "CoreV1Api", lambda _api: core)
        return forwarded

    def forward(_api: object, pod: str, port: int) -> socket.socket:
        forwarded.append((pod, port))
        return here

    monkeypatch.setattr(relaying, "_forward", forward)
    yield make
    here.close()
    there.close()


@pytest.mark.parametrize(("target", "port"), [("grpc", 4245), (4000, 4000), ("4001", 4001), (None, 80)])
def test_a_ready_pod_of_the_service_and_its_port(cluster: Cluster, target: object, port: int) -> None:
    forwarded = cluster(service(target), pod("starting", ready=False), pod("leaving", leaving=True), pod("relay-1"))
    dial_relay(Object())  # type: ignore[arg-type]
    assert forwarded == [("relay-1", port)]


@pytest.mark.parametrize(
    ("found", "pods", "words"),
    [
        (kubernetes.client.ApiException(status=404), [], "Hubble Relay is not installed"),
        (service(), [], "none of 0 pods of Hubble Relay is ready"),
        (service(), [pod("a", ready=False)], "none of 1 pods of Hubble Relay is ready"),
        (service("other"), [pod("a")], 'have no port "other"'),
    ],
    ids=["nothing", "no pods", "not ready", "no port"],
)
def test_what_is_missing_is_said_with_a_cure(cluster: Cluster, found: Any, pods: list[Any], words: str) -> None:
    cluster(found, *pods)
    with pytest.raises(NotRunning, match=words) as said:
        dial_relay(Object())  # type: ignore[arg-type]
    assert "cilium hubble enable" in str(said.value)


def test_a_refusal_is_not_taken_for_absence(cluster: Cluster) -> None:
    cluster(kubernetes.client.ApiException(status=403))
    with pytest.raises(kubernetes.client.ApiException):
        dial_relay(Object())  # type: ignore[arg-type]


# --- the tunnel itself ----------------------------------------------------------------------------------------------

PORT = 4245
_PORT_OF_CHANNELS = [bytes([channel]) + struct.pack("<H", PORT) for channel in (0, 1)]
Tunnel = Callable[[Callable[[ServerConnection], None]], socket.socket]


@pytest.fixture
def tunnel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tunnel]:
    """A port-forward whose other end a test plays; afterwards its thread and its connection have ended."""
    sockets: list[socket.socket] = []
    ends: list[Callable[[], None]] = []
    open_websocket = relaying.open_websocket

    def remember(*arguments: Any) -> Any:
        made = open_websocket(*arguments)
        sockets.append(made.sock)
        return made

    monkeypatch.setattr(relaying, "open_websocket", remember)

    def make(handler: Callable[[ServerConnection], None]) -> socket.socket:
        def handle(connection: ServerConnection) -> None:
            try:
                for frame in _PORT_OF_CHANNELS:
                    connection.send(frame)
                handler(connection)
            except ConnectionClosed:
                return

        server = serve(handle, "127.0.0.1", 0)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        ends.extend([server.shutdown, thread.join])
        api = Client(Configuration(host=f"http://127.0.0.1:{server.socket.getsockname()[1]}"))
        return relaying._forward(api, "relay-1", PORT)

    before = set(threading.enumerate())
    yield make
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("Kubernetes port forward"):
            thread.join()
    assert [item.fileno() for item in sockets] == [-1] * len(sockets)
    for end in ends:
        end()


def read_all(local: socket.socket) -> bytes:
    with local._socket if hasattr(local, "_socket") else local as opened:
        return b"".join(iter(lambda: opened.recv(100), b""))


def test_bytes_go_both_ways_until_we_close(tunnel: Tunnel) -> None:
    heard: list[bytes | str] = []

    def answer(connection: ServerConnection) -> None:
        for message in connection:
            heard.append(message)
            connection.send(b"\x00pong")

    local = tunnel(answer)
    local.sendall(b"ping")
    assert local.recv(4) == b"pong"
    local.close()
    assert heard == [b"\x00ping"]


def test_relay_ends_it(tunnel: Tunnel) -> None:
    """The other end says CLOSE, after which the official client's own ``close`` does nothing."""
    assert read_all(tunnel(lambda connection: connection.send(b"\x00the last"))) == b"the last"


def test_the_cluster_goes_away(tunnel: Tunnel) -> None:
    """No traceback of a thread in a notebook: the reader sees the end."""

    def reset(connection: ServerConnection) -> None:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()

    assert read_all(tunnel(reset)) == b""


def test_another_protocol_is_an_end_too(tunnel: Tunnel) -> None:
    assert read_all(tunnel(lambda connection: connection.send(b"\x09what"))) == b""


def test_no_way_through_the_api_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    api = Client(Configuration(host=f"http://127.0.0.1:{port}"))
    with pytest.raises(NotRunning, match="cannot be reached through the API server"):
        relaying._forward(api, "relay-1", PORT)


def test_a_tunnel_nobody_called_through_is_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dialled: list[socket.socket] = []

    def dial(_api: object) -> socket.socket:
        here, there = socket.socketpair()
        dialled.extend([here, there])
        return here

    monkeypatch.setattr(relaying, "dial_relay", dial)
    monkeypatch.setattr(AnyCluster, "api", lambda _self: Client(Configuration(host="http://127.0.0.1:1")))
    with AnyCluster("existing", "c", tmp_path, tmp_path / "config").hubble() as client:
        assert len(dialled) == 2
        client.channel._open()
        client.channel.close()
        client.channel._open()
        assert len(dialled) == 4, "a second connection is another tunnel"
    assert [dialled[0].fileno(), dialled[2].fileno()] == [-1, -1]
    with AnyCluster("existing", "c", tmp_path, tmp_path / "config").hubble():
        assert len(dialled) == 6
    assert dialled[4].fileno() == -1
    for there in dialled[1::2]:
        there.close()
