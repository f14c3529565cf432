"""Service addresses: who may use which, and what policy sees behind them."""

from __future__ import annotations

from collections import Counter

import pytest

from lab_helpers.twin.containers.programs.kube_proxy import rules_of
from lab_helpers.twin.interfaces import ConnectionFailed
from tests.twin.agent.clusters import N1, N2, NODES, Cluster, echo

KPR = {"kube-proxy-replacement": "true"}


async def web(config: dict[str, str] | None = KPR, **spec: object) -> tuple[Cluster, str]:
    """A Service on 80 with a backend on each worker, which answers with its address."""
    cluster = await Cluster(config).start()
    backends = {}
    for name, node in (("web1", N1), ("web2", N2)):
        sockets = cluster.pod(name, node, labels={"app": "web"})
        backends[sockets.ip] = node

        async def answer(stream, ip=sockets.ip):  # type: ignore[no-untyped-def]
            await stream.read()
            await stream.write(ip.encode())
            await stream.close()

        sockets.listen(8080, answer)
    cluster.pod("client", N1)
    ip = cluster.service("web", 80, backends, target=8080, **spec)
    await cluster.settle()
    cluster.flows.clear()
    return cluster, ip


async def who(cluster: Cluster, sockets, ip: str, port: int) -> str:  # type: ignore[no-untyped-def]
    stream = await cluster.within(sockets.connect(ip, port, timeout=1.5))
    await stream.write(b"?")
    answer = (await stream.read()).decode()
    await stream.close()
    await cluster.settle()
    return answer


async def test_backends_share_the_load() -> None:
    cluster, ip = await web()
    found = Counter([await who(cluster, cluster.sockets("client"), ip, 80) for _ in range(60)])
    assert len(found) == 2
    assert min(found.values()) >= 10


async def test_session_affinity_lasts_as_long_as_configured() -> None:
    cluster, ip = await web(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}})
    assert len({await who(cluster, cluster.sockets("client"), ip, 80) for _ in range(20)}) == 1
    found = set()
    for _ in range(20):
        await cluster.clock.advance(61)
        found.add(await who(cluster, cluster.sockets("client"), ip, 80))
    assert len(found) == 2


async def test_a_backend_that_is_not_ready_gets_nothing() -> None:
    cluster, ip = await web()
    slices = cluster.registry.draft("endpointslices.discovery.k8s.io", "web-x", "shop")
    slices["endpoints"][0]["conditions"]["ready"] = False
    cluster.registry.update("endpointslices.discovery.k8s.io", slices)
    await cluster.settle()
    wanted = slices["endpoints"][1]["addresses"][0]
    assert {await who(cluster, cluster.sockets("client"), ip, 80) for _ in range(10)} == {wanted}


@pytest.mark.parametrize("others", [True, False], ids=["another is ready", "none is ready"])
async def test_a_backend_that_terminates_is_the_last_resort(others: bool) -> None:
    cluster, ip = await web()
    slices = cluster.registry.draft("endpointslices.discovery.k8s.io", "web-x", "shop")
    ending, other = slices["endpoints"]
    ending["conditions"] = {"ready": False, "serving": True, "terminating": True}
    other["conditions"]["ready"] = others
    cluster.registry.update("endpointslices.discovery.k8s.io", slices)
    await cluster.settle()
    wanted = (other if others else ending)["addresses"][0]
    assert {await who(cluster, cluster.sockets("client"), ip, 80) for _ in range(10)} == {wanted}


async def test_a_cluster_address_means_nothing_outside() -> None:
    cluster, ip = await web()
    with pytest.raises(ConnectionFailed) as failed:
        await who(cluster, cluster.datapath.outside("198.51.100.7"), ip, 80)
    assert failed.value.errno == "ETIMEDOUT"


@pytest.mark.parametrize(("config", "works"), [(KPR, True), ({}, False)])
async def test_nodes_use_services_only_with_the_socket_load_balancer(config: dict[str, str], works: bool) -> None:
    cluster, ip = await web(config)
    if works:
        assert (await who(cluster, cluster.datapath.node(N1), ip, 80)).startswith("10.0.")
    else:
        with pytest.raises(ConnectionFailed):
            await who(cluster, cluster.datapath.node(N1), ip, 80)


async def test_a_node_port_keeps_a_local_clients_identity_and_hides_it_on_another_node() -> None:
    cluster, _ = await web(type="NodePort", port_fields={"nodePort": 30080})
    outside = cluster.datapath.outside("198.51.100.7")
    found: dict[str, int] = {}
    for _ in range(30):
        cluster.flows.clear()
        backend = await who(cluster, outside, NODES[N1], 30080)
        flow = next(f for f in cluster.flows if f.event_type.sub_type == 0 and f.destination.pod_name.startswith("web"))
        found[backend] = flow.source.identity
    local = cluster.sockets("web1").ip
    assert found == {local: 2, cluster.sockets("web2").ip: 6}


async def test_external_traffic_policy_local_stays_on_the_node() -> None:
    cluster, _ = await web(type="NodePort", externalTrafficPolicy="Local", port_fields={"nodePort": 30080})
    outside = cluster.datapath.outside("198.51.100.7")
    assert {await who(cluster, outside, NODES[N2], 30080) for _ in range(10)} == {cluster.sockets("web2").ip}
    with pytest.raises(ConnectionFailed):
        await who(cluster, outside, NODES["cilium-labs-control-plane"], 30080)


async def test_a_node_port_without_kube_proxy_or_its_replacement_is_closed() -> None:
    cluster, _ = await web({}, type="NodePort", port_fields={"nodePort": 30080})
    with pytest.raises(ConnectionFailed) as failed:
        await who(cluster, cluster.datapath.outside("198.51.100.7"), NODES[N1], 30080)
    assert failed.value.errno == "ECONNREFUSED"


async def test_a_host_port_belongs_to_one_node() -> None:
    cluster = await Cluster(KPR).start()
    ports = [{"name": "main", "image": "x", "ports": [{"containerPort": 8080, "hostPort": 9000}]}]
    cluster.pod("web", N1, spec={"containers": ports}).listen(8080, echo)
    await cluster.settle()
    outside = cluster.datapath.outside("198.51.100.7")
    stream = await outside.connect(NODES[N1], 9000)
    await stream.close()
    with pytest.raises(ConnectionFailed) as failed:
        await outside.connect(NODES[N2], 9000)
    assert failed.value.errno == "ECONNREFUSED"


async def test_policy_sees_the_pods_port_not_the_services() -> None:
    cluster, ip = await web()
    rule = {
        "endpointSelector": {"matchLabels": {"app": "web"}},
        "ingress": [{"toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]}],
    }
    cluster.cnp("service-port", rule)
    await cluster.settle()
    with pytest.raises(ConnectionFailed):
        await who(cluster, cluster.sockets("client"), ip, 80)
    rule["ingress"][0]["toPorts"][0]["ports"][0]["port"] = "8080"  # type: ignore[index]
    cluster.cnp("service-port", rule)
    await cluster.settle()
    assert await who(cluster, cluster.sockets("client"), ip, 80)


def write_rules(cluster: Cluster) -> None:
    """What kube-proxy puts into the iptables of every node."""
    services = cluster.registry.list("services")
    text = rules_of(services, cluster.registry.list("endpointslices.discovery.k8s.io"), "10.0.0.0/8")
    for tables in cluster.datapath.plane.tables.values():
        tables.netfilter.restore(text, flush=False)


def counted(cluster: Cluster, node: str) -> int:
    """Packets that met the first rule of the Service."""
    lines = cluster.datapath.plane.tables[node].netfilter.save("nat", counters=True)
    (line,) = (line for line in lines if "-A KUBE-SERVICES" in line and "shop/web" in line)
    return int(line[1:].partition(":")[0])


async def test_kube_proxy_translates_for_nodes_when_cilium_does_not() -> None:
    cluster, ip = await web({})
    write_rules(cluster)
    assert await who(cluster, cluster.datapath.node(N1), ip, 80)
    assert counted(cluster, N1) == 1


async def test_what_cilium_has_translated_meets_no_rule_of_kube_proxy() -> None:
    cluster, ip = await web()
    write_rules(cluster)
    assert await who(cluster, cluster.sockets("client"), ip, 80)
    assert await who(cluster, cluster.datapath.node(N1), ip, 80)
    assert counted(cluster, N1) == 0
