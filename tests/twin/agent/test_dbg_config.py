"""Options that change while the agent runs: what ``cilium-dbg config`` says of them, and what follows."""

from __future__ import annotations

import json

import pytest

from lab_helpers.twin.agent.dbg.main import dbg_program
from lab_helpers.twin.datapath.options import Aggregation, OptionError
from lab_helpers.twin.interfaces import ConnectionFailed
from tests.twin.agent.clusters import N1, N2, Cluster, echo, request
from tests.twin.agent.processes import FakeProcess

POLICY = {
    "endpointSelector": {"matchLabels": {"app": "server"}},
    "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "client"}}]}],
}


async def shop(version: str = "1.20.2") -> Cluster:
    """Client and server on one node, another pod elsewhere; only the client may reach the server."""
    cluster = await Cluster().start()
    if version != "1.20.2":
        cluster.agents.nodes[N1].stop()
        cluster.start_agent(N1, version)
    for name, node in (("client", N1), ("server", N1), ("far", N2)):
        cluster.pod(name, node).listen(80, echo)
    cluster.cnp("allow", POLICY)
    await cluster.settle()
    cluster.flows.clear()
    return cluster


async def run(cluster: Cluster, *words: str) -> tuple[int, str, str]:
    process = FakeProcess(cluster, N1, ["cilium-dbg", *words])
    return await process.start(dbg_program(cluster.agents)), process.output, process.errors


async def reached(cluster: Cluster, source: str, target: str) -> bool:
    try:
        await cluster.within(request(cluster.sockets(source), cluster.sockets(target).ip, 80, timeout=0.4))
    except ConnectionFailed:
        return False
    return True


def number(cluster: Cluster, name: str) -> str:
    agent = cluster.agents.nodes[N1]
    return str(next(e.id for e in agent.endpoints.values() if e.datapath.pod == name))


def kinds(cluster: Cluster) -> set[int]:
    return {flow.event_type.type for flow in cluster.flows if flow.node_name == N1}


async def test_the_list_is_what_the_agent_has() -> None:
    cluster = await shop()
    _, text, _ = await run(cluster, "config")
    assert text.splitlines()[0] == "##### Read-write configurations #####"
    assert f"{'MonitorAggregationLevel':<34}: Medium" in text.splitlines()
    assert text.splitlines()[-2:] == [f"{'MonitorNumPages':<34}: 64", f"{'PolicyEnforcement':<34}: default"]
    assert "Accounting" not in text
    _, old, _ = await run(await shop("1.19.8"), "config")
    assert f"{'ConntrackAccounting':<34}: Disabled" in old.splitlines()


async def test_enforcement_changes_verdicts_and_the_revision() -> None:
    cluster = await shop()
    agent = cluster.agents.nodes[N1]
    before = agent.repository.revision
    assert [await reached(cluster, *pair) for pair in (("far", "server"), ("server", "client"))] == [False, True]
    assert await run(cluster, "config", "PolicyEnforcement=always") == (0, "", "")
    assert agent.repository.revision > before
    assert not await reached(cluster, "server", "client")
    assert "both" in (await run(cluster, "endpoint", "get", number(cluster, "client"), "-o", "json"))[1]
    await run(cluster, "config", "PolicyEnforcement=never")
    assert await reached(cluster, "far", "server")
    assert (await run(cluster, "config", "get", "policy-enforcement"))[1] == "never\n"
    await run(cluster, "config", "PolicyEnforcement=default")
    assert not await reached(cluster, "far", "server")


@pytest.mark.parametrize(
    ("setting", "gone"), [("DropNotification=off", 1), ("tracenotification=0", 4), ("PolicyVerdictNotification=no", 0)]
)
async def test_notifications_are_switched_off(setting: str, gone: int) -> None:
    cluster = await shop()
    code, text, _ = await run(cluster, "config", setting)
    assert (code, text) == ((0, "") if gone else (1, "invalid option value no\n"))
    await reached(cluster, "far", "server")
    await reached(cluster, "client", "server")
    assert kinds(cluster) == {1, 4, 5} - {gone}


async def test_one_endpoint_alone_reports_no_verdicts() -> None:
    cluster = await shop()
    server = number(cluster, "server")
    words = ("endpoint", "config", server, "PolicyVerdictNotification=false", "DropNotification=disabled")
    assert (await run(cluster, *words))[1] == f"Endpoint {server} configuration updated successfully\n"
    await reached(cluster, "far", "server")
    assert kinds(cluster) == set()
    assert f"{'DropNotification':<34}: Disabled" in (await run(cluster, "endpoint", "config", server))[1]
    assert f"{'DropNotification':<34}: Enabled" in (await run(cluster, "config"))[1]
    _, text, _ = await run(cluster, "endpoint", "get", server)
    options = json.loads(text)[0]["status"]["realized"]["options"]
    assert (options["DropNotification"], options["TraceNotification"]) == ("Disabled", "Enabled")


async def test_the_aggregation_level_decides_which_packets_are_reported() -> None:
    cluster = await shop()
    counts = {}
    for level in ("medium", "low", "0"):
        assert (await run(cluster, "config", f"MonitorAggregationLevel={level}"))[0] == 0
        cluster.flows.clear()
        stream = await cluster.sockets("client").connect(cluster.sockets("server").ip, 80)
        for _ in range(3):
            await stream.write(b"x")
            await stream.read()
        await stream.close()
        await cluster.settle()
        points = [flow.event_type.sub_type for flow in cluster.flows if flow.event_type.type == 4]
        counts[level] = (points.count(0), points.count(5))
    assert counts["medium"][0] < counts["low"][0] == counts["0"][0]
    assert (counts["medium"][1], counts["low"][1]) == (0, 0)
    assert counts["0"][1] == counts["0"][0]
    assert (await run(cluster, "config", "get", "MonitorAggregationLevel"))[1] == "None\n"


async def test_audit_mode_of_all_endpoints_lets_through() -> None:
    cluster = await shop()
    await run(cluster, "config", "PolicyAuditMode=true")
    assert await reached(cluster, "far", "server")
    assert "Disabled (Audit)" in (await run(cluster, "endpoint", "list"))[1]


async def test_accounting_counts_where_it_is_an_option() -> None:
    cluster = await shop("1.19.8")
    await reached(cluster, "client", "server")
    assert " Packets=0 Bytes=0 " in (await run(cluster, "bpf", "ct", "list", "global"))[1]
    await run(cluster, "config", "ConntrackAccounting=Enabled", "PolicyAccounting=Disabled")
    await run(cluster, "bpf", "ct", "flush", "global")
    before = dict(cluster.agents.nodes[N1].tables.policy_stats)
    await reached(cluster, "client", "server")
    assert " Packets=0 " not in (await run(cluster, "bpf", "ct", "list", "global"))[1]
    assert cluster.agents.nodes[N1].tables.policy_stats == before


async def test_a_restart_takes_the_config_map_again() -> None:
    cluster = await shop()
    await run(cluster, "config", "TraceNotification=false", "PolicyEnforcement=never")
    cluster.agents.nodes[N1].stop()
    cluster.start_agent(N1)
    text = (await run(cluster, "config"))[1]
    assert f"{'TraceNotification':<34}: Enabled" in text
    assert f"{'PolicyEnforcement':<34}: default" in text
    assert (
        f"{'TraceNotification':<34}: Enabled"
        in (await run(cluster, "endpoint", "config", number(cluster, "server")))[1]
    )


@pytest.mark.parametrize(
    ("words", "where", "text"),
    [
        ("config Nope=true", 1, 'unknown option "Nope"\n'),
        ("config ConntrackAccounting=true", 1, 'unknown option "ConntrackAccounting"\n'),
        ("config !Debug=true", 1, "invalid boolean format\n"),
        ("config MonitorAggregationLevel=much", 1, 'invalid monitor aggregation level "much"\n'),
        ("config MonitorAggregationLevel=9", 1, "monitor aggregation level must be between 0 and 4\n"),
        ("config Debug", 2, "Error: Improper configuration format provided\n"),
        (
            "config PolicyEnforcement=some",
            2,
            '[PATCH /config][400] patchConfigBadRequest "invalid option for PolicyEnforcement some"\n\n',
        ),
        ("config -n 128", 2, "unknown option MonitorNumPages"),
        ("config -n many", 2, 'invalid argument "many" for "-n, --num-pages" flag'),
        ("config get nothing", 2, "Error: Configuration does not exist\n"),
    ],
)
async def test_mistakes_change_nothing_and_are_told_as_the_agent_does(words: str, where: int, text: str) -> None:
    cluster = await shop()
    agent = cluster.agents.nodes[N1]
    before = (agent.settings, agent.repository.revision)
    found = await run(cluster, *words.split())
    assert found[0] == 1
    assert text in found[where]
    assert (agent.settings, agent.repository.revision) == before


async def test_mistakes_about_an_endpoint() -> None:
    cluster = await shop()
    server = number(cluster, "server")
    code, _, errors = await run(cluster, "endpoint", "config", server, "DropNotification=perhaps")
    assert (code, errors) == (
        1,
        "Error: Cannot parse option DropNotification=perhaps: invalid option value perhaps\n",
    )
    code, _, errors = await run(cluster, "endpoint", "config", server, "PolicyTracing=true")
    assert errors == 'Error: Cannot parse option PolicyTracing=true: unknown option "PolicyTracing"\n'


@pytest.mark.parametrize(
    "words", ["config -r -o json", "config --all -o yaml", "config --list-options", "config -o json"]
)
async def test_other_forms(words: str) -> None:
    code, text, _ = await run(await shop(), *words.split())
    assert (code, bool(text.strip())) == (0, True)


@pytest.mark.parametrize(("text", "level"), [("Max", 4), ("", 0), ("disabled", 0), ("3", 3), ("LOWEST", 1)])
def test_levels(text: str, level: int) -> None:
    assert Aggregation.parse(text) is Aggregation(level)


def test_a_level_that_is_none() -> None:
    with pytest.raises(OptionError, match="between 0 and 4"):
        Aggregation.parse("-1")
