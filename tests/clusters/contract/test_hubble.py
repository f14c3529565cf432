"""Hubble through Relay: what flows say, and how they are asked for."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from lab_helpers.clusters import Cluster
from lab_helpers.course.api import Api
from lab_helpers.course.observing import HubbleFlows
from lab_helpers.course.workloads import PodRef, pods_of, running_pod
from lab_helpers.hubble.protos import flow_pb2, observer_pb2
from tests.clusters.contract.stages import Shop, eventually

Filter = flow_pb2.FlowFilter


@pytest.fixture
def mark(api: Api, shop: Shop) -> tuple[str, PodRef]:
    """A path that was asked for once, by the frontend, just now."""
    path, pod = f"/api/v1/products?mark={uuid.uuid4().hex}", running_pod(api, shop.workload("frontend"))
    url = f"http://backend:8080{path}"
    assert api.execute(pod.namespace, pod.name, ["curl", "-s", "-o", "/dev/null", url]).exit_code == 0
    return path, pod


def ask(flows: HubbleFlows, *filters: Filter, number: int = 100, **request: Any) -> list[flow_pb2.Flow]:
    wanted = observer_pb2.GetFlowsRequest(number=number, whitelist=filters, **request)
    return eventually(lambda: flows.flows(wanted))


def test_relay_knows_its_nodes(cluster: Cluster, api: Api, shop: Shop, mark: Any) -> None:
    with cluster.hubble() as hubble:
        status, nodes = hubble.status(), hubble.nodes()
        spaces = eventually(lambda: {item.namespace for item in hubble.namespaces()}, lambda seen: shop.main in seen)
    names = {node["metadata"]["name"] for node in api.list("Node")}
    assert {node.name.rpartition("/")[2] for node in nodes} == names
    assert status.num_connected_nodes.value == len(names)
    assert 0 < status.num_flows <= status.max_flows
    assert shop.main in spaces


def test_a_flow_says_who_and_where(api: Api, shop: Shop, flows: HubbleFlows, mark: tuple[str, PodRef]) -> None:
    _, pod = mark
    found = ask(
        flows,
        Filter(
            source_pod=[f"{pod.namespace}/{pod.name}"],
            destination_port=["8080"],
            event_type=[flow_pb2.EventTypeFilter(type=4)],
        ),
    )
    flow = next(item for item in reversed(found) if item.destination.pod_name and not item.is_reply.value)
    mine = api.get("CiliumEndpoint", pod.name, pod.namespace)
    assert mine is not None
    assert flow.source.identity == mine["status"]["identity"]["id"]
    assert set(flow.source.labels) == set(mine["status"]["identity"]["labels"])
    assert (flow.source.namespace, flow.source.pod_name, flow.IP.source) == (pod.namespace, pod.name, pod.ip)
    assert flow.source.workloads[0].name == "frontend"
    assert flow.source.workloads[0].kind == "Deployment"
    assert flow.source.cluster_name
    backends = {item["metadata"]["name"]: item["status"]["podIP"] for item in pods_of(api, shop.workload("backend"))}
    assert backends[flow.destination.pod_name] == flow.IP.destination
    assert flow.l4.TCP.destination_port == 8080
    assert flow.verdict == flow_pb2.FORWARDED
    assert flow.Type == flow_pb2.L3_L4
    assert flow.uuid
    assert flow.time.seconds
    assert flow.node_name.rpartition("/")[2] in {node["metadata"]["name"] for node in api.list("Node")}


def filters(shop: Shop, pod: PodRef) -> Sequence[tuple[Filter, Any]]:
    """Each filter with what must hold of every flow it lets through."""
    own = f"{pod.namespace}/{pod.name}"
    return [
        (Filter(source_pod=[own]), lambda flow: flow.source.pod_name == pod.name),
        (Filter(destination_pod=[f"{shop.main}/backend"]), lambda flow: flow.destination.pod_name.startswith("back")),
        (Filter(source_pod=[f"{shop.main}/"]), lambda flow: flow.source.namespace == shop.main),
        (Filter(source_ip=[pod.ip]), lambda flow: flow.IP.source == pod.ip),
        (Filter(source_label=["app=frontend"]), lambda flow: "k8s:app=frontend" in flow.source.labels),
        (Filter(source_workload=[flow_pb2.Workload(name="frontend")]), lambda flow: flow.source.workloads),
        (Filter(destination_port=["8080"], protocol=["tcp"]), lambda flow: flow.l4.TCP.destination_port == 8080),
        (Filter(protocol=["udp"]), lambda flow: flow.l4.WhichOneof("protocol") == "UDP"),
        (Filter(verdict=[flow_pb2.FORWARDED]), lambda flow: flow.verdict == flow_pb2.FORWARDED),
        (Filter(event_type=[flow_pb2.EventTypeFilter(type=4)]), lambda flow: flow.event_type.type == 4),
        (Filter(traffic_direction=[flow_pb2.EGRESS]), lambda flow: flow.traffic_direction == flow_pb2.EGRESS),
        (Filter(reply=[True]), lambda flow: flow.is_reply.value),
        (Filter(tcp_flags=[flow_pb2.TCPFlags(SYN=True)]), lambda flow: flow.l4.TCP.flags.SYN),
        (Filter(ip_version=[flow_pb2.IPv4]), lambda flow: flow.IP.ipVersion == flow_pb2.IPv4),
    ]


def test_filters_let_through_what_they_say(shop: Shop, flows: HubbleFlows, mark: tuple[str, PodRef]) -> None:
    for one, holds in filters(shop, mark[1]):
        found = ask(flows, one, number=30)
        assert found, f"nothing passes {one}"
        wrong = [flow for flow in found if not holds(flow)]
        assert not wrong, f"{one} lets this through: {wrong[0]}"


def test_a_blacklist_takes_away(flows: HubbleFlows, mark: tuple[str, PodRef]) -> None:
    own = Filter(source_pod=[f"{mark[1].namespace}/{mark[1].name}"])
    found = ask(flows, own, blacklist=[Filter(destination_port=["8080"])])
    assert not [flow for flow in found if flow.l4.TCP.destination_port == 8080]


def test_identities_are_filters(api: Api, shop: Shop, flows: HubbleFlows, mark: tuple[str, PodRef]) -> None:
    endpoint = api.get("CiliumEndpoint", mark[1].name, mark[1].namespace)
    assert endpoint is not None
    numeric = endpoint["status"]["identity"]["id"]
    found = ask(flows, Filter(source_identity=[numeric]))
    assert found
    assert {flow.source.identity for flow in found} == {numeric}


def test_the_last_the_first_and_since(shop: Shop, flows: HubbleFlows, mark: tuple[str, PodRef]) -> None:
    own = Filter(source_pod=[f"{mark[1].namespace}/{mark[1].name}"])
    # Relay gives so many of each node, in the order of time
    everything = ask(flows, own, number=500)
    assert [flow.time.ToNanoseconds() for flow in everything] == sorted(f.time.ToNanoseconds() for f in everything)
    late = everything[-1]
    since = ask(flows, own, number=500, since=late.time)
    assert late.uuid in {flow.uuid for flow in since}
    assert all(flow.time.ToNanoseconds() >= late.time.ToNanoseconds() for flow in since)
    first = ask(flows, own, number=1, first=True)
    assert first[0].time.ToNanoseconds() <= late.time.ToNanoseconds()


def test_a_follower_sees_what_happens_next(cluster: Cluster, api: Api, shop: Shop) -> None:
    pod = running_pod(api, shop.workload("frontend"))
    seen: list[flow_pb2.Flow] = []
    begun = threading.Event()

    def follow() -> None:
        with cluster.hubble() as hubble:
            wanted = [Filter(source_pod=[f"{pod.namespace}/{pod.name}"], destination_port=["6379"])]
            stream = hubble.flows(follow=True, allow=wanted, timeout=120)
            begun.set()
            for answer in stream:
                seen.append(answer.flow)
                return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    assert begun.wait(120)
    eventually(lambda: api.execute(pod.namespace, pod.name, ["nc", "-z", "-w", "1", "redis", "6379"]) and seen)
    follower.join(120)
    assert seen
    assert seen[0].l4.TCP.destination_port == 6379


def test_a_mask_leaves_the_rest_out(cluster: Cluster, shop: Shop, mark: tuple[str, PodRef]) -> None:
    with cluster.hubble() as hubble:
        answers = list(
            hubble.flows(last=5, allow=[Filter(source_pod=[f"{shop.main}/"])], paths=["source.pod_name", "verdict"])
        )
    assert answers
    for answer in answers:
        assert answer.flow.source.pod_name
        assert answer.flow.verdict
        assert not answer.flow.source.labels
        assert not answer.flow.HasField("IP")
