"""The long-lived clients: the real script against a server on loopback, and the simulated one, write the same lines."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.twin.containers.http.messages import Request, Response
from lab_helpers.twin.containers.http.serving import http_server
from lab_helpers.twin.containers.programs.python.running import PLAYERS, digest

SHOP = Path(__file__).resolve().parents[3] / "lab_helpers" / "course" / "shop"
SCRIPT = SHOP / "caller.py"
SILENT, PATIENT = 1.0, 120.0
"""Seconds the real script waits where nobody answers, and where an answer comes however busy the machine is."""


class Handler(http.server.BaseHTTPRequestHandler):
    """200 at /, 404 elsewhere; /twice ends the connection with the second answer; /silent never answers."""

    protocol_version = "HTTP/1.1"
    asked = 0
    over = threading.Event()

    def do_GET(self) -> None:
        self.asked += 1
        if self.path == "/silent":
            self.over.wait(PATIENT)
            self.close_connection = True
            return
        self.send_response(200 if self.path in ("/", "/twice") else 404)
        self.send_header("Content-Length", "3")
        if self.path == "/twice" and self.asked == 2:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_: Any) -> None: ...


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Clients are killed in the middle of a call."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.over.clear()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_address[1]
    Handler.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def really(tmp_path: Path, count: int, *words: str) -> list[str]:
    """The first lines that the real script writes, without its pauses."""
    patience = SILENT if any(word.endswith("/silent") for word in words) else PATIENT
    text = SCRIPT.read_text(encoding="utf-8").replace("PATIENCE = 5.0", f"PATIENCE = {patience}")
    hurried = tmp_path / "caller.py"
    hurried.write_text(text.replace("time.sleep(int(seconds))", "time.sleep(0)"), encoding="utf-8")
    process = subprocess.Popen([sys.executable, "-u", str(hurried), *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().rstrip("\n") for _ in range(count)]
    process.kill()
    process.wait(120)
    process.stdout.close()
    return lines


async def played(lab: Any, port: int, count: int, *words: str) -> list[str]:
    """The first lines of the simulated one, in a pod that is its own server."""
    turns: dict[tuple[str, int], int] = {}

    async def handle(request: Request) -> Response:
        turns[request.peer] = turns.get(request.peer, 0) + 1
        if request.path == "/silent":
            await lab.clock.sleep(60)
        last = request.path == "/twice" and turns[request.peer] == 2
        return Response(
            200 if request.path in ("/", "/twice") else 404, [("Connection", "close")] if last else [], b"ok\n"
        )

    pod = caller(lab, *words)
    lab.networks.pod(pod).listen(port, http_server(lab.clock, handle))
    return await lines_of(lab, pod, count)


def caller(lab: Any, *words: str, script: str = "") -> dict[str, Any]:
    text = script or SCRIPT.read_text(encoding="utf-8")
    lab.registry.create(
        "configmaps", {"metadata": {"name": "caller-code", "namespace": "shop"}, "data": {"caller.py": text}}
    )
    return lab.pod(
        "legacy",
        "python:3.13-alpine",
        command=["python3", "-u", "/srv/caller.py", *words],
        volumeMounts=[{"name": "code", "mountPath": "/srv"}],
        volumes=[{"name": "code", "configMap": {"name": "caller-code"}}],
    )


async def lines_of(lab: Any, pod: dict[str, Any], count: int) -> list[str]:
    for _ in range(100):
        lines = (await lab.logs(pod)).splitlines()
        if len(lines) >= count:
            break
        await lab.clock.advance(5)
    return lines[:count]


@pytest.mark.parametrize(
    ("habit", "path"),
    [(habit, path) for habit in ("fresh", "cache-dns", "keep-alive") for path in ("/", "/nothing", "/twice")]
    + [("keep-alive", "/silent")],
)
async def test_the_same_lines(lab: Any, port: int, tmp_path: Path, habit: str, path: str) -> None:
    words = (habit, f"http://127.0.0.1:{port}{path}", "30")
    count = 3 if path == "/silent" else 7
    assert await played(lab, port, count, *words) == really(tmp_path, count, *words)


@pytest.mark.parametrize("habit", ["fresh", "cache-dns", "keep-alive"])
async def test_the_same_lines_where_nobody_listens(lab: Any, tmp_path: Path, habit: str) -> None:
    words = (habit, "https://127.0.0.1:1/", "30")
    ours = await lines_of(lab, caller(lab, *words), 5)
    assert ours == really(tmp_path, 5, *words)
    assert ours[2] == "127.0.0.1: no connection: refused"


@pytest.mark.parametrize("words", [(), ("often", "http://x/"), ("fresh", "x"), ("fresh", "http://x/", "soon")])
async def test_the_same_refusals(lab: Any, tmp_path: Path, words: tuple[str, ...]) -> None:
    pod = caller(lab, *words)
    assert await lines_of(lab, pod, 1) == really(tmp_path, 1, *words)
    assert lab.state(pod).exit_code == 2


async def test_the_same_lines_for_a_name_that_is_not(lab: Any, tmp_path: Path) -> None:
    lab.internet()
    lab.dns()
    words = ("fresh", "http://nowhere.invalid/", "30")
    assert await lines_of(lab, caller(lab, *words), 3) == really(tmp_path, 3, *words)


async def test_habits_ask_dns_as_often_as_they_say(lab: Any) -> None:
    lab.internet()
    lab.dns()
    seen = {}
    for habit in ("fresh", "cache-dns", "keep-alive"):
        pod = (
            lab.pod(
                habit,
                "python:3.13-alpine",
                command=["python3", "/srv/caller.py", habit, "https://cdn.example.com/", "10"],
                volumeMounts=[{"name": "code", "mountPath": "/srv"}],
                volumes=[{"name": "code", "configMap": {"name": "caller-code"}}],
            )
            if seen
            else caller(lab, habit, "https://cdn.example.com/", "10")
        )
        lines = await lines_of(lab, pod, 9)
        seen[habit] = sum(" is at " in line for line in lines)
        assert sum(": 200" in line for line in lines) == 8 - seen[habit], lines
    assert seen == {"fresh": 4, "cache-dns": 1, "keep-alive": 1}


async def test_a_changed_script_is_not_played(lab: Any) -> None:
    changed = SCRIPT.read_text(encoding="utf-8").replace("print(line, flush=True)", "print(line.upper(), flush=True)")
    pod = caller(lab, "fresh", "http://127.0.0.1/", script=changed)
    await lab.clock.advance(0)
    assert lab.state(pod).exit_code == 1
    assert "it was changed" in await lab.logs(pod)


@pytest.mark.parametrize(("name", "file"), [("shop-backend/1", "server.py"), ("shop-caller/1", "caller.py")])
def test_players_know_their_scripts(name: str, file: str) -> None:
    text = (SHOP / file).read_text(encoding="utf-8")
    assert text.startswith(f"# simulated-as: {name}\n")
    assert PLAYERS[name].digest == digest(text)
    assert PLAYERS[name].digest == digest(text.replace("\n", "\r\n") + "\n")
