"""What holds an open connection up, and what cuts it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.datapath.conntrack import CLOSE_LIFETIME, SYN_LIFETIME, TCP_LIFETIME, Conntrack, State
from lab_helpers.twin.datapath.packets import ACK, FIN, PSH, SYN, Packet
from lab_helpers.twin.datapath.settings import ConfigError, Settings, duration
from lab_helpers.twin.datapath.tables import Ipcache, IpcacheEntry
from lab_helpers.twin.interfaces import ConnectionFailed
from tests.twin.agent.clusters import N1, N2, Cluster, echo

DENY = {"endpointSelector": {"matchLabels": {"app": "server"}}, "ingress": [{}]}


async def connected(server_node: str = N2):  # type: ignore[no-untyped-def]
    cluster = await Cluster().start()
    client, server = cluster.pod("client", N1), cluster.pod("server", server_node)
    server.listen(80, echo)
    await cluster.settle()
    stream = await client.connect(server.ip, 80)
    return cluster, stream


async def test_an_idle_connection_lives_as_long_as_its_conntrack_entry() -> None:
    cluster, stream = await connected()
    await cluster.clock.advance(7000)
    cluster.cnp("deny", DENY)
    await cluster.settle()
    cluster.registry.delete("ciliumnetworkpolicies.cilium.io", "deny", "shop")
    await cluster.settle()
    await stream.write(b"x")
    assert await stream.read() == b"x"
    assert [line.split(" (")[1] for line in cluster.lines()][-2:] == ["ACK, PSH)", "ACK, PSH)"]


async def test_after_that_it_is_a_new_connection_for_policy() -> None:
    cluster, stream = await connected()
    await cluster.clock.advance(8100)
    cluster.flows.clear()
    await stream.write(b"x")
    assert cluster.flows[0].trace_reason == State.NEW


async def test_a_policy_that_forbids_cuts_an_open_connection_until_it_is_gone() -> None:
    cluster, stream = await connected()
    cluster.cnp("deny", DENY)
    await cluster.settle()
    cluster.flows.clear()

    async def talk() -> bytes:
        await stream.write(b"hello")
        return bytes(await stream.read())

    import asyncio

    task = asyncio.ensure_future(talk())
    await cluster.settle()
    await cluster.clock.advance(1)
    assert not task.done()
    drops = [line for line in cluster.lines() if "drop:133" in line]
    assert len(drops) >= 2
    cluster.registry.delete("ciliumnetworkpolicies.cilium.io", "deny", "shop")
    await cluster.settle()
    assert await cluster.within(task) == b"hello"


async def test_a_sender_gives_up_in_the_end() -> None:
    cluster, stream = await connected()
    cluster.cnp("deny", DENY)
    await cluster.settle()
    with pytest.raises(ConnectionFailed) as failed:
        await cluster.within(stream.write(b"hello"), seconds=1200)
    assert failed.value.errno == "ETIMEDOUT"


async def test_a_pod_that_goes_says_goodbye() -> None:
    cluster, stream = await connected()
    cluster.delete_pod("server")
    assert await stream.read() == b""
    assert "(ACK, FIN)" in cluster.lines()[-1]


async def test_packets_to_an_address_that_nobody_has_are_stale() -> None:
    cluster = await Cluster().start()
    client = cluster.pod("client", N1)
    with pytest.raises(ConnectionFailed):
        await cluster.within(client.connect("10.0.2.250", 80, timeout=0.5))
    assert [line.split(" ", 4)[4].split(" ")[0] for line in cluster.lines()] == ["to-stack", "drop:151"]


async def test_an_absent_neighbour_of_the_nodes_is_unreachable() -> None:
    cluster = await Cluster().start()
    with pytest.raises(ConnectionFailed) as failed:
        await cluster.within(cluster.datapath.node(N1).connect("172.18.0.99", 80))
    assert failed.value.errno == "EHOSTUNREACH"


async def test_syn_retransmission_gives_up_after_two_minutes() -> None:
    cluster = await Cluster().start()
    client = cluster.pod("client", N1)
    cluster.cnp("deny", {"endpointSelector": {}, "egress": [{}]})
    await cluster.settle()
    with pytest.raises(ConnectionFailed):
        await cluster.within(client.connect("1.1.1.1", 80), seconds=130)
    drops = [flow for flow in cluster.flows if flow.event_type.type == 1]
    moments = [flow.time.seconds - drops[0].time.seconds for flow in drops]
    assert moments == [0, 1, 3, 7, 15, 31, 63]


@pytest.mark.parametrize(("host", "errno"), [("2001:db8::7", "ENETUNREACH"), ("::1", "ECONNREFUSED")])
async def test_addresses_of_version_6_have_no_route(host: str, errno: str) -> None:
    cluster = await Cluster().start()
    client = cluster.pod("client", N1)
    for attempt in (
        client.connect(host, 80),
        client.exchange(host, 53, b"?", timeout=1),
        client.ping(host, sequence=1, timeout=1),
    ):
        with pytest.raises(ConnectionFailed) as caught:
            await attempt
        assert caught.value.errno == errno


async def test_within_a_pod_nothing_is_seen() -> None:
    cluster = await Cluster().start()
    client = cluster.pod("client", N1)
    client.listen(80, echo)
    stream = await client.connect("127.0.0.1", 80)
    await stream.write(b"x")
    assert await stream.read() == b"x"
    assert cluster.lines() == []


def packet(flags: int, *, back: bool = False) -> Packet:
    forward = Packet(Protocol.TCP, "10.0.0.1", 40000, "10.0.0.2", 80, flags)
    return forward.reply(flags) if back else forward


@pytest.mark.parametrize(
    ("steps", "lifetime"),
    [
        ([(SYN, False)], SYN_LIFETIME),
        ([(SYN, False), (SYN | ACK, True)], SYN_LIFETIME),
        ([(SYN, False), (SYN | ACK, True), (ACK, False)], TCP_LIFETIME),
        ([(SYN, False), (SYN | ACK, True), (ACK, False), (ACK | FIN, False)], TCP_LIFETIME),
        ([(SYN, False), (SYN | ACK, True), (ACK, False), (ACK | FIN, False), (ACK | FIN, True)], CLOSE_LIFETIME),
    ],
)
def test_lifetimes(steps: list[tuple[int, bool]], lifetime: float) -> None:
    table = Conntrack(lambda: 100.0)
    table.lookup(packet(SYN), Direction.EGRESS)
    entry = table.create(packet(steps[0][0]), Direction.EGRESS, identity=1)
    for flags, back in steps[1:]:
        found = table.lookup(packet(flags, back=back), Direction.INGRESS if back else Direction.EGRESS)
        assert found.state is (State.REPLY if back else State.ESTABLISHED)
    assert entry.expires == 100.0 + lifetime


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize(("late", "state"), [(-1, None), (0, State.NEW), (1, State.NEW)])
def test_an_expired_connection_is_a_new_one_to_either_side(back: bool, late: int, state: State | None) -> None:
    now = [100.0]
    table = Conntrack(lambda: now[0])
    table.create(packet(SYN), Direction.EGRESS, identity=1)
    now[0] += SYN_LIFETIME + late
    found = table.lookup(packet(ACK, back=back), Direction.INGRESS if back else Direction.EGRESS)
    assert found.state is (state or (State.REPLY if back else State.ESTABLISHED))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([ACK, ACK | PSH]), st.booleans(), st.floats(0, 10)), max_size=30))
def test_a_live_connection_is_reported_once_per_interval_and_flag(steps: list[tuple[int, bool, float]]) -> None:
    now = [0.0]
    table = Conntrack(lambda: now[0])
    table.create(packet(SYN), Direction.EGRESS, identity=1)
    seen = {False: SYN, True: 0}
    last = {False: 0.0, True: -1e9}
    for flags, back, wait in steps:
        now[0] += wait
        found = table.lookup(packet(flags, back=back), Direction.INGRESS if back else Direction.EGRESS)
        expected = bool(flags & ~seen[back]) or last[back] + 5.0 < now[0]
        assert found.monitor is expected
        if expected:
            seen[back] |= flags
            last[back] = now[0]


prefixes = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)).map(
    lambda pair: str(ipaddress.IPv4Network((pair[0] >> (32 - pair[1]) << (32 - pair[1]), pair[1])))
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(prefixes, st.integers(256, 70000), max_size=12), st.integers(0, 2**32 - 1), st.data())
def test_the_ipcache_finds_the_longest_prefix(entries: dict[str, int], address: int, data: st.DataObject) -> None:
    cache = Ipcache()
    for prefix, identity in entries.items():
        cache.upsert(prefix, IpcacheEntry(identity))
    removed = data.draw(st.sets(st.sampled_from(sorted(entries)))) if entries else set()
    for prefix in removed:
        cache.remove(prefix)
    ip = ipaddress.IPv4Address(address)
    networks = [ipaddress.IPv4Network(prefix) for prefix in entries if prefix not in removed]
    holding = [network for network in networks if ip in network]
    best = max(holding, key=lambda network: network.prefixlen, default=None)
    assert cache.lookup(str(ip)).identity == (2 if best is None else entries[str(best)])
    assert {prefix for prefix, _ in cache} == {str(network) for network in networks}


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5.0), ("1m30s", 90.0), ("100ms", 0.1), ("2h", 7200.0), ("0", 0.0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "data",
    [
        {"kube-proxy-replacement": "strict"},
        {"hubble-event-buffer-capacity": "4096"},
        {"monitor-aggregation-interval": "5"},
        {"enable-policy": "sometimes"},
        {"routing-mode": "direct"},
    ],
)
def test_values_the_agent_refuses_are_named(data: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(data))):
        Settings.from_config_map(data)
