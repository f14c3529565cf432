"""Relay: there while one of its pods runs, with the flows of all nodes in order of time."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import grpc
import pytest

from lab_helpers.hubble.protos import observer_pb2, observer_pb2_grpc
from lab_helpers.twin.interfaces import ConnectionFailed
from lab_helpers.twin.relay.programs import relay_program
from lab_helpers.twin.relay.relays import Relay
from tests.twin.agent.clusters import CONTROL, N1, N2, Cluster, echo, request
from tests.twin.agent.processes import FakeProcess


async def flows(channel: grpc.aio.Channel, number: int = 100) -> list[observer_pb2.GetFlowsResponse]:
    stub = observer_pb2_grpc.ObserverStub(channel)
    return [item async for item in stub.GetFlows(observer_pb2.GetFlowsRequest(number=number)) if item.HasField("flow")]


@pytest.mark.parametrize("by_socket", [True, False])
async def test_flows_of_all_nodes_through_relay(tmp_path: Path, by_socket: bool) -> None:
    cluster = await Cluster().start()
    client, server = cluster.pod("client", N1), cluster.pod("server", N2)
    server.listen(80, echo)
    await cluster.settle()
    relay = Relay(cluster.agents, cluster.clock, tmp_path / "r.sock" if by_socket else None)
    await relay.start()
    assert not relay.serving
    leave = await relay.join("hubble-relay-1")
    await request(client, server.ip, 80)
    async with grpc.aio.insecure_channel(relay.target) as channel:
        found = await flows(channel)
        stub = observer_pb2_grpc.ObserverStub(channel)
        status = await stub.ServerStatus(observer_pb2.ServerStatusRequest())
    assert [item.node_name for item in found[:4]] == [N1, N2, N2, N1]
    times = [(item.flow.time.seconds, item.flow.time.nanos) for item in found]
    assert times == sorted(times)
    assert status.num_connected_nodes.value == 3
    assert status.max_flows == 3 * 4095
    await leave()
    assert not relay.serving
    await relay.stop()


async def test_the_relay_pod_carries_grpc_through_its_port(tmp_path: Path) -> None:
    cluster = await Cluster().start()
    relay = Relay(cluster.agents, cluster.clock, tmp_path / "r.sock")
    await relay.start()
    process = FakeProcess(cluster, N1, ["hubble-relay", "serve"], image="quay.io/cilium/hubble-relay:v1.20.2")
    task = process.start(relay_program(cluster.agents, relay))
    while not process.serving:  # noqa: ASYNC110 - nobody else hears of it
        await asyncio.sleep(0.01)
    stream = await cluster.datapath.node(N1).connect("127.0.0.1", 4245)
    await stream.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
    assert len(await stream.read()) >= 9
    await stream.close()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    with pytest.raises(ConnectionFailed):
        await cluster.datapath.node(N1).connect("127.0.0.1", 4245)
    await relay.stop()


async def test_a_relay_waits_until_some_agent_has_hubble(tmp_path: Path) -> None:
    cluster = await Cluster({"enable-hubble": "false"}).start()
    relay = Relay(cluster.agents, cluster.clock, tmp_path / "r.sock")
    process = FakeProcess(cluster, N1, ["hubble-relay", "serve"], image="quay.io/cilium/hubble-relay:v1.20.2")
    task = process.start(relay_program(cluster.agents, relay))
    await cluster.clock.advance(5)
    assert not process.serving
    assert "Failed to create peer client" in process.errors
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_node_without_agent_is_unavailable(tmp_path: Path) -> None:
    cluster = await Cluster().start()
    relay = Relay(cluster.agents, cluster.clock, tmp_path / "r.sock")
    await relay.start()
    leave = await relay.join("hubble-relay-1")
    async with grpc.aio.insecure_channel(relay.target) as channel:
        stub = observer_pb2_grpc.ObserverStub(channel)
        await stub.GetNodes(observer_pb2.GetNodesRequest())
        cluster.agents.nodes[CONTROL].stop()
        status = await stub.ServerStatus(observer_pb2.ServerStatusRequest())
    assert list(status.unavailable_nodes) == [CONTROL]
    await leave()


async def test_a_follower_of_a_relay_that_goes_reads_the_end_of_the_connection(tmp_path: Path) -> None:
    cluster = await Cluster().start()
    relay = Relay(cluster.agents, cluster.clock, tmp_path / "r.sock")
    await relay.start()
    leave = await relay.join("hubble-relay-1")
    async with grpc.aio.insecure_channel(relay.target) as channel:
        call = observer_pb2_grpc.ObserverStub(channel).GetFlows(observer_pb2.GetFlowsRequest(follow=True))
        assert (await call.read()).node_status.state_change
        await leave()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert raised.value.details() == "error reading from server: EOF"


async def test_each_agent_has_its_own_flows_and_the_relay_has_all(tmp_path: Path) -> None:
    cluster = await Cluster().start()
    client, server = cluster.pod("client", N1), cluster.pod("server", N2)
    server.listen(80, echo)
    await cluster.settle()
    relay = Relay(cluster.agents, cluster.clock, tmp_path / "r.sock")
    await relay.start()
    leave = await relay.join("hubble-relay-1")
    await request(client, server.ip, 80)
    async with grpc.aio.insecure_channel(relay.target) as channel:
        merged = [item.flow for item in await flows(channel)]
    await leave()
    for node in (N1, N2):
        log = cluster.agents.nodes[node].hubble
        assert log is not None
        own = [entry.event.flow for entry in log.flows.window(0)]
        assert {flow.node_name for flow in own} == {node}
        seen = [flow.uuid for flow in merged if flow.node_name == node]
        assert seen
        assert seen == [flow.uuid for flow in own][: len(seen)]
