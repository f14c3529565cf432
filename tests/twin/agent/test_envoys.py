"""Envoy as a program: bodies flow through it, and connections end with it."""

from __future__ import annotations

import pytest

from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed
from tests.twin.agent.clusters import N1, N2, Cluster
from tests.twin.agent.test_proxies import HTTP, ask, shop

APART = {"external-envoy-proxy": "true"}
POSTS = {
    **HTTP,
    "ingress": [
        {
            **HTTP["ingress"][0],  # type: ignore[index]
            "toPorts": [
                {"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [{"method": "POST", "path": "/api"}]}}
            ],
        }
    ],
}


async def behind_envoy(config: dict[str, str] | None = None, policy: object = HTTP) -> tuple[Cluster, str]:
    cluster = await Cluster(config).start()
    cluster.pod("client", N1)
    server = cluster.pod("server", N2)
    server.listen(80, shop)
    cluster.cnp("http", policy)  # type: ignore[arg-type]
    await cluster.settle()
    return cluster, server.ip


async def test_without_its_program_redirected_connections_meet_silence() -> None:
    cluster, server = await behind_envoy(APART)
    with pytest.raises(ConnectionFailed, match="timed out"):
        await cluster.within(cluster.sockets("client").connect(server, 80, timeout=1))


async def test_a_program_that_ends_takes_its_connections_with_it() -> None:
    cluster, server = await behind_envoy(APART)
    cluster.agents.envoys.started(N2)
    stream = await cluster.sockets("client").connect(server, 80)
    assert (await ask(stream, "GET", "/api/x"))[0] == 200
    cluster.agents.envoys.ended(N2)
    with pytest.raises(ConnectionFailed, match="reset"):
        await ask(stream, "GET", "/api/x")


async def test_apart_from_the_agent_it_goes_on_without_the_agent() -> None:
    cluster, server = await behind_envoy(APART)
    cluster.agents.envoys.started(N2)
    stream = await cluster.sockets("client").connect(server, 80)
    cluster.agents.agent(N2).stop()
    assert (await ask(stream, "GET", "/api/x"))[0] == 200
    assert (await ask(stream, "POST", "/api/x"))[0] == 403


async def test_as_a_part_of_the_agent_it_stops_listening_with_the_agent() -> None:
    cluster, server = await behind_envoy()
    cluster.agents.agent(N2).stop()
    with pytest.raises(ConnectionFailed, match="timed out"):
        await cluster.within(cluster.sockets("client").connect(server, 80, timeout=1))


async def test_a_body_reaches_the_server_while_it_is_still_being_sent() -> None:
    cluster, server = await behind_envoy(policy=POSTS)
    seen = bytearray()

    async def keep(stream: ByteStream) -> None:
        while data := await stream.read():
            seen.extend(data)
            if seen.endswith(b"end"):
                await stream.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    cluster.datapath.plane.pods[server].listeners[80] = keep
    stream = await cluster.sockets("client").connect(server, 80)
    await stream.write(b"POST /api HTTP/1.1\r\nHost: server\r\nContent-Length: 9\r\n\r\nfirst-")
    await cluster.settle()
    assert seen.endswith(b"first-")
    await stream.write(b"end")
    assert (await stream.read()).startswith(b"HTTP/1.1 201")


async def test_a_refused_request_with_a_body_costs_the_connection() -> None:
    cluster, server = await behind_envoy()
    stream = await cluster.sockets("client").connect(server, 80)
    await stream.write(b"POST /api HTTP/1.1\r\nHost: server\r\nContent-Length: 1000000\r\n\r\nfirst")
    answer = b""
    while data := await stream.read():
        answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"connection: close" in head.lower().split(b"\r\n")
    assert body == b"Access denied\r\n"


async def test_an_answer_before_the_whole_request_ends_the_upload() -> None:
    cluster, server = await behind_envoy(policy=POSTS)

    async def full(stream: ByteStream) -> None:
        await stream.read()
        await stream.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await stream.close()

    cluster.datapath.plane.pods[server].listeners[80] = full
    stream = await cluster.sockets("client").connect(server, 80)
    await stream.write(b"POST /api HTTP/1.1\r\nHost: server\r\nContent-Length: 1000000\r\n\r\nfirst")
    answer = await stream.read()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()
