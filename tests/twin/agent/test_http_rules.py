"""HTTP rules from the policy object to the server's view of the request."""

from __future__ import annotations

from typing import Any

import pytest

from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed
from tests.twin.agent.clusters import N1, N2, Cluster

FROM_CLIENT = [{"matchLabels": {"app": "client"}}]


def policy(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    ports = [{"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": list(rules)}}]
    ingress = [{"fromEndpoints": FROM_CLIENT, "toPorts": ports}]
    return {"endpointSelector": {"matchLabels": {"app": "server"}}, "ingress": ingress, **more}


async def mirror(stream: ByteStream) -> None:
    """Answers each request with the request's head."""
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            data = await stream.read()
            if not data:
                await stream.close()
                return
            buffer += data
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(head), head))
        if b"Connection: close" in head:
            await stream.close()
            return


async def shop(*policies: dict[str, Any]) -> Cluster:
    cluster = await Cluster().start()
    cluster.pod("client", N1)
    cluster.pod("server", N2).listen(80, mirror)
    for number, spec in enumerate(policies):
        cluster.cnp(f"policy-{number}", spec)
    await cluster.settle()
    return cluster


async def ask(cluster: Cluster, *lines: str, path: str = "/", host: str = "server") -> tuple[int, list[str]]:
    """The status, and the head the server saw (lower case)."""
    stream = await cluster.sockets("client").connect(cluster.sockets("server").ip, 80, timeout=1)
    head = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines]
    await stream.write(("\r\n".join(head) + "\r\n\r\n").encode())
    answer = b""
    while data := await stream.read():
        answer += data
    status, _, rest = answer.decode().partition("\r\n")
    return int(status.split(" ")[1]), rest.partition("\r\n\r\n")[2].lower().split("\r\n")


@pytest.mark.parametrize(
    ("rule", "path", "host", "lines", "status"),
    [
        ({"host": "server"}, "/", "server", [], 200),
        ({"host": "server"}, "/", "server:80", [], 403),
        ({"host": "shop.example"}, "/", "shopXexample", [], 200),
        ({"host": r"shop\.example(:\d+)?"}, "/", "shop.example:8080", [], 200),
        ({"path": "/a"}, "/a?x=1", "server", [], 403),
        ({"path": r"/a(\?.*)?"}, "/a?x=1", "server", [], 200),
        ({"path": "/api"}, "/api/v1", "server", [], 403),
        ({"method": "GET|HEAD"}, "/", "server", [], 200),
        ({"headers": ["X-Token: yes"]}, "/", "server", ["X-Token: yes"], 200),
        ({"headers": ["X-Token: yes"]}, "/", "server", ["X-Token: no"], 403),
        ({"headers": ["X-Token"]}, "/", "server", ["x-token: anything"], 200),
        ({"headers": ["X-Token"]}, "/", "server", [], 403),
        ({"headerMatches": [{"name": "X-Env", "value": "prod"}]}, "/", "server", ["X-Env: prod"], 200),
        ({"headerMatches": [{"name": "X-Env", "value": "prod"}]}, "/", "server", [], 403),
        ({}, "/anything", "server", [], 200),
    ],
)
async def test_what_a_rule_lets_pass(rule, path, host, lines, status):
    cluster = await shop(policy(rule))
    assert (await ask(cluster, *lines, path=path, host=host))[0] == status


@pytest.mark.parametrize(
    ("mismatch", "sent", "seen"),
    [
        ("LOG", ["X-Env: test"], ["x-env: test"]),
        ("LOG", [], []),
        ("ADD", [], ["x-env: prod"]),
        ("ADD", ["X-Env: test"], ["x-env: test", "x-env: prod"]),
        ("REPLACE", ["X-Env: test"], ["x-env: prod"]),
        ("DELETE", ["X-Env: test"], []),
        ("DELETE", ["X-Env: prod"], ["x-env: prod"]),
    ],
)
async def test_a_mismatch_action_changes_the_request_and_lets_it_pass(mismatch, sent, seen):
    cluster = await shop(policy({"headerMatches": [{"name": "X-Env", "value": "prod", "mismatch": mismatch}]}))
    status, head = await ask(cluster, *sent)
    assert status == 200
    assert [line for line in head if line.startswith("x-env:")] == seen


async def test_the_server_sees_what_envoy_adds():
    cluster = await shop(policy({"method": "GET"}))
    _, head = await ask(cluster)
    added = {line.partition(":")[0] for line in head[1:]} - {"host"}
    assert added == {"x-forwarded-proto", "x-envoy-internal", "x-request-id", "x-envoy-expected-rq-timeout-ms"}


async def test_a_plain_allow_beside_a_layer_7_rule_opens_the_port():
    plain = {
        "endpointSelector": {"matchLabels": {"app": "server"}},
        "ingress": [{"toPorts": [{"ports": [{"port": "80"}]}]}],
    }
    cluster = await shop(policy({"path": "/only"}), plain)
    assert (await ask(cluster, path="/other"))[0] == 200


async def test_a_deny_comes_before_the_redirect():
    cluster = await shop(policy({}, ingressDeny=[{"fromEndpoints": FROM_CLIENT}]))
    with pytest.raises(ConnectionFailed, match="timed out"):
        await cluster.within(ask(cluster))


@pytest.mark.parametrize("pattern", ["(", "a**", r"(?=x)", r"(a)\1", "a{2000}"])
async def test_a_pattern_that_re2_refuses_is_refused(pattern):
    cluster = await shop(policy({"path": pattern}))
    assert (await ask(cluster, path="/x"))[0] == 200  # not imported: nothing restricts the server
