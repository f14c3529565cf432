"""The command line beside its recordings: servers of ours, port-forwarding, help, completion."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_helpers.hubble.serving import NodeLog, Peer, add_agent
from lab_helpers.spdy import Connection, DataReceived, StreamOpened

from .conftest import NOON, CommandLine, make_flow, serving


@pytest.fixture
def address() -> Iterator[str]:
    log = NodeLog("kind-worker", clock=lambda: NOON)
    log.add_flow(make_flow(0))
    log.add_flow(make_flow(1, verdict=2))
    with serving(lambda server: add_agent(server, log, peers=lambda: [Peer("kind-worker", "1.2.3.4:4244")])) as (at, _):
        yield at


def test_observe_by_the_environment(hubble: CommandLine, address: str) -> None:
    status, out, err = hubble("observe", "--verdict", "DROPPED", env={"HUBBLE_SERVER": address})
    assert (status, err) == (0, b"")
    assert out.count(b"\n") == 1
    assert b" to-endpoint DROPPED (TCP Flags: SYN)" in out


def test_reflect(hubble: CommandLine, address: str) -> None:
    status, out, err = hubble("reflect", "--server", address)
    assert (status, err) == (0, b"")
    files = [json.loads(line)["name"] for line in out.splitlines()]
    assert {"observer/observer.proto", "flow/flow.proto", "peer/peer.proto"} <= set(files)
    assert len(files) == len(set(files))


class FakeApiServer:
    """Answers what ``hubble -P`` asks, and tunnels its streams to a Hubble server."""

    def __init__(self, hubble: str) -> None:
        self._hubble = hubble
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.paths: list[str] = []
        self.streams: list[dict[str, str]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            path = data.split(b" ")[1].decode()
            self.paths.append(path)
            assert b"Authorization: Bearer secret\r\n" in data
            if path.endswith("/portforward"):
                sock.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                    b"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n"
                )
                self._tunnel(sock, data.partition(b"\r\n\r\n")[2])
                return
            service = {"spec": {"selector": {"b": "2", "a": "1"}, "ports": [{"port": 80, "targetPort": "grpc"}]}}
            pod = {
                "metadata": {"name": "hubble-relay-x"},
                "spec": {"nodeName": "n", "containers": [{"ports": [{"name": "grpc", "containerPort": 4245}]}]},
                "status": {"phase": "Running"},
            }
            body = json.dumps({"items": [pod]} if "pods" in path else service).encode()
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def _tunnel(self, sock: socket.socket, data: bytes) -> None:
        spdy, lock = Connection(client=False), threading.Lock()
        targets: dict[int, socket.socket] = {}
        host, _, port = self._hubble.rpartition(":")
        while True:
            with lock:
                events = spdy.feed(data)
                for event in events:
                    if isinstance(event, StreamOpened):
                        self.streams.append(event.headers)
                        spdy.reply(event.stream)
                        if event.headers["streamtype"] == "data":
                            targets[event.stream] = socket.create_connection((host, int(port)))
                            arguments = (spdy, lock, sock, event.stream, targets[event.stream])
                            threading.Thread(target=self._back, args=arguments, daemon=True).start()
                    elif isinstance(event, DataReceived) and event.data:
                        targets[event.stream].sendall(event.data)
                sock.sendall(spdy.take())
            data = sock.recv(65536)
            if not data:
                for target in targets.values():
                    target.close()
                return

    @staticmethod
    def _back(spdy: Connection, lock: threading.Lock, sock: socket.socket, stream: int, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := target.recv(65536):
                with lock:
                    spdy.send(stream, data)
                    sock.sendall(spdy.take())


def test_port_forward(hubble: CommandLine, address: str, tmp_path: Path) -> None:
    server = FakeApiServer(address)
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": f"http://{server.address}"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(config), encoding="utf-8")
    arguments = ("observe", "-P", "--port-forward-port", "0", "--kubeconfig", str(path))
    try:
        status, out, err = hubble(*arguments)
    finally:
        server.close()
    assert (status, err) == (0, b"")
    assert out.count(b"to-endpoint") == 2
    prefix = "/api/v1/namespaces/kube-system"
    assert server.paths == [
        f"{prefix}/services/hubble-relay",
        f"{prefix}/pods?labelSelector=a%3D1%2Cb%3D2",
        f"{prefix}/pods/hubble-relay-x/portforward",
    ]
    common = {"port": "4245", "requestid": "0"}
    assert server.streams == [{"streamtype": "error", **common}, {"streamtype": "data", **common}]


def test_help_pages(hubble: CommandLine) -> None:
    status, page, _ = hubble("observe", "--help")
    assert status == 0
    text = page.decode()
    groups = ["Selectors", "Filters", "Raw-Filters", "Formatting", "Flow Format", "Server", "Other", "Global"]
    places = [text.index(f"\n{group} Flags:\n") for group in groups]
    assert places == sorted(places)
    assert "  -A, --all-namespaces filter[=true]" in text
    assert hubble("help", "observe")[1] == page
    root = hubble()[1].decode()
    for name in ("completion", "config", "help", "list", "observe", "status", "version"):
        assert f"\n  {name} " in root
    for hidden in ("watch", "reflect", "__complete"):
        assert f"\n  {hidden} " not in root


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_scripts(hubble: CommandLine, shell: str) -> None:
    status, out, _ = hubble("completion", shell)
    assert status == 0
    assert b"hubble __complete" in out


@pytest.mark.parametrize(
    ("words", "candidates"),
    [
        (["sta"], ["status"]),
        (["list", ""], ["namespaces", "nodes"]),
        (["observe", "--from-p"], ["--from-pod", "--from-port"]),
    ],
)
def test_completion(hubble: CommandLine, words: list[str], candidates: list[str]) -> None:
    status, out, _ = hubble("__complete", *words)
    assert status == 0
    assert [line.split("\t")[0] for line in out.decode().splitlines()] == candidates


def test_a_missing_input_file(hubble: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "nope"
    expected = (1, b"", f"open {path}: no such file or directory\n".encode())
    assert hubble("observe", "--input-file", str(path)) == expected


def test_suggestions(hubble: CommandLine) -> None:
    status, _, err = hubble("obseve")
    assert status == 1
    assert err == b'unknown command "obseve" for "hubble"\n\nDid you mean this?\n\tobserve\n\n'
