"""One request, and exactly the flows Cilium reports about it (monitor aggregation medium)."""

from __future__ import annotations

import contextlib

import pytest

from lab_helpers.twin.interfaces import ConnectionFailed
from tests.twin.agent.clusters import CONTROL, N1, N2, Cluster, echo, request

ALLOW_CLIENT = {
    "endpointSelector": {"matchLabels": {"app": "server"}},
    "ingress": [
        {
            "fromEndpoints": [{"matchLabels": {"app": "client"}}],
            "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}],
        }
    ],
}
EGRESS_TO_SERVER = {
    "endpointSelector": {"matchLabels": {"app": "client"}},
    "egress": [
        {
            "toEndpoints": [{"matchLabels": {"app": "server"}}],
            "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}],
        }
    ],
}


def deny_all(app: str, direction: str) -> dict[str, object]:
    return {"endpointSelector": {"matchLabels": {"app": app}}, direction: [{}]}


async def pair(server_node: str, config: dict[str, str] | None = None) -> Cluster:
    cluster = await Cluster(config).start()
    cluster.pod("client", N1)
    cluster.pod("server", server_node).listen(80, echo)
    await cluster.settle()
    return cluster


async def run(cluster: Cluster, timeout: float | None = None) -> list[str]:
    """One request from client to server; the flows."""
    cluster.flows.clear()
    with contextlib.suppress(ConnectionFailed):
        await cluster.within(request(cluster.sockets("client"), cluster.sockets("server").ip, 80, timeout=timeout))
    await cluster.settle()
    return cluster.lines()


SAME_NODE = [
    "[n1] client -> server:80 to-endpoint INGRESS FORWARDED (SYN)",
    "[n1] client <- server:80 to-endpoint EGRESS FORWARDED (SYN, ACK)",
    "[n1] client -> server:80 to-endpoint INGRESS FORWARDED (ACK)",
    "[n1] client -> server:80 to-endpoint INGRESS FORWARDED (ACK, PSH)",
    "[n1] client <- server:80 to-endpoint EGRESS FORWARDED (ACK, PSH)",
    "[n1] client -> server:80 to-endpoint INGRESS FORWARDED (ACK, FIN)",
    "[n1] client <- server:80 to-endpoint EGRESS FORWARDED (ACK, FIN)",
]


async def test_allowed_on_the_same_node() -> None:
    assert await run(await pair(N1)) == SAME_NODE


async def test_policy_on_both_ends_adds_a_verdict_for_each_enforced_direction() -> None:
    cluster = await pair(N1)
    cluster.cnp("ingress", ALLOW_CLIENT)
    await cluster.settle()
    ingress = "[n1] client -> server:80 policy-verdict:L3-L4 INGRESS FORWARDED (SYN)"
    assert await run(cluster) == [ingress, *SAME_NODE]
    cluster.cnp("egress", EGRESS_TO_SERVER)
    await cluster.settle()
    egress = "[n1] client -> server:80 policy-verdict:L3-L4 EGRESS FORWARDED (SYN)"
    assert await run(cluster) == [egress, ingress, *SAME_NODE]


async def test_allowed_across_nodes() -> None:
    cluster = await pair(N2)
    cluster.cnp("ingress", ALLOW_CLIENT)
    cluster.cnp("egress", EGRESS_TO_SERVER)
    await cluster.settle()
    forward = [
        line
        for flags in ("ACK", "ACK, PSH", "ACK, FIN")
        for line in (
            f"[n1] client -> server:80 to-overlay EGRESS FORWARDED ({flags})",
            f"[n2] client -> server:80 to-endpoint INGRESS FORWARDED ({flags})",
        )
    ]
    found = await run(cluster)
    assert found[:8] == [
        "[n1] client -> server:80 policy-verdict:L3-L4 EGRESS FORWARDED (SYN)",
        "[n1] client -> server:80 to-overlay EGRESS FORWARDED (SYN)",
        "[n2] client -> server:80 policy-verdict:L3-L4 INGRESS FORWARDED (SYN)",
        "[n2] client -> server:80 to-endpoint INGRESS FORWARDED (SYN)",
        "[n2] client <- server:80 to-overlay INGRESS FORWARDED (SYN, ACK)",
        "[n1] client <- server:80 to-endpoint EGRESS FORWARDED (SYN, ACK)",
        forward[0],
        forward[1],
    ]
    assert [line for line in found[6:] if "->" in line] == forward


@pytest.mark.parametrize(
    ("config", "point"),
    [
        ({"routing-mode": "native"}, "to-stack"),
        ({"routing-mode": "native", "enable-bpf-masquerade": "true"}, "to-network"),
        ({"routing-mode": "tunnel", "tunnel-protocol": "geneve"}, "to-overlay"),
    ],
)
async def test_the_way_between_nodes_follows_the_routing_mode(config: dict[str, str], point: str) -> None:
    found = await run(await pair(N2, config))
    assert found[0] == f"[n1] client -> server:80 {point} EGRESS FORWARDED (SYN)"


async def test_denied_ingress_on_another_node_is_repeated_with_every_retransmission() -> None:
    cluster = await pair(N2)
    cluster.cnp("deny", deny_all("server", "ingress"))
    await cluster.settle()
    denied = [
        "[n2] client <> server:80 policy-verdict:none INGRESS DROPPED (SYN)",
        "[n2] client <> server:80 drop:133 INGRESS DROPPED (SYN)",
    ]
    found = await run(cluster, timeout=10)
    # SYNs at 0, 1, 3, 7 s; the source node reports a live connection again only after 5 s
    assert found == [
        "[n1] client -> server:80 to-overlay EGRESS FORWARDED (SYN)",
        *denied * 3,
        "[n1] client -> server:80 to-overlay EGRESS FORWARDED (SYN)",
        *denied,
    ]


async def test_an_explicit_deny_names_what_matched() -> None:
    cluster = await pair(N1)
    cluster.cnp(
        "deny",
        {
            "endpointSelector": {"matchLabels": {"app": "server"}},
            "ingressDeny": [
                {
                    "fromEndpoints": [{"matchLabels": {"app": "client"}}],
                    "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}],
                }
            ],
        },
    )
    await cluster.settle()
    found = await run(cluster, timeout=0.5)
    assert found == [
        "[n1] client <> server:80 policy-verdict:L3-L4 INGRESS DROPPED (SYN)",
        "[n1] client <> server:80 drop:181 INGRESS DROPPED (SYN)",
    ]


async def test_denied_egress_is_seen_on_the_clients_node_only() -> None:
    cluster = await pair(N2)
    cluster.cnp("deny", deny_all("client", "egress"))
    await cluster.settle()
    assert await run(cluster, timeout=0.5) == [
        "[n1] client <> server:80 policy-verdict:none EGRESS DROPPED (SYN)",
        "[n1] client <> server:80 drop:133 EGRESS DROPPED (SYN)",
    ]


async def test_nobody_listens() -> None:
    cluster = await Cluster().start()
    client, server = cluster.pod("client", N1), cluster.pod("server", N1)
    with pytest.raises(ConnectionFailed) as refused:
        await client.connect(server.ip, 81)
    assert refused.value.errno == "ECONNREFUSED"
    assert cluster.lines() == [
        "[n1] client -> server:81 to-endpoint INGRESS FORWARDED (SYN)",
        "[n1] client <- server:81 to-endpoint EGRESS FORWARDED (ACK, RST)",
    ]


async def test_a_service_call_with_the_socket_load_balancer() -> None:
    cluster = await pair(N1, {"kube-proxy-replacement": "true"})
    server = cluster.sockets("server")
    ip = cluster.service("web", 8080, {server.ip: N1}, target=80)
    await cluster.settle()
    cluster.flows.clear()
    stream = await cluster.sockets("client").connect(ip, 8080)
    assert stream.remote == (ip, 8080)
    assert cluster.flows[0].destination_service.name == "web"
    assert cluster.flows[0].l4.TCP.source_port == 0
    assert cluster.lines() == [
        f"[n1] client <> {ip}:8080 pre-xlate-fwd TRACED (TCP)",
        "[n1] client <> server:80 post-xlate-fwd TRANSLATED (TCP)",
        *SAME_NODE[:3],
    ]


async def test_a_service_call_without_it_is_translated_in_the_pods_program() -> None:
    cluster = await pair(N1)
    ip = cluster.service("web", 8080, {cluster.sockets("server").ip: N1}, target=80)
    await cluster.settle()
    cluster.flows.clear()
    await cluster.sockets("client").connect(ip, 8080)
    assert cluster.flows[1].IP.source_xlated == ip
    assert cluster.lines() == SAME_NODE[:3]


@pytest.mark.parametrize("kpr", ["true", "false"])
async def test_a_service_without_backends(kpr: str) -> None:
    cluster = await pair(N1, {"kube-proxy-replacement": kpr})
    ip = cluster.service("web", 8080, {}, target=80)
    await cluster.settle()
    cluster.flows.clear()
    with pytest.raises(ConnectionFailed) as failed:
        await cluster.within(cluster.sockets("client").connect(ip, 8080, timeout=0.5))
    if kpr == "true":
        assert failed.value.errno == "EHOSTUNREACH"
        assert cluster.lines() == []
    else:
        assert failed.value.errno == "ETIMEDOUT"
        assert cluster.lines() == [f"[n1] client <> {ip}:8080 drop:158 EGRESS DROPPED (SYN)"]


@pytest.mark.parametrize(("masquerade", "point"), [("false", "to-stack"), ("true", "to-network")])
async def test_pod_to_the_internet(masquerade: str, point: str) -> None:
    cluster = await pair(N1, {"enable-bpf-masquerade": masquerade})
    outside = cluster.datapath.outside("1.1.1.1")
    outside.listen(443, echo)
    stream = await cluster.sockets("client").connect("1.1.1.1", 443)
    assert stream.peer is not None
    assert stream.peer.remote[0] == "172.18.0.3"
    assert cluster.flows[0].destination.identity == 2
    assert cluster.lines() == [
        f"[n1] client -> 1.1.1.1:443 {point} EGRESS FORWARDED (SYN)",
        "[n1] client <- 1.1.1.1:443 to-endpoint EGRESS FORWARDED (SYN, ACK)",
        f"[n1] client -> 1.1.1.1:443 {point} EGRESS FORWARDED (ACK)",
    ]


@pytest.mark.parametrize(("node", "identity"), [(N1, 1), (N2, 6), (CONTROL, 7)])
async def test_a_node_reaches_pods_with_its_own_identity(node: str, identity: int) -> None:
    cluster = await pair(N1)
    cluster.flows.clear()
    await cluster.datapath.node(node).connect(cluster.sockets("server").ip, 80)
    first = next(flow for flow in cluster.flows if flow.node_name == N1)
    assert first.source.identity == identity
    router = cluster.agents.nodes[node].tables.router_ip
    assert first.IP.source == router
    assert cluster.line(first) == f"[n1] {router} -> server:80 to-endpoint INGRESS FORWARDED (SYN)"


async def test_ping() -> None:
    cluster = await pair(N1)
    client, server = cluster.sockets("client"), cluster.sockets("server")
    assert 0 < await client.ping(server.ip, sequence=1, timeout=1) < 0.01
    assert cluster.lines() == [
        "[n1] client -> server to-endpoint INGRESS FORWARDED (ICMPv4 EchoRequest)",
        "[n1] client <- server to-endpoint EGRESS FORWARDED (ICMPv4 EchoReply)",
    ]
    await client.ping(server.ip, sequence=2, timeout=1)
    assert cluster.lines() == []
    await cluster.clock.advance(6)
    await client.ping(server.ip, sequence=3, timeout=1)
    assert len(cluster.lines()) == 2


async def test_audit_mode_reports_and_forwards() -> None:
    cluster = await pair(N1, {"policy-audit-mode": "true"})
    cluster.cnp("deny", deny_all("server", "ingress"))
    await cluster.settle()
    found = await run(cluster)
    assert found == ["[n1] client -> server:80 policy-verdict:none INGRESS AUDIT (SYN)", *SAME_NODE]


async def test_udp() -> None:
    cluster = await pair(N2)

    async def answer(payload: bytes, _: tuple[str, int]) -> bytes:
        return payload.upper()

    cluster.sockets("server").bind(53, answer)
    server = cluster.sockets("server").ip
    assert await cluster.sockets("client").exchange(server, 53, b"hi", timeout=1) == b"HI"
    assert cluster.lines() == [
        "[n1] client -> server:53 to-overlay EGRESS FORWARDED (UDP)",
        "[n2] client -> server:53 to-endpoint INGRESS FORWARDED (UDP)",
        "[n2] client <- server:53 to-overlay INGRESS FORWARDED (UDP)",
        "[n1] client <- server:53 to-endpoint EGRESS FORWARDED (UDP)",
    ]
    with pytest.raises(ConnectionFailed) as refused:
        await cluster.sockets("client").exchange(server, 54, b"hi", timeout=1)
    assert refused.value.errno == "ECONNREFUSED"


async def test_udp_through_the_socket_load_balancer_is_translated_back() -> None:
    cluster = await pair(N1, {"kube-proxy-replacement": "true"})

    async def answer(payload: bytes, _: tuple[str, int]) -> bytes:
        return payload

    server = cluster.sockets("server")
    server.bind(53, answer)
    ip = cluster.service("dns", 53, {server.ip: N1}, target=53, port_fields={"protocol": "UDP"})
    await cluster.settle()
    cluster.flows.clear()
    await cluster.sockets("client").exchange(ip, 53, b"hi", timeout=1)
    assert [line.split(" ", 4)[4] for line in cluster.lines() if "xlate" in line] == [
        "pre-xlate-fwd TRACED (UDP)",
        "post-xlate-fwd TRANSLATED (UDP)",
        "pre-xlate-rev TRACED (UDP)",
        "post-xlate-rev TRANSLATED (UDP)",
    ]


async def test_the_denied_client_may_get_an_icmp_answer() -> None:
    cluster = await pair(N1, {"policy-deny-response": "icmp"})
    cluster.cnp("deny", deny_all("client", "egress"))
    await cluster.settle()
    with pytest.raises(ConnectionFailed) as failed:
        await cluster.sockets("client").connect(cluster.sockets("server").ip, 80)
    assert failed.value.errno == "EHOSTUNREACH"
