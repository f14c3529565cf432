"""Names, HTTP and time, end to end."""

from __future__ import annotations

import json

import pytest


async def test_cluster_names(lab, client):
    lab.dns()
    lab.backend()
    result = await lab.sh(client, "cat /etc/resolv.conf")
    assert result.out == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
    )
    for name in (
        "backend",
        "backend.shop",
        "backend.shop.svc",
        "backend.shop.svc.cluster.local",
        "backend.shop.svc.cluster.local.",
    ):
        result = await lab.sh(client, f"curl -sS http://{name}:8080/healthz")
        assert (result.out, result.code) == ('{"status": "ok"}\n', 0), result


async def test_unknown_name(lab, client):
    lab.dns()
    lab.internet()
    result = await lab.sh(client, "curl -sS http://nosuch:8080/")
    assert (result.code, result.err) == (6, "curl: (6) Could not resolve host: nosuch\n")
    assert (await lab.sh(client, "nslookup nosuch")).out.endswith("** server can't find nosuch: NXDOMAIN\n\n")


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("curl -sS -m 3 http://10.0.1.99:8080/", 28, "curl: (28) Connection timed out after 3000 milliseconds\n"),
        ("curl -sS --connect-timeout 2 10.0.1.99", 28, "curl: (28) Connection timed out after 2000 milliseconds\n"),
        ("curl -s -m 3 http://10.0.1.99:8080/", 28, ""),
        (
            "curl -sS 10.0.1.99",
            28,
            "curl: (28) Failed to connect to 10.0.1.99 port 80 after 127000 ms: Could not connect to server\n",
        ),
        ("curl -sS -m 3 http://backend/", 28, "curl: (28) Resolving timed out after 3000 milliseconds\n"),
        (
            "curl -sS http://10.0.1.2:81/",
            7,
            "curl: (7) Failed to connect to 10.0.1.2 port 81 after 0 ms: Could not connect to server\n",
        ),
        ("curl ftp://x/", 1, 'curl: (1) Protocol "ftp" not supported\n'),
        ("curl 'http://a b/'", 3, "curl: (3) URL rejected: Malformed input to a URL function\n"),
        ("curl", 2, "curl: (2) no URL specified\ncurl: try 'curl --help' or 'curl --manual' for more information\n"),
        (
            "curl --nonsense x",
            2,
            "curl: option --nonsense: is unknown\ncurl: try 'curl --help' or 'curl --manual' for more information\n",
        ),
    ],
)
async def test_curl_failures(lab, client, command, code, message):
    result = await lab.sh(client, command)
    assert (result.code, result.err) == (code, message)


async def test_unanswered_dns_takes_its_time(lab, client):
    before = lab.clock.monotonic()
    result = await lab.sh(client, "curl -sS http://backend/")
    assert (result.code, result.err) == (6, "curl: (6) Could not resolve host: backend\n")
    assert 10 <= lab.clock.monotonic() - before <= 12


METER = (
    "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    "                                 Dload  Upload   Total   Spent    Left  Speed\n"
    "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0"
)


async def test_progress_meter(lab, client):
    lab.backend()
    result = await lab.sh(client, "curl 10.96.5.5:8080/healthz")
    assert result.err.startswith(METER + "\r100    17  100    17    0     0 ")
    refused = await lab.sh(client, "curl 10.0.1.2:81")
    assert refused.err.startswith(METER + METER[METER.index("\r") :] + "\ncurl: (7) Failed to connect")
    assert (await lab.sh(client, "curl -s 10.0.1.2:81")).err == ""
    assert (await lab.run(client, "curl", "10.96.5.5:8080/healthz", tty=True)).out == '{"status": "ok"}\r\n'


@pytest.mark.parametrize(
    ("arguments", "out", "code"),
    [
        ("-s -f http://10.96.5.5:8080/nope", "", 22),
        (
            "-s --fail-with-body http://10.96.5.5:8080/nope",
            '{"error": "not found", "method": "GET", "path": "/nope"}\n',
            22,
        ),
        (
            "-s -o /tmp/x -w '%{http_code} %{size_download} %{content_type}' http://10.96.5.5:8080/healthz",
            "200 17 application/json",
            0,
        ),
        ("-s -o /dev/null -w '%{http_code}' http://10.0.1.2:81/", "000", 7),
        (
            "-s -o /dev/null -w '%{stderr}x%{stdout}%{url_effective}\\n' 10.96.5.5:8080/healthz",
            "http://10.96.5.5:8080/healthz\n",
            0,
        ),
        (
            "-s -G -d a=1 --data-urlencode 'b=x y' -o /dev/null -w '%{http_code}' http://10.96.5.5:8080/api/v1/products",
            "200",
            0,
        ),
        (
            "-s -X POST -H 'Content-Type: application/json' -d '{\"product\": 2}' 10.96.5.5:8080/api/v1/orders",
            '{"id": 3, "product": 2, "quantity": 1}\n',
            0,
        ),
        ("-s --json '{}' 10.96.5.5:8080/api/v1/orders", '{"id": 3, "product": 1, "quantity": 1}\n', 0),
        ("-s -o /dev/null -w '%{http_code} ' 'http://10.96.5.5:8080/[1-3]'", "404 404 404 ", 0),
        ("-s --retry 2 --retry-connrefused http://10.0.1.2:81/", "", 7),
        ("-s -I http://10.96.5.5:8080/healthz -w '%{size_download}' -o /dev/null", "0", 0),
    ],
)
async def test_curl_options(lab, client, arguments, out, code):
    lab.backend()
    await lab.clock.advance(0)
    result = await lab.sh(client, f"curl {arguments}")
    assert (result.out, result.code) == (out, code), result


async def test_json_write_out(lab, client):
    lab.backend()
    await lab.clock.advance(0)
    result = await lab.sh(client, "curl -s -o /dev/null -w '%{json}' 10.96.5.5:8080/healthz")
    values = json.loads(result.out)
    assert (values["http_code"], values["method"], values["remote_port"]) == (200, "GET", 8080)


async def test_server_that_says_nothing(lab, client):
    silent = lab.pod("silent", command=["nc", "-lk", "-p", "80"])
    closing = lab.pod("closing", "busybox", command=["sh", "-c", "while :; do nc -l -p 80 </dev/null; done"])
    await lab.clock.advance(0)
    result = await lab.sh(client, f"curl -sS -m 5 {silent['status']['podIP']}")
    message = "curl: (28) Operation timed out after 5000 milliseconds with 0 bytes received\n"
    assert (result.code, result.err) == (28, message)
    result = await lab.sh(client, f"curl -sS -m 20 {closing['status']['podIP']}")
    assert (result.code, result.err) == (52, "curl: (52) Empty reply from server\n")
