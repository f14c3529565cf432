"""cilium-dbg: what it prints is the agent's state."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from lab_helpers.twin.agent.dbg.hubble import hubble_program
from lab_helpers.twin.agent.dbg.jsonpaths import PathError, evaluate
from lab_helpers.twin.agent.dbg.main import COMMANDS, dbg_program
from lab_helpers.twin.interfaces import ConnectionFailed
from tests.twin.agent.clusters import N1, Cluster, echo, request
from tests.twin.agent.processes import FakeProcess

POLICY = {
    "endpointSelector": {"matchLabels": {"app": "server"}},
    "ingress": [
        {
            "fromEndpoints": [{"matchLabels": {"app": "client"}}],
            "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}],
        }
    ],
}


async def shop() -> Cluster:
    cluster = await Cluster({"kube-proxy-replacement": "true"}).start()
    client, server = cluster.pod("client", N1), cluster.pod("server", N1)
    server.listen(80, echo)
    cluster.service("web", 8080, {server.ip: N1}, target=80)
    cluster.cnp("allow", POLICY)
    await cluster.settle()
    await request(client, server.ip, 80)
    return cluster


async def dbg(cluster: Cluster, *words: str, code: int = 0) -> str:
    process = FakeProcess(cluster, N1, ["cilium-dbg", *words])
    assert await process.start(dbg_program(cluster.agents)) == code, process.errors
    return process.output if code == 0 else process.errors


def number(cluster: Cluster, name: str) -> int:
    agent = cluster.agents.nodes[N1]
    return next(e.id for e in agent.endpoints.values() if e.datapath.pod == name)


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if command.arguments[0] == 0], ids=lambda c: "-".join(c.words)
)
async def test_every_command_without_arguments_works(command) -> None:  # type: ignore[no-untyped-def]
    cluster = await shop()
    if command.words in (("monitor",), ("build-config",), ("fqdn", "cache", "clean"), ("preflight", "validate-cnp")):
        return
    words = list(command.words)
    if command.words == ("endpoint", "get"):
        words.append(str(number(cluster, "server")))
    if command.words == ("endpoint", "config"):
        words.append("--list-options")
    if command.words == ("identity", "get"):
        words.append("host")
    if command.words == ("bpf", "policy", "get"):
        words.append("--all")
    if command.words == ("map", "get"):
        words.append("cilium_ipcache_v2")
    if command.words == ("ip", "get"):
        words.append(f"{cluster.sockets('server').ip}/32")
    assert (await dbg(cluster, *words)).strip() or command.words == ("bpf", "nat", "list")


async def test_endpoint_list_shows_enforcement_and_one_label_per_line() -> None:
    cluster = await shop()
    lines = (await dbg(cluster, "endpoint", "list")).splitlines()
    assert lines[0].split("   ")[0] == "ENDPOINT"
    assert lines[1].split() == ["ENFORCEMENT", "ENFORCEMENT"]
    row = next(line for line in lines if line.startswith(str(number(cluster, "server"))))
    assert row.split()[1:3] == ["Enabled", "Disabled"]
    assert row.split()[4] == "k8s:app=server"
    assert row.split()[-1] == "ready"


async def test_endpoint_get_prints_an_array_for_jsonpath() -> None:
    cluster = await shop()
    text = await dbg(
        cluster,
        "endpoint",
        "get",
        str(number(cluster, "server")),
        "-o",
        "jsonpath={[0].status.policy.realized.policy-enabled}",
    )
    assert text == "ingress\n"
    model = json.loads(await dbg(cluster, "endpoint", "get", "pod-name:shop/server"))
    assert model[0]["status"]["state"] == "ready"
    assert model[0]["status"]["policy"]["realized"]["policy-revision"] == cluster.agents.nodes[N1].repository.revision


async def test_policy_audit_mode_of_one_endpoint() -> None:
    cluster = await shop()
    await dbg(cluster, "endpoint", "config", str(number(cluster, "server")), "PolicyAuditMode=Enabled")
    cluster.cnp("allow", {**POLICY, "ingress": [{}]})
    await cluster.settle()
    assert await request(cluster.sockets("client"), cluster.sockets("server").ip, 80) == b"request"
    assert "Disabled (Audit)" in await dbg(cluster, "endpoint", "list")


async def test_the_policy_map_counts() -> None:
    cluster = await shop()
    text = await dbg(cluster, "bpf", "policy", "get", str(number(cluster, "server")))
    row = next(line for line in text.splitlines() if "80/TCP" in line)
    assert row.split()[:2] == ["Allow", "Ingress"]
    assert int(row.split()[-3]) >= 4


async def test_conntrack_shows_both_sides_and_forgets() -> None:
    cluster = await shop()
    text = await dbg(cluster, "bpf", "ct", "list", "global")
    assert [line.split()[1] for line in text.split("\n") if line.strip()] == ["OUT", "IN"]
    assert "RxClosing TxClosing SeenNonSyn" in text
    await cluster.clock.advance(11)
    assert (await dbg(cluster, "bpf", "ct", "list", "global")).strip() == ""


async def test_maps_and_lists_name_what_is_there() -> None:
    cluster = await shop()
    server = cluster.sockets("server").ip
    assert f"{server}/32" in await dbg(cluster, "bpf", "ipcache", "list")
    assert f"1 => {server}:80/TCP (active)" in await dbg(cluster, "service", "list")
    assert "[ClusterIP, non-routable]" in await dbg(cluster, "bpf", "lb", "list")
    head, *backends = (await dbg(cluster, "bpf", "lb", "list", "--backends")).splitlines()
    assert head.split() == ["ID", "BACKEND", "ADDRESS", "(REVNAT_ID)", "(SLOT)"]
    listed = json.loads(await dbg(cluster, "bpf", "lb", "list", "--frontends", "-o", "json"))
    numbers = {line.split()[0] for line in backends}
    assert {value[0].split()[0] for key, value in listed.items() if not key.endswith("(0)")} == numbers
    reverse = json.loads(await dbg(cluster, "bpf", "lb", "list", "--revnat", "-o", "json"))
    assert {key.partition("/")[0] for key in listed} == {value[0] for value in reverse.values()}
    assert "k8s:app=client" in await dbg(cluster, "identity", "list")
    assert "reserved:host" in await dbg(cluster, "identity", "get", "1")
    assert "shop/allow" in await dbg(cluster, "policy", "selectors")
    assert (await dbg(cluster, "status", "--brief")) == "OK\n"
    lines = (await dbg(cluster, "status")).splitlines()
    assert next(line for line in lines if line.startswith("KubeProxyReplacement:")).split()[1] == "True"


async def test_mistakes_are_explained() -> None:
    cluster = await shop()
    assert 'unknown command "polcy" for "cilium-dbg"' in await dbg(cluster, "polcy", code=1)
    assert "404" in await dbg(cluster, "endpoint", "get", "4000000", code=1)
    assert "unknown flag: --nope" in await dbg(cluster, "status", "--nope", code=1)
    assert "Unknown type (nope)" in await dbg(cluster, "monitor", "--type", "nope", code=1)
    cluster.agents.nodes[N1].stop()
    assert "Is the agent running?" in await dbg(cluster, "status", code=1)


async def test_monitor_prints_drops_with_both_identities() -> None:
    cluster = await shop()
    process = FakeProcess(cluster, N1, ["cilium-dbg", "monitor", "--type", "drop", "--type", "policy-verdict"])
    task = process.start(dbg_program(cluster.agents))
    await cluster.settle()
    with pytest.raises(ConnectionFailed):
        await cluster.within(cluster.sockets("client").connect(cluster.sockets("server").ip, 81, timeout=0.5))
    await cluster.settle()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    lines = process.output.splitlines()
    announced = "Listening for events on 2 CPUs with 64x4096 of shared memory\nPress Ctrl-C to quit\n"
    assert process.errors == announced
    agent = cluster.agents.nodes[N1]
    client, server = (agent.endpoints[number(cluster, name)].datapath for name in ("client", "server"))
    assert lines[0].startswith("Policy verdict log: flow 0x")
    assert f"local EP ID {server.id}, remote ID {client.identity}, proto 6, ingress, action deny" in lines[0]
    assert lines[1].startswith("xx drop (Policy denied) flow 0x")
    assert f"to endpoint {server.id}, ifindex {server.ifindex}, file bpf_lxc.c:" in lines[1]
    assert f", , identity {client.identity}->{server.identity}: " in lines[1]
    assert lines[1].endswith("tcp SYN")
    assert agent.tables.monitors == []


async def test_hubble_in_the_pod_shows_its_own_node() -> None:
    cluster = await shop()
    process = FakeProcess(
        cluster, N1, ["hubble", "observe", "--to-pod", "shop/server", "-t", "policy-verdict", "-o", "compact"]
    )
    assert await process.start(hubble_program(cluster.agents)) == 0
    line = process.output.strip()
    assert "policy-verdict:L3-L4 INGRESS ALLOWED (TCP Flags: SYN)" in line
    dumped = FakeProcess(cluster, N1, ["hubble", "observe", "--last", "2", "--debug", "-o", "jsonpb"])
    assert await dumped.start(hubble_program(cluster.agents)) == 0  # as cilium sysdump asks
    assert [list(json.loads(line)) for line in dumped.output.splitlines()] == [["flow", "node_name", "time"]] * 2
    status = FakeProcess(cluster, N1, ["hubble", "status"])
    assert await status.start(hubble_program(cluster.agents)) == 0
    assert "Healthcheck (via unix:///var/run/cilium/hubble.sock): Ok" in status.output


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{[0].a}", "1"),
        ("{[*].a}", "1 2"),
        ("{range [*]}{.a}{'\\n'}{end}".replace("'", '"'), "1\n2\n"),
        ("x={[1].b['c-d']}", "x=y"),
        ("{[5].a}", ""),
        ("{[1].*}", '2 {"c-d":"y"}'),
        ("{[:1].a}", "1"),
        ('{[?(@.b.c-d=="y")].a}', "2"),
        ("{[?(@.a>1)].a}", "2"),
        ("{[?(@.b)].a}", "2"),
        ("{..c-d}", "y"),
    ],
)
def test_jsonpath(template: str, text: str) -> None:
    assert evaluate(template, [{"a": 1}, {"a": 2, "b": {"c-d": "y"}}]) == text


def test_jsonpath_says_what_it_cannot_read() -> None:
    with pytest.raises(PathError, match="unrecognized"):
        evaluate("{.a?b}", {})
    with pytest.raises(PathError, match="in filter"):
        evaluate("{[?(@.a==b)]}", [{"a": 1}])


async def test_the_agent_reports_about_itself() -> None:
    cluster = await shop()
    process = FakeProcess(cluster, N1, ["cilium-dbg", "monitor", "--type", "agent"])
    task = process.start(dbg_program(cluster.agents))
    await cluster.settle()
    cluster.cnp("more", {**POLICY, "ingress": [{}]})
    await cluster.settle()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    lines = process.output.splitlines()
    assert lines[0].startswith(">> Policy updated: ")
    assert "io.cilium.k8s.policy.name=more" in lines[0]
    assert any(line.startswith(">> Endpoint regenerated: ") for line in lines)
    hubble = cluster.agents.nodes[N1].hubble
    assert hubble is not None
    assert len(hubble.agent_events) > 5


async def test_the_ingress_endpoint_is_there_when_envoy_serves_ingress() -> None:
    cluster = await Cluster({"enable-ingress-controller": "true"}).start()
    assert "reserved:ingress" in await dbg(cluster, "endpoint", "list")


async def test_preflight_validates_what_is_there() -> None:
    cluster = await shop()
    process = FakeProcess(cluster, N1, ["cilium-dbg", "preflight", "validate-cnp"])
    assert await process.start(dbg_program(cluster.agents)) == 0
    assert "All CCNPs and CNPs valid!" in process.errors
    cluster.cnp("empty", {"endpointSelector": {}, "ingress": []})
    failing = FakeProcess(cluster, N1, ["cilium-dbg", "preflight", "validate-cnp"])
    assert await failing.start(dbg_program(cluster.agents)) == 1
    assert "Validating CiliumNetworkPolicy 'shop/empty': unexpected validation error" in failing.errors
