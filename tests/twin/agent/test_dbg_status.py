"""``cilium-dbg status``, ``version`` and the maps that follow from releases: every line is the agent's state."""

from __future__ import annotations

import json

import pytest

from lab_helpers.twin.agent.dbg.builds import build_of
from lab_helpers.twin.agent.dbg.durations import go_duration
from lab_helpers.twin.agent.dbg.main import dbg_program
from tests.twin.agent.clusters import N1, N2, Cluster, echo, request
from tests.twin.agent.processes import FakeProcess

HTTP = {
    "endpointSelector": {"matchLabels": {"app": "server"}},
    "ingress": [{"toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [{"path": "/"}]}}]}],
}


async def shop(config: dict[str, str] | None = None) -> Cluster:
    cluster = await Cluster(config or {}).start()
    cluster.pod("client", N1)
    cluster.pod("server", N1).listen(80, echo)
    await cluster.settle()
    return cluster


async def run(cluster: Cluster, *words: str) -> tuple[int, str, str]:
    process = FakeProcess(cluster, N1, ["cilium-dbg", *words])
    return await process.start(dbg_program(cluster.agents)), process.output, process.errors


def lines(text: str) -> dict[str, str]:
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in text.splitlines()}


async def test_health_counts_the_agents_that_run_and_probes_by_their_number() -> None:
    cluster = await shop()
    text = (await run(cluster, "status"))[1]
    assert lines(text)["Cluster health"].split("   ")[0] == "3/3 reachable"
    assert "(Probe interval: 1m23.177661667s)" in text
    assert text.splitlines()[-1].split() == ["Name", "IP", "Node", "Endpoints"]
    cluster.agents.nodes[N2].stop()
    await cluster.clock.advance(100)
    text = (await run(cluster, "status"))[1]
    assert lines(text)["Cluster health"].split("   ")[0] == "2/3 reachable"
    assert text.splitlines()[-1].split() == [N2, "172.18.0.4", "0/1", "0/1"]
    assert "(2026-01-01T00:01:23Z)" in text
    everyone = (await run(cluster, "status", "--all-nodes"))[1].splitlines()[-3:]
    assert everyone[0].split()[:2] == [N1, "(localhost)"]


async def test_redirects_are_listed_with_their_proxies() -> None:
    cluster = await shop()
    cluster.cnp("http", HTTP)
    await cluster.settle()
    agent = cluster.agents.nodes[N1]
    server = next(e.id for e in agent.endpoints.values() if e.datapath.pod == "server")
    text = (await run(cluster, "status", "--all-redirects"))[1].splitlines()
    row = text[next(number for number, line in enumerate(text) if line.startswith("  Protocol")) + 1]
    assert row.split()[:2] == ["cilium-http-ingress", f"{server}:ingress:TCP:80:"]
    proxy = json.loads((await run(cluster, "status", "-o", "json"))[1])["proxy"]
    assert proxy["total-redirects"] == len(proxy["redirects"]) == 1
    assert str(proxy["redirects"][0]["proxy-port"]) == row.split()[2]


async def test_the_model_follows_the_configuration() -> None:
    cluster = await shop(
        {
            "kube-proxy-replacement": "true",
            "bpf-lb-algorithm": "maglev",
            "bpf-lb-mode": "dsr",
            "trace-sock": "false",
            "enable-bpf-masquerade": "true",
        }
    )
    model = json.loads((await run(cluster, "status", "-o", "json"))[1])
    features = model["kube-proxy-replacement"]["features"]
    assert (features["nodePort"]["algorithm"], features["nodePort"]["lutSize"]) == ("Maglev", 16381)
    assert features["socketLBTracing"] == {}
    assert model["masquerading"]["mode"] == "BPF"
    assert model["routing"]["intra-host-routing-mode"] == "BPF"
    assert model["cluster"]["self"] == N1
    verbose = lines((await run(cluster, "status", "--verbose"))[1])
    assert verbose["  Backend Selection"] == "Maglev (Table Size: 16381)"
    assert verbose["    DSR Dispatch Mode"] == "IP Option/Extension"
    assert verbose["  Socket LB Tracing"] == "Disabled"


async def test_brief_says_in_one_line() -> None:
    cluster = await shop()
    assert await run(cluster, "status", "--brief") == (0, "OK\n", "")
    cluster.agents.nodes[N1].stop()
    assert await run(cluster, "status", "--brief") == (1, "", "cilium: daemon unreachable\n")


async def test_versions_name_their_commit_where_it_is_known() -> None:
    cluster = await shop()
    assert (await run(cluster, "version"))[1].splitlines()[0] == "Client: 1.20.2 e0dc92bd linux/amd64"
    assert lines((await run(cluster, "status"))[1])["Cilium"] == "Ok   1.20.2 (v1.20.2-e0dc92bd)"
    cluster.agents.nodes[N1].stop()
    assert (await run(cluster, "version"))[1].splitlines()[1] == "Daemon: Not responding"
    model = json.loads((await run(cluster, "version", "-o", "json"))[1])
    assert (model["Client"]["Revision"], model["Daemon"]["Revision"]) == ("e0dc92bd", "")
    assert build_of("v1.20.0").line == "1.20.0 450c5314 2026-07-29T08:53:01+02:00 go version go1.26.5 linux/amd64"
    assert build_of("1.18.1").message == "1.18.1 (v1.18.1)"


async def test_packets_are_counted_whether_somebody_watches_or_not() -> None:
    cluster = await shop()
    agent = cluster.agents.nodes[N1]
    agent.tables.observers.clear()
    await request(cluster.sockets("client"), cluster.sockets("server").ip, 80)
    rows = [line.split() for line in (await run(cluster, "bpf", "metrics", "list"))[1].splitlines()[1:]]
    assert [(row[1], row[-1]) for row in rows] == [("EGRESS", "local_delivery.h"), ("INGRESS", "bpf_lxc.c")]
    assert rows[0][2:4] == rows[1][2:4]


async def test_conntrack_tells_what_is_left_only_when_asked() -> None:
    cluster = await shop()
    await request(cluster.sockets("client"), cluster.sockets("server").ip, 80)
    plain = (await run(cluster, "bpf", "ct", "list", "global"))[1]
    assert "remaining" not in plain
    assert plain.endswith(" NatPort=0 \n\n\n")
    assert "(remaining: 10 sec(s)) Packets=" in (await run(cluster, "bpf", "ct", "list", "-d"))[1]
    assert (await run(cluster, "bpf", "ct", "list", "7"))[2] == "Invalid argument: unknown type 7"


async def test_a_map_that_does_not_count_says_so() -> None:
    cluster = await shop({"policy-accounting": "false"})
    await request(cluster.sockets("client"), cluster.sockets("server").ip, 80)
    rows = (await run(cluster, "bpf", "policy", "get", "--all", "-n"))[1].splitlines()
    assert {tuple(row.split()[6:8]) for row in rows if row.startswith("Allow")} == {("-", "-")}
    found = json.loads((await run(cluster, "bpf", "policy", "get", "--all", "-o", "json"))[1])
    assert found[0]["Path"].startswith("/sys/fs/bpf/tc/globals/cilium_policy_v3_")
    assert found[0]["Content"][0]["Packets"] == 2**64 - 1


async def test_masquerading_of_what_goes_to_other_nodes_depends_on_the_routing() -> None:
    for routing, found in (("tunnel", True), ("native", False)):
        cluster = await shop({"enable-bpf-masquerade": "true", "routing-mode": routing})
        cluster.datapath.node(N2).listen(9000, echo)
        await request(cluster.sockets("client"), "172.18.0.4", 9000)
        text = (await run(cluster, "bpf", "nat", "list"))[1]
        assert ("-> 172.18.0.4:9000 XLATE_SRC 172.18.0.3:" in text) is found


async def test_selectors_name_the_policies_that_use_them() -> None:
    cluster = await shop()
    cluster.cnp("http", HTTP)
    cluster.cnp("other", {**HTTP, "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "client"}}]}]})
    await cluster.settle()
    found = json.loads((await run(cluster, "policy", "selectors", "-o", "json"))[1])
    client = next(item for item in found if "any.app: client" in item["selector"])
    names = [label["value"] for array in client["labels"] for label in array if label["key"].endswith("policy.name")]
    assert (names, client["users"]) == (["other"], 1)
    verbose = (await run(cluster, "policy", "selectors", "-v"))[1]
    assert " [k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy k8s:io.cilium.k8s.policy.name=other " in verbose
    assert "shop/other" in (await run(cluster, "policy", "selectors"))[1]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (5, "5s"), (65.25, "1m5.25s"), (3600, "1h0m0s"), (83.177661667, "1m23.177661667s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
