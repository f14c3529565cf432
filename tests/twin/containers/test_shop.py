"""The shop's backend: the real script on loopback and the simulated one give the same answers."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "lab_helpers" / "course" / "shop" / "server.py"

REQUESTS = [
    ("GET", "/api/v1/products", None),
    ("GET", "/api/v1/orders", None),
    ("GET", "/api/v1/orders?x=1", None),
    ("POST", "/api/v1/orders", '{"product": 2, "quantity": 5}'),
    ("POST", "/api/v1/orders", ""),
    ("POST", "/api/v1/orders", "{nonsense"),
    ("POST", "/api/v1/orders", "[1]"),
    ("GET", "/api/v1/orders", None),
    ("DELETE", "/api/v1/orders/1", None),
    ("DELETE", "/api/v1/orders/1", None),
    ("DELETE", "/api/v1/orders/x", None),
    ("GET", "/admin", None),
    ("GET", "/healthz", None),
    ("HEAD", "/healthz", None),
    ("PUT", "/api/v1/products", "x"),
    ("GET", "/nothing", None),
    ("OPTIONS", "/admin", None),
]


@pytest.fixture(scope="module")
def real() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    for _ in range(20):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {"PORT": str(port), "PATH": "", "SYSTEMROOT": "C:\\Windows"}
        process = subprocess.Popen([sys.executable, str(SCRIPT)], env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        if "listening" in process.stdout.readline():
            break
        process.stdout.close()  # somebody else took the port in between
        process.wait(120)
    else:
        raise AssertionError("no port can be listened on")
    yield port, process
    process.terminate()
    process.wait(120)
    process.stdout.close()


async def test_same_answers(lab, client, real, request):
    backend = lab.backend()
    port, process = real
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    request.addfinalizer(connection.close)
    log = []
    for method, path, body in REQUESTS:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        text = answer.read().decode()
        headers = {key: value for key, value in answer.getheaders() if key != "Date"}
        data = "" if body is None else f"--data-binary '{body}' -H Content-Type:text/plain"
        verb = "-I" if method == "HEAD" else f"-X {method}"
        ip = backend["status"]["podIP"]
        result = await lab.sh(client, f"curl -sS -i {verb} {data} 'http://{ip}:8080{path}'")
        head, _, simulated = result.out.partition("\r\n\r\n")
        status, *lines = head.split("\r\n")
        assert status == f"HTTP/1.1 {answer.status} {answer.reason}", (method, path)
        assert simulated == text, (method, path)
        assert {k: v for k, v in (line.split(": ", 1) for line in lines) if k != "Date"} == headers
        log.append(f'"{method} {path} HTTP/1.1" {answer.status}')
    ours = [line.partition(" ")[2] for line in (await lab.logs(backend)).splitlines()[1:]]
    assert ours == log
    theirs = [process.stdout.readline().partition(" ")[2].strip() for _ in log]
    assert theirs == log


async def test_keep_alive(lab, client):
    lab.dns()
    lab.backend()
    result = await lab.sh(
        client, "curl -s -o /dev/null -o /dev/null -w '%{num_connects} ' backend:8080/healthz backend:8080/admin"
    )
    assert result.out == "1 0 "


async def test_other_scripts_are_refused(lab):
    pod = lab.pod("job", "python:3.13-alpine", command=["python3", "-c", "print(1)"])
    await lab.clock.advance(0)
    assert lab.state(pod).exit_code == 1
    assert "not simulated" in await lab.logs(pod)


async def test_marker_is_first_line():
    assert SCRIPT.read_text(encoding="utf-8").startswith("# simulated-as: shop-backend/1\n")
