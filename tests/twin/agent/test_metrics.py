"""Metrics of the agent and of Hubble: what a scrape shows is what happened."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.twin.agent.metrics.contexts import Context, MetricsConfigError
from lab_helpers.twin.agent.metrics.exposing import exposition
from lab_helpers.twin.agent.metrics.flowmetrics import FlowMetrics
from lab_helpers.twin.agent.metrics.series import Histogram, Series
from lab_helpers.twin.agent.programs import agent_program
from lab_helpers.twin.interfaces import ConnectionFailed
from tests.twin.agent.clusters import N1, Cluster, echo, request
from tests.twin.agent.processes import FakeProcess

CONFIG = {
    "prometheus-serve-addr": ":9962",
    "hubble-metrics-server": ":9965",
    "hubble-metrics": "dns:query drop flow tcp icmp policy port-distribution flows-to-world "
    "httpV2:labelsContext=source_pod,destination_pod",
}
POLICY = {
    "endpointSelector": {"matchLabels": {"app": "server"}},
    "ingress": [
        {
            "fromEndpoints": [{"matchLabels": {"app": "client"}}],
            "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}],
        }
    ],
}


async def shop(config: dict[str, str]) -> tuple[Cluster, asyncio.Task[int], FakeProcess]:
    cluster = await Cluster(config).start()
    cluster.agents.nodes[N1].stop()
    cluster.registry.create(
        "configmaps", {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": config}
    )
    process = FakeProcess(cluster, N1, ["cilium-agent"])
    task = process.start(agent_program(cluster.agents))
    await cluster.settle()
    client, server = cluster.pod("client"), cluster.pod("server")
    server.listen(80, echo)
    cluster.cnp("allow", POLICY)
    await cluster.settle()
    await request(client, server.ip, 80)
    with pytest.raises(ConnectionFailed):
        await cluster.within(client.connect(server.ip, 81, timeout=0.5))
    return cluster, task, process


async def scrape(cluster: Cluster, port: int) -> str:
    node = cluster.datapath.node(N1)
    stream = await node.connect(cluster.agents.nodes[N1].tables.ip, port)
    await stream.write(b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n")
    answer = b""
    while data := await stream.read():
        answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    return body.decode()


async def end(task: asyncio.Task[int]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_hubble_counts_flows_drops_ports_and_verdicts() -> None:
    cluster, task, _ = await shop(CONFIG)
    lines = (await scrape(cluster, 9965)).splitlines()
    assert 'hubble_drop_total{protocol="TCP",reason="POLICY_DENIED"} 2.0' in lines
    assert 'hubble_flows_processed_total{protocol="TCP",subtype="",type="Drop",verdict="DROPPED"} 1.0' in lines
    assert any(
        line.startswith('hubble_flows_processed_total{protocol="TCP",subtype="to-endpoint",type="Trace"')
        for line in lines
    )
    assert 'hubble_policy_verdicts_total{action="dropped",direction="ingress",match="none"} 1.0' in lines
    assert 'hubble_policy_verdicts_total{action="forwarded",direction="ingress",match="l3-l4"} 1.0' in lines
    assert any(line.startswith('hubble_port_distribution_total{port="80",protocol="TCP"} ') for line in lines)
    assert any(line.startswith('hubble_tcp_flags_total{family="IPv4",flag="SYN-ACK"} ') for line in lines)
    assert "# TYPE hubble_drop_total counter" in lines
    assert not any("hubble_icmp" in line for line in lines)
    await end(task)


async def test_the_agent_shows_endpoints_policies_identities_and_traffic() -> None:
    cluster, task, _ = await shop(CONFIG)
    agent = cluster.agents.nodes[N1]
    lines = (await scrape(cluster, 9962)).splitlines()
    assert f'cilium_endpoint_state{{endpoint_state="ready"}} {float(len(agent.endpoints))}' in lines
    assert "cilium_policy 1.0" in lines
    assert f"cilium_policy_max_revision {float(agent.repository.revision)}" in lines
    assert f"cilium_policy_regeneration_total {float(agent.regenerations)}" in lines
    assert 'cilium_policy_change_total{outcome="success"} 1.0' in lines
    assert 'cilium_identity{type="cluster_local"} 2.0' in lines
    assert 'cilium_drop_count_total{direction="INGRESS",reason="Policy denied"} 1.0' in lines
    assert 'cilium_policy_endpoint_enforcement_status{enforcement="ingress"} 1.0' in lines
    assert any(line.startswith('cilium_forward_count_total{direction="INGRESS"} ') for line in lines)
    before = agent.tables.forwarded("INGRESS")[0]
    await request(cluster.sockets("client"), cluster.sockets("server").ip, 80)
    assert agent.tables.forwarded("INGRESS")[0] > before
    text = await scrape(cluster, 9962)
    packets = float(agent.tables.forwarded("INGRESS")[0])
    assert f'cilium_forward_count_total{{direction="INGRESS"}} {packets}' in text
    await end(task)


async def test_nothing_listens_unless_the_configuration_says_so() -> None:
    cluster, task, _ = await shop({})
    for port in (9962, 9965):
        with pytest.raises(ConnectionFailed, match="refused"):
            await scrape(cluster, port)
    await end(task)


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ("drop nonsense", "metric 'nonsense' does not exist"),
        ("flow:sourceContext=planet", "unknown context 'planet'"),
        ("flow:labelsContext=source_color", "invalid labelsContext value: source_color"),
        ("http httpV2", "collides"),
    ],
)
async def test_an_agent_with_unknown_metrics_ends_with_the_reason(configuration: str, message: str) -> None:
    with pytest.raises(MetricsConfigError, match=message):
        FlowMetrics(configuration)
    data = {**CONFIG, "hubble-metrics": configuration}
    cluster = await Cluster().start(cilium=False)
    cluster.registry.create(
        "configmaps", {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": data}
    )
    process = FakeProcess(cluster, N1, ["cilium-agent"])
    assert await process.start(agent_program(cluster.agents)) == 1
    assert message.partition("'")[0] in process.errors


def http_flow(*, response: bool, code: int = 200) -> flow_pb2.Flow:
    flow = flow_pb2.Flow(traffic_direction=flow_pb2.INGRESS, verdict=flow_pb2.FORWARDED)
    flow.event_type.type = 129
    flow.l4.TCP.destination_port = 80
    flow.l7.http.method, flow.l7.http.protocol = "GET", "HTTP/1.1"
    ends = [flow.source, flow.destination]
    if response:
        ends.reverse()
        flow.l7.type, flow.l7.http.code, flow.l7.latency_ns = flow_pb2.RESPONSE, code, 30_000_000
    else:
        flow.l7.type = flow_pb2.REQUEST
    flow.is_reply.value = response
    for endpoint, pod in zip(ends, ("frontend-75c8bd9b8-x2x4z", "backend"), strict=True):
        endpoint.pod_name, endpoint.namespace = pod, "shop"
        endpoint.labels.append(f"k8s:app={pod.partition('-')[0]}")
    return flow


def test_http_counts_requests_and_responses_apart() -> None:
    metrics = FlowMetrics("http")
    metrics.take(http_flow(response=False))
    metrics.take(http_flow(response=True, code=403))
    text = exposition(metrics)
    assert 'hubble_http_requests_total{method="GET",protocol="HTTP/1.1",reporter="server"} 1.0' in text
    assert 'hubble_http_responses_total{method="GET",protocol="HTTP/1.1",reporter="server",status="403"} 1.0' in text
    assert 'hubble_http_request_duration_seconds_bucket{le="0.025",method="GET",reporter="server"} 0.0' in text
    assert 'hubble_http_request_duration_seconds_bucket{le="0.05",method="GET",reporter="server"} 1.0' in text
    assert 'hubble_http_request_duration_seconds_sum{method="GET",reporter="server"} 0.03' in text


def test_http_v2_names_the_client_as_the_source_of_the_answer() -> None:
    metrics = FlowMetrics("httpV2:sourceContext=pod-short;destinationContext=app;labelsContext=traffic_direction")
    metrics.take(http_flow(response=False))
    assert exposition(metrics) == ""
    metrics.take(http_flow(response=True))
    assert (
        'hubble_http_requests_total{destination="backend",method="GET",protocol="HTTP/1.1",reporter="server",'
        'source="shop/frontend",status="200",traffic_direction="ingress"} 1.0'
    ) in exposition(metrics)


def test_dns_counts_queries_answers_and_refusals() -> None:
    metrics = FlowMetrics("dns:query;ignoreAAAA flow")
    for verdict, reply, kind in (
        (flow_pb2.FORWARDED, False, "A"),
        (flow_pb2.FORWARDED, True, "A"),
        (flow_pb2.DROPPED, False, "A"),
        (flow_pb2.FORWARDED, False, "AAAA"),
    ):
        flow = flow_pb2.Flow(verdict=verdict)
        flow.event_type.type = 129
        flow.is_reply.value = reply
        flow.l7.dns.query = "api.stripe.com."
        flow.l7.dns.qtypes.append(kind)
        if reply:
            flow.l7.dns.ips.append("198.51.100.7")
            flow.l7.dns.rrtypes.append("A")
        metrics.take(flow)
    text = exposition(metrics)
    asked = 'qtypes="A",query="api.stripe.com."'
    assert f'hubble_dns_queries_total{{ips_returned="0",{asked},rcode=""}} 1.0' in text
    assert f'hubble_dns_queries_total{{ips_returned="0",{asked},rcode="Policy denied"}} 1.0' in text
    assert f'hubble_dns_responses_total{{ips_returned="1",{asked},rcode="No Error"}} 1.0' in text
    assert f'hubble_dns_response_types_total{{{asked},type="A"}} 1.0' in text
    assert 'hubble_flows_processed_total{protocol="DNS",subtype="DNS",type="L7",verdict="FORWARDED"} 3.0' in text


@pytest.mark.parametrize(
    ("options", "names", "values"),
    [
        ({}, (), ()),
        ({"sourceContext": "dns|ip"}, ("source",), ("10.0.1.1",)),
        ({"destinationContext": "reserved-identity"}, ("destination",), ("reserved:kube-apiserver",)),
        ({"sourceEgressContext": "pod", "sourceIngressContext": "ip"}, ("source",), ("10.0.1.1",)),
        (
            {"labelsContext": "destination_namespace,source_workload_kind"},
            ("source_workload_kind", "destination_namespace"),
            ("Deployment", "kube-system"),
        ),
    ],
)
def test_context_labels(options: dict[str, str], names: tuple[str, ...], values: tuple[str, ...]) -> None:
    flow = flow_pb2.Flow(traffic_direction=flow_pb2.INGRESS)
    flow.IP.source = "10.0.1.1"
    flow.source.workloads.add(name="frontend", kind="Deployment")
    flow.destination.namespace = "kube-system"
    flow.destination.labels.extend(["reserved:host", "reserved:kube-apiserver"])
    context = Context(options)
    assert context.names == names
    assert context.values(flow) == values


def test_the_text_escapes_values_and_leaves_out_what_has_no_samples() -> None:
    counted = Series("x_total", "Things", "counter", ("name",))
    counted.add(['a"b\\c\nd'])
    assert exposition([counted, Histogram("y_seconds", "Times")]) == (
        '# HELP x_total Things\n# TYPE x_total counter\nx_total{name="a\\"b\\\\c\\nd"} 1.0\n'
    )


def test_samples_are_sorted_by_the_names_of_their_labels() -> None:
    counted = Series("x_total", "Things", "counter", ("z", "a"))
    counted.add(["1", "second"])
    counted.add(["2", "first"])
    lines = exposition([counted]).splitlines()[2:]
    assert lines == ['x_total{a="first",z="2"} 1.0', 'x_total{a="second",z="1"} 1.0']
