"""exec, attach and port-forward by hand, channel by channel."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from lab_helpers.spdy import Connection, DataReceived
from tests.twin.api.conftest import Live

TOKEN = {"Authorization": "Bearer t0ken"}


@pytest.fixture(scope="module")
def pod(live):
    live.run_pod("streams")
    return "/api/v1/namespaces/default/pods/streams"


def opened(live, path, *protocols, headers=TOKEN, **query):
    trust = ssl.create_default_context(cafile=str(live.home / "ca.crt"))
    address = f"wss://127.0.0.1:{live.port}{path}?{urlencode(query, doseq=True)}"
    return connect(
        address, ssl=trust, subprotocols=list(protocols) or None, additional_headers=headers, compression=None
    )


def everything(channel):
    found = {}
    for message in channel:
        found[message[0]] = found.get(message[0], b"") + message[1:]
    return found


def test_version_five_closes_standard_input(live, pod):
    query = {"command": "cat", "stdin": "true", "stdout": "true"}
    with opened(live, f"{pod}/exec", "v5.channel.k8s.io", **query) as channel:
        assert channel.subprotocol == "v5.channel.k8s.io"
        channel.send(b"\x00to and ")
        channel.send("\x00fro")  # the Python client sends text
        channel.send(b"\xff\x00")
        found = everything(channel)
    assert found[1] == b"to and fro"
    assert json.loads(found[3]) == {"metadata": {}, "status": "Success"}


def test_terminal_sizes_arrive(live, pod):
    query = {"command": "size", "stdin": "true", "stdout": "true", "tty": "true"}
    with opened(live, f"{pod}/exec", "v4.channel.k8s.io", **query) as channel:
        channel.send(b"\x04" + json.dumps({"Width": 120, "Height": 40}).encode())
        assert everything(channel)[1] == b"120x40\n"


def test_exit_codes_travel_in_the_status(live, pod):
    with opened(live, f"{pod}/exec", "v4.channel.k8s.io", command=["sh", "-c", "exit 7"], stdout="true") as channel:
        status = json.loads(everything(channel)[3])
    assert status["reason"] == "NonZeroExitCode"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


def test_a_client_that_goes_away_kills_the_command(live, pod):
    with opened(live, f"{pod}/exec", "v4.channel.k8s.io", command="sleep", stdout="true"):
        pass
    for _ in range(200):
        if ["sleep"] in live.workloads.killed:
            break
        with opened(live, f"{pod}/exec", "v4.channel.k8s.io", command=["echo", "x"], stdout="true") as other:
            everything(other)
    assert ["sleep"] in live.workloads.killed


def test_attach_shows_output_and_takes_input(live, pod):
    with opened(live, f"{pod}/attach", "v4.channel.k8s.io", stdout="true") as channel:
        assert everything(channel)[1] == b"followed\n"
    with opened(live, f"{pod}/attach", "v5.channel.k8s.io", stdin="true", stdout="true") as channel:
        channel.send(b"\x00typed\n")
        channel.send(b"\xff\x00")
        found = everything(channel)
    assert found[1] == b"followed\ntyped\n"
    assert json.loads(found[3])["status"] == "Success"


@pytest.mark.parametrize(
    ("path", "query", "headers", "status"),
    [
        ("/exec", {"command": "x"}, {}, 401),
        ("/exec", {"command": "x"}, {"Authorization": "Bearer wrong"}, 401),
        ("/exec", {"command": "x", "container": "none"}, TOKEN, 400),
        ("/exec", {}, TOKEN, 400),
        ("-gone/exec", {"command": "x"}, TOKEN, 404),
        ("/portforward", {"ports": "http"}, TOKEN, 400),
        ("/nothing", {}, TOKEN, 404),
    ],
)
def test_refused_before_the_upgrade(live, pod, path, query, headers, status):
    with pytest.raises(InvalidStatus) as caught:
        opened(live, f"{pod}{path}", "v4.channel.k8s.io", headers=headers, **query)
    assert caught.value.response.status_code == status
    assert json.loads(caught.value.response.body)["status"] == "Failure"


def test_browsers_can_send_the_token_as_a_protocol(live, pod):
    bearer = "base64url.bearer.authorization.k8s.io.dDBrZW4"
    query = {"command": ["echo", "x"], "stdout": "true"}
    with opened(live, f"{pod}/exec", "v4.channel.k8s.io", bearer, headers={}, **query) as channel:
        assert everything(channel)[1] == b"x\n"


def test_port_forward_channels_begin_with_their_port(live, pod):
    with opened(live, f"{pod}/portforward", "v4.channel.k8s.io", ports=["80", "81"]) as channel:
        heads = [channel.recv(timeout=120) for _ in range(4)]
        assert heads == [bytes([n]) + struct.pack("<H", 80 + n // 2) for n in range(4)]
        channel.send(b"\x00GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        found = everything(channel)
    assert found[0].endswith(b"you asked for GET /x HTTP/1.1\n")
    assert b"connect: connection refused" in found[3]


def upgraded(live, path, version):
    """A raw SPDY connection, as client-go's older executors and forwarders make it."""
    return raw(
        live,
        f"POST {path} HTTP/1.1",
        "Upgrade: SPDY/3.1",
        f"X-Stream-Protocol-Version: {version}",
        "Content-Length: 0",
    )


def raw(live, request, *headers):
    """A connection with an upgrade asked for by hand, and the answer."""
    trust = ssl.create_default_context(cafile=str(live.home / "ca.crt"))
    plain = socket.create_connection(("127.0.0.1", live.port), timeout=120)
    secure = trust.wrap_socket(plain, server_hostname="127.0.0.1")
    lines = [request, "Host: localhost", "Authorization: Bearer t0ken", "Connection: Upgrade", *headers]
    secure.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = secure.recv(4096)
        assert data, answer
        answer += data
    return secure, answer.decode()


def collect(connection, spdy, streams, count):
    """What arrives on each stream until ``count`` of them have ended."""
    found, ended = {}, set()
    while len(ended) < count:
        data = connection.recv(65536)
        assert data, found
        for event in spdy.feed(data):
            if isinstance(event, DataReceived):
                name = streams[event.stream]
                found[name] = found.get(name, b"") + event.data
                ended |= {name} if event.ended else set()
    return found


def test_port_forward_over_raw_spdy(live, pod):
    connection, answer = upgraded(live, f"{pod}/portforward", "portforward.k8s.io")
    with connection:
        assert answer.startswith("HTTP/1.1 101")
        assert "x-stream-protocol-version: portforward.k8s.io" in answer
        spdy, streams = Connection(client=True), {}
        for request, port in (("0", "80"), ("1", "81")):
            for kind in ("error", "data"):
                headers = {"streamtype": kind, "port": port, "requestid": request}
                streams[spdy.open(headers, end=kind == "error")] = (kind, port)
        first = next(number for number, what in streams.items() if what == ("data", "80"))
        spdy.send(first, b"GET /y HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.sendall(spdy.take())
        found = collect(connection, spdy, streams, 4)
    assert found["data", "80"].endswith(b"you asked for GET /y HTTP/1.1\n")
    assert b"connection refused" in found["error", "81"]


def test_exec_over_raw_spdy(live, pod):
    path = f"{pod}/exec?command=cat&stdin=true&stdout=true"
    connection, answer = upgraded(live, path, "v4.channel.k8s.io")
    with connection:
        assert answer.startswith("HTTP/1.1 101")
        spdy = Connection(client=True)
        streams = {spdy.open({"streamtype": name}): name for name in ("error", "stdin", "stdout")}
        stdin = next(number for number, name in streams.items() if name == "stdin")
        spdy.send(stdin, b"old and ")
        spdy.send(stdin, b"good", end=True)
        connection.sendall(spdy.take())
        found = collect(connection, spdy, streams, 2)
    assert found["stdout"] == b"old and good"
    assert json.loads(found["error"])["status"] == "Success"


def test_a_refused_spdy_upgrade_is_an_ordinary_answer(live, pod):
    connection, answer = upgraded(live, f"{pod}-gone/exec?command=x", "v4.channel.k8s.io")
    with connection:
        assert answer.startswith("HTTP/1.1 404")


def test_a_server_stops_while_a_client_is_leaving(tmp_path):
    live = Live(tmp_path)
    live.start()
    live.run_pod("streams")
    path = "/api/v1/namespaces/default/pods/streams/exec?command=sleep&stdout=true"
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    connection, answer = raw(live, f"GET {path} HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key)
    with connection:
        assert answer.startswith("HTTP/1.1 101")
        connection.sendall(b"\x88\x82\0\0\0\0" + struct.pack(">H", 1000))
        assert connection.recv(4) == b"\x88\x02" + struct.pack(">H", 1000), "and then it is not in a hurry to close"
        live.stop()
    assert not live._thread.is_alive()
