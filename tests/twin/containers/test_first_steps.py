"""Names, HTTP and time, end to end."""

from __future__ import annotations

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
