"""The command line beside its recordings: servers of ours, port-forwarding, help, completion."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_helpers.hubble.serving import NodeLog, Peer, add_agent
from lab_helpers.spdy import Connection, DataReceived, StreamOpened
from lab_helpers.tools.goflags import Command, FlagSet
from lab_helpers.tools.hubble import helping

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
    # services in the order of their names, each with what it imports; the service of the questions is one of them
    assert files[0] == "grpc/reflection/v1/reflection.proto"
    assert {"observer/observer.proto", "flow/flow.proto", "peer/peer.proto"} <= set(files)
    assert len(files) == len(set(files))


def test_the_description_of_the_reflection_service_holds_together() -> None:
    from google.protobuf import descriptor_pool

    from lab_helpers.hubble.serving import reflectionschema

    pool = descriptor_pool.DescriptorPool()
    pool.Add(reflectionschema.reflection_file())
    request = pool.FindServiceByName(reflectionschema.SERVICE).methods[0].input_type
    assert [field.name for field in request.oneofs_by_name["message_request"].fields][-1] == "list_services"


def test_debug_says_what_is_asked(hubble: CommandLine, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--server", address, "--debug", "--config", "/nowhere", "--last", "2", "-o", "json")
    status, _, _ = hubble("observe", *words, "--verdict", "DROPPED", "--not", "--ip", "1.2.3.4")
    lines = [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    asked = 'number:2 blacklist:{source_ip:\\"1.2.3.4\\"} blacklist:{destination_ip:\\"1.2.3.4\\"} '
    assert status == 0
    assert lines == [
        'level=DEBUG msg="connected to Hubble API" server=server',
        f'level=DEBUG msg="Sending GetFlows request" req="{asked}whitelist:{{verdict:DROPPED}}"',
    ]


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
        asked, opened = list(server.paths), list(server.streams)
        _, health, _ = hubble("status", *arguments[1:])
    finally:
        server.close()
    assert (status, err) == (0, b"")
    assert out.count(b"to-endpoint") == 2
    assert re.match(rb"Healthcheck \(via 127\.0\.0\.1:[1-9]\d*\): Ok\n", health)
    prefix = "/api/v1/namespaces/kube-system"
    assert asked == [
        f"{prefix}/services/hubble-relay",
        f"{prefix}/pods?labelSelector=a%3D1%2Cb%3D2",
        f"{prefix}/pods/hubble-relay-x/portforward",
    ]
    common = {"port": "4245", "requestid": "0"}
    assert opened == [{"streamtype": "error", **common}, {"streamtype": "data", **common}]


def test_help_pages(hubble: CommandLine) -> None:
    status, page, _ = hubble("observe", "--help")
    assert status == 0
    text = page.decode()
    groups = ["Selectors", "Filters", "Raw-Filters", "Formatting", "Flow Format", "Server", "Other", "Global"]
    places = [text.index(f"\n{group} Flags:\n") for group in groups]
    assert places == sorted(places)
    assert "  -A, --all-namespaces filter[=true]" in text
    assert text.index("--print-policy-names") < text.index("\nFlow Format Flags:")
    assert hubble("help", "observe")[1] == page
    root = hubble()[1].decode()
    for name in ("completion", "config", "help", "list", "observe", "status", "version"):
        assert f"\n  {name} " in root
    for hidden in ("watch", "reflect", "__complete"):
        assert f"\n  {hidden} " not in root


def test_a_page_owes_nothing_to_commands_that_are_gone() -> None:
    for _ in range(100):  # the next one is where the last one was
        command = Command("one")
        assert "Flags:" not in helping.page(command)
        helping.register(command, FlagSet("Server"))
        del command


@pytest.mark.parametrize(
    ("words", "groups"),
    [
        ((), ["Global"]),
        (("list",), ["Server", "Global"]),
        (("list", "namespaces", "--help"), ["Formatting", "Server", "Global"]),
        (("status", "--help"), ["Server", "Global"]),
        (("watch", "--help"), ["Server", "Global"]),
        (("config", "nothing"), ["Global"]),
        (("observe", "agent-events", "--help"), ["Selectors", "Formatting", "Server", "Other", "Global"]),
    ],
    ids=" ".join,
)
def test_groups_of_flags_on_the_pages(hubble: CommandLine, words: tuple[str, ...], groups: list[str]) -> None:
    status, page, _ = hubble(*words)
    assert status == 0
    assert re.findall(r"^(.+) Flags:$", page.decode(), re.MULTILINE) == groups
    assert "--print-policy-names" in page.decode() or "observe" not in words


def test_help_about_nothing_is_no_failure(hubble: CommandLine) -> None:
    status, out, err = hubble("help", "list", "nothing")
    assert (status, out) == (0, b"")
    assert err.startswith(b"Unknown help topic [`list` `nothing`]\nUsage:\n  hubble [command]\n")


def test_completion_takes_no_more_words(hubble: CommandLine) -> None:
    assert hubble("completion", "bash", "x") == (1, b"", b'unknown command "x" for "hubble completion bash"\n')


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
