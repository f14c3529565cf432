"""Servers and the client: agent view, relay view, following, losing, failing."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from lab_helpers.hubble.client import ALL, HubbleClient
from lab_helpers.hubble.errors import CallError
from lab_helpers.hubble.protos import flow_pb2, observer_pb2, peer_pb2, relay_pb2
from lab_helpers.hubble.serving import NodeLog, Peer, RelayNode, add_agent, add_relay

from .conftest import NOON, make_flow, serving


def log(name: str = "kind-worker", seconds: tuple[int, ...] = (0, 1, 2), capacity: int = 100) -> NodeLog:
    made = NodeLog(name, clock=lambda: NOON + 10**10, capacity=capacity, version="cilium v1.19.4")
    for second in seconds:
        made.add_flow(make_flow(second, node_name=name, uuid=f"{name}-{second}"))
    return made


def uuids(responses: Any) -> list[str]:
    return [response.flow.uuid for response in responses]


def test_an_agent_answers() -> None:
    made = log()
    lost = flow_pb2.LostEvent(source=flow_pb2.PERF_EVENT_RING_BUFFER, num_events_lost=5, cpu={"value": 1})
    made.flows.append(made.clock(), lost)
    peers = [Peer("kind-worker", "172.18.0.3:4244", "kind-worker.hubble")]
    with (
        serving(lambda server: add_agent(server, made, peers=lambda: peers)) as (address, _),
        HubbleClient(address) as client,
    ):
        assert client.health() == 1
        status = client.status()
        assert (status.num_flows, status.max_flows, status.seen_flows, status.version) == (4, 100, 3, "cilium v1.19.4")
        assert status.flows_rate > 0
        assert [(space.cluster, space.namespace) for space in client.namespaces()] == [("", "shop")]
        assert uuids(client.flows()) == ["kind-worker-0", "kind-worker-1", "kind-worker-2"]
        assert uuids(client.flows(last=1)) == ["kind-worker-2"]
        assert uuids(client.flows(first=1)) == ["kind-worker-0"]
        assert uuids(client.flows(since=NOON + 2 * 10**9)) == ["kind-worker-2"]
        assert uuids(client.flows(deny=[flow_pb2.FlowFilter(source_pod=["shop/"])])) == []
        kinds = [response.WhichOneof("response_types") for response in client.flows(last=ALL, everything=True)]
        assert kinds == ["flow", "flow", "flow", "lost_events"]
        (masked,) = client.flows(last=1, paths=["uuid"])
        assert masked.flow == flow_pb2.Flow(uuid="kind-worker-2")
        added = next(client.peers())
        assert (added.type, added.name, added.tls.server_name) == (
            peer_pb2.PEER_ADDED,
            "kind-worker",
            "kind-worker.hubble",
        )
        with pytest.raises(CallError) as caught:
            client.nodes()
        assert caught.value.code == "Unimplemented"


@pytest.mark.parametrize(
    ("request_", "code", "details"),
    [
        (
            observer_pb2.GetFlowsRequest(first=True, follow=True),
            "InvalidArgument",
            "first cannot be specified with follow",
        ),
        (
            observer_pb2.GetFlowsRequest(whitelist=[flow_pb2.FlowFilter(protocol=["x"])]),
            "Unknown",
            'invalid protocol filter: unknown protocol: "x"',
        ),
        (observer_pb2.GetFlowsRequest(field_mask={"paths": ["nope"]}), "Unknown", "invalid fieldmask"),
    ],
)
def test_refused_requests(request_: Any, code: str, details: str) -> None:
    with (
        serving(lambda server: add_agent(server, log(), peers=list)) as (address, _),
        HubbleClient(address) as client,
        pytest.raises(CallError) as caught,
    ):
        list(client.get_flows(request_))
    assert (caught.value.code, caught.value.details) == (code, details)


def test_a_relay_has_no_peers_of_its_own() -> None:
    with (
        serving(lambda server: add_relay(server, list, name="relay", clock=lambda: NOON)) as (address, _),
        HubbleClient(address) as client,
        pytest.raises(CallError) as caught,
    ):
        next(client.peers())
    assert (caught.value.code, caught.value.details) == ("Unimplemented", "unknown service peer.Peer")


def test_agent_events() -> None:
    made = log()
    made.add_agent_event(flow_pb2.AgentEvent(type=flow_pb2.AGENT_STARTED))
    made.debug_events.append(made.clock(), flow_pb2.DebugEvent(message="x"))
    with (
        serving(lambda server: add_agent(server, made, peers=list)) as (address, _),
        HubbleClient(address) as client,
    ):
        (event,) = client.agent_events(observer_pb2.GetAgentEventsRequest(number=20))
        assert (event.agent_event.type, event.node_name) == (flow_pb2.AGENT_STARTED, "kind-worker")
        (debug,) = client.debug_events(observer_pb2.GetDebugEventsRequest(number=20))
        assert debug.debug_event.message == "x"


def test_a_relay_merges_by_time() -> None:
    nodes = [
        RelayNode(log("a", (0, 2, 4)), "172.18.0.2:4244"),
        RelayNode(log("b", (1, 3)), "172.18.0.3:4244"),
        RelayNode(log("c", (9,)), "172.18.0.4:4244", available=False),
    ]
    with (
        serving(lambda server: add_relay(server, lambda: nodes, name="relay", clock=lambda: NOON)) as (address, _),
        HubbleClient(address) as client,
    ):
        first, second, *flows = client.flows(last=ALL, everything=True)
        assert (first.node_status.state_change, list(first.node_status.node_names)) == (
            relay_pb2.NODE_CONNECTED,
            ["a", "b"],
        )
        assert (second.node_status.state_change, list(second.node_status.node_names)) == (
            relay_pb2.NODE_UNAVAILABLE,
            ["c"],
        )
        assert uuids(flows) == ["a-0", "b-1", "a-2", "b-3", "a-4"]
        assert [response.node_name for response in flows] == ["a", "b", "a", "b", "a"]
        assert uuids(client.flows(last=1)) == ["b-3", "a-4"], "the number is per node"
        status = client.status()
        assert (status.num_flows, status.num_connected_nodes.value, status.num_unavailable_nodes.value) == (5, 2, 1)
        assert list(status.unavailable_nodes) == ["c"]
        assert [(node.name, node.state, node.num_flows) for node in client.nodes()] == [
            ("a", relay_pb2.NODE_CONNECTED, 3),
            ("b", relay_pb2.NODE_CONNECTED, 2),
            ("c", relay_pb2.NODE_UNAVAILABLE, 0),
        ]
        with pytest.raises(CallError, match="Unimplemented"):
            list(client.agent_events(observer_pb2.GetAgentEventsRequest()))


def test_following_two_nodes_and_a_third_that_joins() -> None:
    nodes = [RelayNode(log("a", (0,))), RelayNode(log("b", ()))]
    with (
        serving(lambda server: add_relay(server, lambda: nodes, name="relay", clock=lambda: NOON)) as (address, run),
        HubbleClient(address) as client,
    ):
        stream = client.flows(last=1, follow=True, everything=True, timeout=120)
        assert next(stream).HasField("node_status")
        assert next(stream).flow.uuid == "a-0"
        run(lambda: nodes[1].log.add_flow(make_flow(5, uuid="b-5")))
        assert next(stream).flow.uuid == "b-5"
        joined = RelayNode(log("c", (6,)))
        run(lambda: nodes.append(joined))
        run(lambda: nodes[0].log.add_flow(make_flow(7, uuid="a-7")))
        assert list(next(stream).node_status.node_names) == ["c"]
        assert [next(stream).flow.uuid, next(stream).flow.uuid] == ["c-6", "a-7"]


def test_a_node_that_joins_in_silence_is_found() -> None:
    nodes: list[RelayNode] = []
    asked = threading.Event()

    def current() -> list[RelayNode]:
        asked.set()
        return nodes

    with (
        serving(lambda server: add_relay(server, current, name="relay", clock=lambda: NOON)) as (address, run),
        HubbleClient(address) as client,
    ):
        stream = client.get_flows(observer_pb2.GetFlowsRequest(follow=True), timeout=120)
        assert asked.wait(120)
        run(lambda: nodes.append(RelayNode(log("a", (0,)))))
        assert list(next(stream).node_status.node_names) == ["a"]
        assert next(stream).flow.uuid == "a-0"


def test_nothing_is_lost_at_speed_and_losses_are_told() -> None:
    made = log(seconds=(), capacity=5_000)
    with (
        serving(lambda server: add_agent(server, made, peers=list)) as (address, run),
        HubbleClient(address) as client,
    ):
        stream = client.flows(last=1, follow=True, everything=True, timeout=240)
        run(lambda: made.add_flow(make_flow(0, uuid="first")))
        assert next(stream).flow.uuid == "first"

        def write(start: int, count: int) -> None:
            for number in range(start, start + count):
                made.add_flow(make_flow(number, uuid=str(number)))

        writer = threading.Thread(target=lambda: [run(lambda n=n: write(n * 50, 50)) for n in range(40)])
        writer.start()
        assert uuids(next(stream) for _ in range(2000)) == [str(number) for number in range(2000)]
        writer.join()
        run(lambda: write(0, 6_000))
        lost = next(stream)
        assert (lost.lost_events.source, lost.lost_events.num_events_lost) == (flow_pb2.HUBBLE_RING_BUFFER, 1_000)
        assert next(stream).flow.uuid == "1000"


def test_until_ends_a_followed_stream() -> None:
    made = log(seconds=(0,))
    with (
        serving(lambda server: add_agent(server, made, peers=list)) as (address, run),
        HubbleClient(address) as client,
    ):
        stream = client.flows(follow=True, last=1, until=NOON + 2 * 10**9)
        assert next(stream).flow.uuid == "kind-worker-0"
        run(lambda: made.add_flow(make_flow(9)))
        assert list(stream) == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "127.0.0.1:1",
            (
                'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: '
                'dial tcp 127.0.0.1:1: connect: connection refused"'
            ),
        ),
        ("tcp://x:1", "too many colons in address"),
        ("/run/x.sock", "produced zero addresses"),
    ],
)
def test_unreachable(address: str, message: str) -> None:
    with HubbleClient(address) as client, pytest.raises(CallError) as caught:
        client.status()
    assert caught.value.code == "Unavailable"
    assert message in str(caught.value)
