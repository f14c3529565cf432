"""From nothing to a network, by the programs of Cilium's images alone."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from lab_helpers.twin.agent.images import cilium_images
from lab_helpers.twin.interfaces import Image
from tests.twin.agent.clusters import CONTROL, N1, N2, NODES, Cluster, echo, request
from tests.twin.agent.processes import FakeProcess


def images(cluster: Cluster) -> dict[str, Image]:
    return {image.name.rpartition("/")[2]: image for image in cilium_images(cluster.agents)}


async def end(*tasks: asyncio.Task[int]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def installed(
    config: dict[str, str],
) -> tuple[Cluster, dict[str, Image], dict[str, asyncio.Task[int]], dict[str, FakeProcess]]:
    cluster = await Cluster().start(cilium=False)
    cluster.registry.create(
        "configmaps", {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": config}
    )
    found = images(cluster)
    tasks: dict[str, asyncio.Task[int]] = {}
    processes: dict[str, FakeProcess] = {}
    for node in NODES:
        processes[node] = FakeProcess(cluster, node, ["cilium-agent"])
        tasks[node] = processes[node].start(found["cilium"].programs["cilium-agent"])
    processes["operator"] = FakeProcess(cluster, N1, ["cilium-operator-generic"], name="cilium-operator-1")
    tasks["operator"] = processes["operator"].start(found["operator-generic"].programs["cilium-operator-generic"])
    await cluster.settle()
    await cluster.clock.advance(2)
    return cluster, found, tasks, processes


async def test_agents_wait_for_the_operator_and_then_give_pods_a_network() -> None:
    cluster, _, tasks, processes = await installed({})
    assert all(processes[node].serving for node in NODES)
    assert all(cluster.agents.readiness(node).ready for node in NODES)
    cidrs = {
        item["metadata"]["name"]: item["spec"]["ipam"]["podCIDRs"]
        for item in cluster.registry.list("ciliumnodes.cilium.io")
    }
    assert cidrs == {CONTROL: ["10.0.0.0/24"], N1: ["10.0.1.0/24"], N2: ["10.0.2.0/24"]}
    client, server = cluster.pod("client", N1), cluster.pod("server", N2)
    assert server.ip.startswith("10.0.2.")
    await cluster.settle()
    server.listen(80, echo)
    assert await request(client, server.ip, 80) == b"request"
    assert 'level=info msg="Cilium Agent starting" version=1.20.2' in processes[N1].errors
    await end(*tasks.values())


async def test_without_a_network_plug_in_nodes_are_not_ready() -> None:
    cluster = await Cluster().start(cilium=False)
    readiness = cluster.agents.readiness(N1)
    assert not readiness.ready
    assert "cni plugin not initialized" in readiness.message


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "dial tcp 10.96.0.1:443: i/o timeout"),
        ({"KUBERNETES_SERVICE_HOST": "wrong-host"}, "no such host"),
        ({"KUBERNETES_SERVICE_HOST": "172.18.0.3", "KUBERNETES_SERVICE_PORT": "6443"}, "connection refused"),
    ],
)
async def test_an_agent_that_cannot_reach_the_api_server_says_so_and_ends(env: dict[str, str], message: str) -> None:
    cluster = await Cluster().start(cilium=False)
    cluster.registry.create(
        "configmaps", {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": {}}
    )
    process = FakeProcess(cluster, N1, ["cilium-agent"], env={"X": "y", **env})
    task = process.start(images(cluster)["cilium"].programs["cilium-agent"])
    assert await cluster.within(task) == 1
    assert message in process.errors
    assert not cluster.agents.readiness(N1).ready


async def test_a_bad_option_ends_the_agent_with_its_name() -> None:
    cluster = await Cluster().start(cilium=False)
    data = {"kube-proxy-replacement": "strict"}
    cluster.registry.create(
        "configmaps", {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": data}
    )
    process = FakeProcess(cluster, N1, ["cilium-agent"])
    assert await cluster.within(process.start(images(cluster)["cilium"].programs["cilium-agent"])) == 1
    assert "kube-proxy-replacement" in process.errors


async def test_an_agent_that_stops_leaves_traffic_flowing_and_refuses_new_pods() -> None:
    cluster, found, tasks, _ = await installed({})
    client, server = cluster.pod("client", N1), cluster.pod("server", N2)
    server.listen(80, echo)
    await cluster.settle()
    stream = await client.connect(server.ip, 80)
    await end(tasks[N1])
    await stream.write(b"still here")
    assert await stream.read() == b"still here"
    assert await request(client, server.ip, 80) == b"request"
    assert cluster.agents.readiness(N1).ready
    with pytest.raises(RuntimeError, match="Is the agent running"):
        cluster.pod("late", N1)
    cluster.registry.delete("pods", "late", "shop", grace=0)
    again = FakeProcess(cluster, N1, ["cilium-agent"])
    tasks[N1] = again.start(found["cilium"].programs["cilium-agent"])
    await cluster.settle()
    cluster.pod("later", N1)
    assert await request(client, server.ip, 80) == b"request"
    await end(*tasks.values())


async def test_policies_applied_while_the_agent_is_down_count_after_its_start() -> None:
    cluster, found, tasks, _ = await installed({})
    client, server = cluster.pod("client", N1), cluster.pod("server", N1)
    server.listen(80, echo)
    await cluster.settle()
    await end(tasks[N1])
    cluster.cnp("deny", {"endpointSelector": {}, "ingress": [{}]})
    await cluster.settle()
    assert await request(client, server.ip, 80) == b"request"
    again = FakeProcess(cluster, N1, ["cilium-agent"])
    tasks[N1] = again.start(found["cilium"].programs["cilium-agent"])
    await cluster.settle()
    with pytest.raises(Exception, match="timed out"):
        await cluster.within(request(client, server.ip, 80, timeout=2))
    await end(*tasks.values())


async def test_the_operator_judges_policies() -> None:
    cluster, _, tasks, _ = await installed({})
    cluster.cnp("empty", {"endpointSelector": {}, "ingress": []})
    cluster.cnp("good", {"endpointSelector": {}, "ingress": [{}]})
    await cluster.settle()

    def condition(name: str) -> dict[str, str]:
        return cluster.registry.get("ciliumnetworkpolicies.cilium.io", name, "shop")["status"]["conditions"][0]

    assert condition("good")["status"] == "True"
    assert condition("good")["message"] == "Policy validation succeeded"
    assert condition("empty")["status"] == "False"
    assert condition("empty")["message"].endswith(
        "rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny"
    )
    await end(*tasks.values())


async def test_the_operator_marks_nodes_whose_agent_is_ready() -> None:
    cluster, _, tasks, _ = await installed({})
    draft = cluster.registry.draft("nodes", N1)
    draft["spec"]["taints"] = [{"key": "node.cilium.io/agent-not-ready", "effect": "NoSchedule"}]
    cluster.registry.update("nodes", draft)
    cluster.pod("cilium-1", N1, "kube-system", {"k8s-app": "cilium"}, spec={"hostNetwork": True})
    cluster.patch_status("pods", "cilium-1", "kube-system", {"conditions": [{"type": "Ready", "status": "True"}]})
    await cluster.settle()
    node = cluster.registry.get("nodes", N1)
    assert "taints" not in node["spec"]
    assert node["status"]["conditions"][0]["reason"] == "CiliumIsUp"
    assert not any(
        item.get("reason") == "CiliumIsUp" for item in cluster.registry.get("nodes", N2)["status"].get("conditions", [])
    )
    await end(*tasks.values())


async def test_unused_identities_are_collected_after_the_heartbeat_timeout() -> None:
    cluster, _, tasks, _ = await installed({})
    cluster.pod("client", N1)
    await cluster.settle()
    assert len(cluster.registry.list("ciliumidentities.cilium.io")) == 1
    cluster.delete_pod("client")
    await cluster.clock.advance(1000)
    assert len(cluster.registry.list("ciliumidentities.cilium.io")) == 1
    await cluster.clock.advance(2000)
    assert cluster.registry.list("ciliumidentities.cilium.io") == []
    await end(*tasks.values())


OPERATOR = "cilium-operator-generic"


@pytest.mark.parametrize(
    ("image", "words", "code", "said"),
    [
        ("operator-generic", f"{OPERATOR} status clustermesh", 0, "ClusterMesh:\t0/0 clusters ready\n"),
        ("operator-generic", f"{OPERATOR} troubleshoot kvstore", 0, "This is expected when Cilium is running in CRD"),
        ("operator-generic", f"{OPERATOR} troubleshoot clustermesh x", 0, 'Cluster "x":\n❌ Configuration not found'),
        ("operator-generic", f"{OPERATOR} shell db/dump", 1, "shell is not part of the embedded cluster"),
        ("operator-generic", f"{OPERATOR} metrics list", 1, "metrics is not part of the embedded cluster"),
        ("operator-generic", f"{OPERATOR} nothing", 1, f'unknown command "nothing" for "{OPERATOR}"'),
        ("operator-generic", f"{OPERATOR} --version", 0, f"{OPERATOR} 1.20.2 "),
        ("cilium", "cilium-agent --version", 0, "cilium-agent 1.20.2 "),
        ("cilium", "cilium-agent --help", 0, "Usage:\n  cilium-agent [flags]"),
        ("cilium", "cilium-agent hive", 1, "hive is not part of the embedded cluster"),
    ],
)
async def test_a_daemon_run_with_a_command_answers_it_and_ends(image: str, words: str, code: int, said: str) -> None:
    """As ``cilium sysdump`` runs them, which otherwise waited for operators that waited for the lead."""
    cluster = await Cluster().start(cilium=False)
    process = FakeProcess(cluster, N1, words.split())
    assert await process.start(images(cluster)[image].programs[process.argv[0]]) == code
    assert said in process.output + process.errors


async def test_a_second_agent_in_a_pod_is_refused_and_the_first_goes_on() -> None:
    cluster, found, tasks, _ = await installed({})
    second = FakeProcess(cluster, N1, ["cilium-agent"])
    assert await second.start(found["cilium"].programs["cilium-agent"]) == 1
    assert "the agent of this pod runs already" in second.errors
    assert cluster.agents.agent(N1).hubble is not None
    await end(*tasks.values())
    assert not cluster.agents.agent(N1).running
