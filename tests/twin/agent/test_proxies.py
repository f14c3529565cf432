"""Layer 7: what Envoy and the DNS proxy let pass, and what Hubble says about it."""

from __future__ import annotations

import dns.message
import dns.rcode
import dns.rrset
import pytest

from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed
from tests.twin.agent.clusters import N1, N2, Cluster, echo

HTTP = {
    "endpointSelector": {"matchLabels": {"app": "server"}},
    "ingress": [
        {
            "fromEndpoints": [{"matchLabels": {"app": "client"}}],
            "toPorts": [
                {
                    "ports": [{"port": "80", "protocol": "TCP"}],
                    "rules": {"http": [{"method": "GET", "path": "/api/.*"}]},
                }
            ],
        }
    ],
}
DNS_AND_NAMES = {
    "endpointSelector": {"matchLabels": {"app": "client"}},
    "egress": [
        {
            "toEndpoints": [{"matchLabels": {"app": "dns"}}],
            "toPorts": [
                {"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*.stripe.com"}]}}
            ],
        },
        {"toFQDNs": [{"matchName": "api.stripe.com"}], "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}]},
    ],
}


async def shop(stream: ByteStream) -> None:
    """A server that keeps its connection and answers 200 with the request line's target."""
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            data = await stream.read()
            if not data:
                await stream.close()
                return
            buffer += data
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        target = head.split(b" ")[1]
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(target), target))


async def ask(stream: ByteStream, method: str, path: str) -> tuple[int, bytes]:
    await stream.write(f"{method} {path} HTTP/1.1\r\nHost: server\r\nUser-Agent: test\r\n\r\n".encode())
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        buffer += await stream.read()
    head, _, body = buffer.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += await stream.read()
    return int(head.split(b" ")[1]), body


async def test_http_requests_are_judged_one_by_one_on_a_kept_connection() -> None:
    cluster = await Cluster().start()
    client, server = cluster.pod("client", N1), cluster.pod("server", N2)
    server.listen(80, shop)
    cluster.cnp("http", HTTP)
    await cluster.settle()
    cluster.flows.clear()
    stream = await client.connect(server.ip, 80)
    assert await ask(stream, "GET", "/api/products") == (200, b"/api/products")
    assert await ask(stream, "POST", "/api/products") == (403, b"Access denied\r\n")
    assert await ask(stream, "GET", "/api/orders") == (200, b"/api/orders")
    await stream.close()
    await cluster.settle()
    found = cluster.lines()
    assert found[:9] == [
        "[n1] client -> server:80 to-overlay EGRESS FORWARDED (SYN)",
        "[n2] client -> server:80 policy-verdict:L3-L4 INGRESS REDIRECTED (SYN)",
        "[n2] client -> server:80 to-proxy INGRESS FORWARDED (SYN)",
        "[n2] server:80 <> client to-overlay FORWARDED (SYN, ACK)",
        "[n1] client <- server:80 to-endpoint EGRESS FORWARDED (SYN, ACK)",
        "[n1] client -> server:80 to-overlay EGRESS FORWARDED (ACK)",
        "[n2] client -> server:80 to-proxy INGRESS FORWARDED (ACK)",
        "[n1] client -> server:80 to-overlay EGRESS FORWARDED (ACK, PSH)",
        "[n2] client -> server:80 to-proxy INGRESS FORWARDED (ACK, PSH)",
    ]
    assert [line for line in found if " l7 " in line] == [
        "[n2] client -> server:80 l7 INGRESS FORWARDED (HTTP/1.1 GET http://server/api/products)",
        "[n2] client <- server:80 l7 INGRESS FORWARDED (HTTP/1.1 200 0ms (GET http://server/api/products))",
        "[n2] client -> server:80 l7 INGRESS DROPPED (HTTP/1.1 POST http://server/api/products)",
        "[n2] client <- server:80 l7 INGRESS FORWARDED (HTTP/1.1 403 0ms (POST http://server/api/products))",
        "[n2] client -> server:80 l7 INGRESS FORWARDED (HTTP/1.1 GET http://server/api/orders)",
        "[n2] client <- server:80 l7 INGRESS FORWARDED (HTTP/1.1 200 0ms (GET http://server/api/orders))",
    ]


async def test_a_policy_change_reaches_requests_of_an_open_connection() -> None:
    cluster = await Cluster().start()
    client, server = cluster.pod("client", N1), cluster.pod("server", N1)
    server.listen(80, shop)
    cluster.cnp("http", HTTP)
    await cluster.settle()
    stream = await client.connect(server.ip, 80)
    assert (await ask(stream, "GET", "/admin"))[0] == 403
    wider = {
        **HTTP,
        "ingress": [
            {
                **HTTP["ingress"][0],
                "toPorts": [{**HTTP["ingress"][0]["toPorts"][0], "rules": {"http": [{"path": "/admin"}]}}],
            }
        ],
    }  # type: ignore[index]
    cluster.cnp("http", wider)
    await cluster.settle()
    assert (await ask(stream, "GET", "/admin"))[0] == 200
    assert (await ask(stream, "GET", "/api/x"))[0] == 403


async def test_http_on_egress_and_ingress_passes_two_proxies() -> None:
    cluster = await Cluster().start()
    client, server = cluster.pod("client", N1), cluster.pod("server", N2)
    server.listen(80, shop)
    cluster.cnp("http", HTTP)
    rule = HTTP["ingress"][0]["toPorts"]  # type: ignore[index]
    cluster.cnp(
        "egress",
        {
            "endpointSelector": {"matchLabels": {"app": "client"}},
            "egress": [{"toEndpoints": [{"matchLabels": {"app": "server"}}], "toPorts": rule}],
        },
    )
    await cluster.settle()
    cluster.flows.clear()
    stream = await client.connect(server.ip, 80)
    assert (await ask(stream, "GET", "/api/x"))[0] == 200
    layers = [line.split(" ")[0] for line in cluster.lines() if " l7 " in line]
    assert layers == ["[n1]", "[n2]", "[n2]", "[n1]"]


async def test_what_is_no_http_gets_400_and_an_absent_server_503() -> None:
    cluster = await Cluster().start()
    client, server = cluster.pod("client", N1), cluster.pod("server", N1)
    cluster.cnp("http", HTTP)
    await cluster.settle()
    stream = await client.connect(server.ip, 80)
    assert (await ask(stream, "GET", "/api/x"))[0] == 503
    other = await client.connect(server.ip, 80)
    await other.write(b"\x16\x03\x01 hello\r\n\r\n")
    assert (await other.read()).startswith(b"HTTP/1.1 400")
    assert await other.read() == b""


async def test_a_head_may_have_sixty_kibibytes() -> None:
    cluster = await Cluster().start()
    client, server = cluster.pod("client", N1), cluster.pod("server", N1)
    server.listen(80, shop)
    cluster.cnp("http", HTTP)
    await cluster.settle()
    long = await client.connect(server.ip, 80)
    assert (await ask(long, "GET", "/api/" + 40_000 * "x"))[0] == 200
    longer = await client.connect(server.ip, 80)
    await longer.write(b"GET /api/" + 62_000 * b"x")
    answer = b""
    while data := await longer.read():
        answer += data
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert answer.endswith(b"\r\n\r\nRequest Header Fields Too Large")


async def names(cluster: Cluster) -> None:
    """A resolver pod and a host outside that has a name."""

    async def answer(payload: bytes, _: tuple[str, int]) -> bytes:
        query = dns.message.from_wire(payload)
        reply = dns.message.make_response(query)
        name = query.question[0].name.to_text()
        if name == "api.stripe.com.":
            reply.answer.append(dns.rrset.from_text(name, 30, "IN", "A", "203.0.113.10"))
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()

    cluster.pod("dns", N2).bind(53, answer)
    cluster.datapath.outside("203.0.113.10").listen(443, echo)
    cluster.pod("client", N1)
    cluster.cnp("names", DNS_AND_NAMES)
    await cluster.settle()
    cluster.flows.clear()


async def lookup(cluster: Cluster, name: str) -> dns.message.Message:
    query = dns.message.make_query(name, "A")
    resolver = cluster.sockets("dns").ip
    return dns.message.from_wire(await cluster.sockets("client").exchange(resolver, 53, query.to_wire(), timeout=2))


async def connects(cluster: Cluster) -> bool:
    try:
        stream = await cluster.within(cluster.sockets("client").connect("203.0.113.10", 443, timeout=1))
    except ConnectionFailed:
        return False
    await stream.close()
    await cluster.settle()
    return True


async def test_a_name_must_be_asked_for_before_its_address_is_open() -> None:
    cluster = await Cluster().start()
    await names(cluster)
    assert not await connects(cluster)
    cluster.flows.clear()
    answer = await lookup(cluster, "api.stripe.com.")
    assert answer.answer[0][0].to_text() == "203.0.113.10"
    found = cluster.lines()
    assert [line for line in found if line.startswith("[n1]")][:4] == [
        "[n1] client -> dns:53 policy-verdict:L3-L4 EGRESS REDIRECTED (UDP)",
        "[n1] client -> dns:53 to-proxy EGRESS FORWARDED (UDP)",
        "[n1] client -> dns:53 l7 EGRESS FORWARDED (DNS Query api.stripe.com. A)",
        "[n1] client <> dns:53 to-overlay FORWARDED (UDP)",
    ]
    assert (
        '[n1] client <- dns:53 l7 EGRESS FORWARDED (DNS Answer "203.0.113.10" TTL: 30 (Proxy api.stripe.com. A))'
        in found
    )
    assert await connects(cluster)
    flow = next(flow for flow in cluster.flows if flow.event_type.type == 5)
    assert flow.destination.identity >= 16777217
    assert "fqdn:api.stripe.com" in flow.destination.labels
    assert list(flow.destination_names) == ["api.stripe.com"]


async def test_an_address_of_version_6_does_not_keep_the_others_from_their_names() -> None:
    cluster = await Cluster().start()
    await names(cluster)
    agent = cluster.agents.agent(N1)
    agent.names.learn(1, "api.stripe.com.", ["2001:db8::10", "203.0.113.10"], 30)
    assert await connects(cluster)
    assert {ip for ip, _ in agent.tables.ipcache if ":" in ip} == set()


async def test_names_that_no_rule_allows_are_refused_at_once() -> None:
    cluster = await Cluster().start()
    await names(cluster)
    answer = await lookup(cluster, "example.com.")
    assert answer.rcode() == dns.rcode.REFUSED
    assert "[n1] client -> dns:53 l7 EGRESS DROPPED (DNS Query example.com. A)" in cluster.lines()


async def test_an_address_closes_after_its_ttl_and_the_garbage_collector() -> None:
    cluster = await Cluster().start()
    await names(cluster)
    await lookup(cluster, "api.stripe.com.")
    await cluster.clock.advance(50)
    assert await connects(cluster)
    await cluster.clock.advance(150)
    assert not await connects(cluster)


async def test_an_open_connection_keeps_its_address_alive() -> None:
    cluster = await Cluster().start()
    await names(cluster)
    await lookup(cluster, "api.stripe.com.")
    stream = await cluster.sockets("client").connect("203.0.113.10", 443)
    for _ in range(20):
        await cluster.clock.advance(60)
        await stream.write(b"ping")
        assert await stream.read() == b"ping"
    assert await connects(cluster)
    rows = list(cluster.agents.nodes[N1].names.rows())
    assert [row.source for row in rows] == ["connection"]


async def test_a_second_pod_of_the_node_may_use_what_the_first_one_learned() -> None:
    cluster = await Cluster().start()
    await names(cluster)
    second = cluster.pod("second", N1, labels={"app": "client"})
    await lookup(cluster, "api.stripe.com.")
    stream = await second.connect("203.0.113.10", 443)
    await stream.close()


async def test_the_dns_proxy_is_silent_while_the_agent_is_down() -> None:
    cluster = await Cluster().start()
    await names(cluster)
    await lookup(cluster, "api.stripe.com.")
    cluster.agents.nodes[N1].stop()
    with pytest.raises(ConnectionFailed) as failed:
        await cluster.within(lookup(cluster, "api.stripe.com."))
    assert failed.value.errno == "ETIMEDOUT"
    assert await connects(cluster)
