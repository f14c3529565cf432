"""cilium-dbg: the commands around the agent's state — maps, nodes, metrics, waiting, watching — and its own help."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from lab_helpers.twin.agent.dbg.jsonpaths import evaluate
from lab_helpers.twin.agent.dbg.main import COMMANDS, dbg_program
from lab_helpers.twin.interfaces import ConnectionFailed
from tests.twin.agent.clusters import CONTROL, N1, N2, NODES, Cluster, echo, request
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
HTTP = {
    "endpointSelector": {"matchLabels": {"app": "server"}},
    "ingress": [
        {"toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [{"path": "/public"}]}}]}
    ],
}


async def shop(config: dict[str, str] | None = None) -> Cluster:
    cluster = await Cluster(config or {}).start()
    client, server = cluster.pod("client", N1), cluster.pod("server", N1)
    cluster.pod("far", N2)
    server.listen(80, echo)
    cluster.cnp("allow", POLICY)
    await cluster.settle()
    await request(client, server.ip, 80)
    return cluster


async def run(cluster: Cluster, *words: str, answer: bytes = b"") -> tuple[int, str, str]:
    process = FakeProcess(cluster, N1, ["cilium-dbg", *words])

    async def typed() -> AsyncIterator[bytes]:
        yield answer

    process.stdin = typed()
    return await process.start(dbg_program(cluster.agents)), process.output, process.errors


async def dbg(cluster: Cluster, *words: str) -> str:
    code, output, errors = await run(cluster, *words)
    assert code == 0, errors
    return output


async def model(cluster: Cluster, *words: str) -> object:
    return json.loads(await dbg(cluster, *words, "-o", "json"))


def number(cluster: Cluster, name: str) -> str:
    agent = cluster.agents.nodes[N1]
    return str(next(e.id for e in agent.endpoints.values() if e.datapath.pod == name))


WITH_OUTPUT = [command for command in COMMANDS if command.values.get("-o") == "output"]


@pytest.mark.parametrize("command", WITH_OUTPUT, ids=lambda c: "-".join(c.words))
async def test_json_yaml_and_jsonpath_say_the_same(command) -> None:  # type: ignore[no-untyped-def]
    cluster = await shop({"kube-proxy-replacement": "true"})
    words = list(command.words)
    if command.words[0] == "endpoint" and command.words != ("endpoint", "list"):
        words.append(number(cluster, "server"))
    extra = {
        ("identity", "get"): "host",
        ("bpf", "policy", "get"): "--all",
        ("map", "get"): "cilium_lxc",
        ("ip", "get"): f"{cluster.sockets('server').ip}/32",
        ("fqdn", "names"): "",
    }.get(command.words, "")
    words += [extra] if extra else []
    import yaml

    value: object = None
    for form in ("json", "yaml", "jsonpath={}"):
        text = await dbg(cluster, *words, "-o", form)
        if form == "json":
            value = json.loads(text)
        elif form == "yaml" and command.words != ("fqdn", "names"):
            assert type(yaml.safe_load(text)) is type(value)
        assert text.strip()


async def test_nodes_and_addresses() -> None:
    cluster = await shop()
    rows = (await dbg(cluster, "node", "list")).splitlines()
    assert rows[0].split("   ")[0] == "Name"
    assert [row.split()[1:] for row in rows[1:]] == [
        ["172.18.0.2", "10.0.0.0/24", "custom-resource"],
        ["172.18.0.3", "10.0.1.0/24", "local"],
        ["172.18.0.4", "10.0.2.0/24", "custom-resource"],
    ]
    text = await dbg(cluster, "ip", "list")
    assert text.splitlines()[0].split() == ["IP", "IDENTITY", "SOURCE"]
    assert text.splitlines()[1].split() == ["0.0.0.0/0", "reserved:world", "local"]
    server = cluster.sockets("server").ip
    assert f"{server}/32" in text
    assert "k8s:app=server" in await dbg(cluster, "ip", "get", f"{server}/32")
    assert (await run(cluster, "ip", "get", server))[2] == (
        f'Error: Unable to parse CIDR "{server}": invalid CIDR address: {server}\n'
    )
    labelled = (await dbg(cluster, "ip", "get", "-l", "k8s:app=server")).splitlines()
    assert labelled[1:4] == ["Labels:", "    k8s:app=server", "=" * 27]
    assert labelled[5].split()[0] == f"{server}/32"
    assert labelled[5].split()[3:] == ["server", "shop"]
    assert "k8s:app=server" not in await dbg(cluster, "ip", "list", "-n")
    far = cluster.sockets("far").ip
    found = next(entry for entry in await model(cluster, "ip", "list") if entry["cidr"] == f"{far}/32")  # type: ignore[attr-defined]
    assert found["hostIP"] == NODES[N2]
    assert found["metadata"]["name"] == "far"


async def test_tunnels_lead_to_the_other_nodes_only_in_tunnel_mode() -> None:
    cluster = await shop()
    rows = [line.split() for line in (await dbg(cluster, "bpf", "tunnel", "list")).splitlines()[1:]]
    assert rows == [["10.0.0.0:0", f"{NODES[CONTROL]}:0"], ["10.0.2.0:0", f"{NODES[N2]}:0"]]
    native = await shop({"routing-mode": "native", "ipv4-native-routing-cidr": "10.0.0.0/8"})
    assert (await dbg(native, "bpf", "tunnel", "list")).splitlines()[1:] == []


async def test_policy_maps_as_json_count_too() -> None:
    cluster = await shop()
    found = await model(cluster, "bpf", "policy", "get", number(cluster, "server"))
    entry = next(item for item in found if item["Key"]["DestPortNetwork"] == 80)  # type: ignore[attr-defined]
    assert entry["Key"]["Nexthdr"] == 6
    assert entry["Packets"] >= 4
    identity = str(entry["Key"]["Identity"])
    prefix = f"{cluster.sockets('client').ip}/32"
    value = f"identity={identity} encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>"
    assert await dbg(cluster, "bpf", "ipcache", "match", prefix) == f'key {prefix} has value "{value}"\n'
    assert (await run(cluster, "bpf", "ipcache", "match", "9.9.9.0/24"))[0] == 1


async def test_maps_hold_what_the_agent_put_there() -> None:
    cluster = await shop({"kube-proxy-replacement": "true"})
    rows = {line.split()[0]: line.split()[1:] for line in (await dbg(cluster, "map", "list")).splitlines()[1:]}
    agent = cluster.agents.nodes[N1]
    assert rows["cilium_ct4_global"] == ["unknown", "0", "false"]
    assert rows["cilium_ipcache_v2"][0] == str(1 + sum(1 for _ in agent.tables.ipcache))
    assert f"cilium_policy_v3_{int(number(cluster, 'server')):05d}" in rows
    cluster.pod("third", N1)
    await cluster.settle()
    after = {line.split()[0]: line.split()[1:] for line in (await dbg(cluster, "map", "list")).splitlines()[1:]}
    assert int(after["cilium_lxc"][0]) == int(rows["cilium_lxc"][0]) + 1
    text = await dbg(cluster, "map", "get", "cilium_ipcache_v2")
    assert text.splitlines()[0].split() == ["Key", "Value", "State", "Error"]
    assert "sync" in text.splitlines()[1]
    assert await dbg(cluster, "map", "get", "cilium_metrics") == "Cache is disabled\n\n"
    assert "getMapNameNotFound" in (await run(cluster, "map", "get", "nope"))[2]


async def test_the_metrics_map_and_the_metrics_count() -> None:
    cluster = await shop()
    before = {tuple(line.split()[:2]): int(line.split()[2]) for line in await traffic(cluster)}
    with pytest.raises(ConnectionFailed):
        await cluster.within(cluster.sockets("far").connect(cluster.sockets("server").ip, 80, timeout=0.5))
    after = await traffic(cluster)
    assert ("Policy", "denied") not in before
    assert after[0].split()[:4] == ["Policy", "denied", "INGRESS", "1"]
    rows = (await dbg(cluster, "metrics", "list", "-p", "drop_count")).splitlines()
    assert rows[0].split() == ["Metric", "Labels", "Value"]
    assert rows[1].split("   ") == ["cilium_drop_count_total", "direction=INGRESS reason=Policy denied", "1.000000"]
    assert [item["value"] for item in await model(cluster, "metrics", "list", "-p", "^cilium_policy$")] == [1.0]  # type: ignore[attr-defined]


async def traffic(cluster: Cluster) -> list[str]:
    return (await dbg(cluster, "bpf", "metrics", "list")).splitlines()[1:]


async def test_masquerading_translates_what_leaves_the_cluster() -> None:
    cluster = await shop({"kube-proxy-replacement": "true", "enable-bpf-masquerade": "true"})
    cluster.datapath.outside("198.51.100.7").listen(443, echo)
    client = cluster.sockets("client")
    stream = await client.connect("198.51.100.7", 443)
    out, back = (await dbg(cluster, "bpf", "nat", "list")).splitlines()[:2]
    port = out.split()[2].rpartition(":")[2]
    assert out.split(" Created=")[0] == (f"TCP OUT {client.ip}:{port} -> 198.51.100.7:443 XLATE_SRC {NODES[N1]}:{port}")
    assert back.startswith(f"TCP IN 198.51.100.7:443 -> {NODES[N1]}:{port} XLATE_DST {client.ip}:{port} Created=")
    await stream.close()
    await cluster.clock.advance(9000)
    assert (await dbg(cluster, "bpf", "nat", "list")).strip() == ""
    plain = await shop()
    assert (
        "Unable to open /sys/fs/bpf/tc/globals/cilium_snat_v4_external" in (await run(plain, "bpf", "nat", "list"))[2]
    )


async def test_status_follows_configuration_and_clock() -> None:
    cluster = await shop({"bpf-map-dynamic-size-ratio": "0.0025", "enable-ipv4-big-tcp": "true", "cluster-id": "3"})
    text = await dbg(cluster, "status", "--verbose")
    assert "IPv4 BIG TCP:" in text
    lines = {line.partition(":")[0]: line.partition(":")[2].strip() for line in text.splitlines()}
    assert lines["IPv4 BIG TCP"] == "Enabled"
    assert lines["Global Identity Range"] == "min 196864, max 262143"
    assert "cilium/v2::CiliumNetworkPolicy" in lines["Kubernetes APIs"]
    assert "dynamic sizing: on (ratio: 0.002500)" in text
    count = int(lines["Controller Status"].partition("/")[0])
    rows = [line for line in text.splitlines() if line.rstrip().endswith("no error")]
    assert len(rows) == count
    await cluster.clock.advance(7)
    found = (await model(cluster, "status"))["controllers"]  # type: ignore[index]
    sync = next(item for item in found if item["name"] == "metricsmap-bpf-prom-sync")
    assert sync["status"]["success-count"] == 2
    cluster.pod("third", N1)
    await cluster.settle()
    more = (await dbg(cluster, "status", "--all-controllers")).splitlines()
    assert sum(line.rstrip().endswith("no error") for line in more) == count + 5


async def test_proxy_statistics_count_requests() -> None:
    cluster = await shop()
    cluster.cnp("allow", HTTP)
    await cluster.settle()
    client, server = cluster.sockets("client"), cluster.sockets("server")

    async def answer(stream) -> None:  # type: ignore[no-untyped-def]
        while await stream.read():
            await stream.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    server.listen(8080, answer)
    stream = await client.connect(server.ip, 80)
    await stream.write(b"GET /secret HTTP/1.1\r\nhost: server\r\n\r\n")
    assert b"403" in await stream.read()
    await stream.close()
    text = await dbg(cluster, "endpoint", "get", number(cluster, "server"))
    found = evaluate("{[0].status.policy.proxy-statistics[0].statistics.requests}", json.loads(text))
    assert json.loads(found) == {"denied": 1, "error": 0, "forwarded": 0, "received": 1}
    assert "rule=denied" in await dbg(cluster, "metrics", "list", "-p", "policy_l7")


async def test_waiting_for_a_revision() -> None:
    cluster = await shop()
    agent = cluster.agents.nodes[N1]
    assert await dbg(cluster, "policy", "wait", "1") == ""
    process = FakeProcess(cluster, N1, ["cilium-dbg", "policy", "wait", str(agent.repository.revision + 1)])
    task = process.start(dbg_program(cluster.agents))
    await cluster.settle()
    assert "\rWaiting for endpoints to run policy revision" in process.output
    assert not task.done()
    cluster.cnp("more", {**POLICY, "ingress": [{}]})
    assert await cluster.within(task, 3) == 0
    process = FakeProcess(cluster, N1, ["cilium-dbg", "policy", "wait", "999999", "--max-wait-time", "5"])
    assert await cluster.within(process.start(dbg_program(cluster.agents)), 10) == 1
    assert "endpoints still not ready after" in process.errors


async def test_selectors_of_names_are_shown_as_expressions() -> None:
    cluster = await shop()
    patterns = ("*", "**.Example.com", "sub*.example.com")
    selectors = [{"matchName": "api.stripe.com"}, *({"matchPattern": pattern} for pattern in patterns)]
    cluster.cnp("names", {**POLICY, "egress": [{"toFQDNs": selectors}]})
    await cluster.settle()
    _, output, _ = await run(cluster, "fqdn", "names")
    label = "[-a-zA-Z0-9_]"
    assert {entry["regexString"] for entry in json.loads(output)["FQDNPolicySelectors"]} == {
        "^api[.]stripe[.]com[.]$",
        f"(^({label}+[.])+$)|(^[.]$)",
        f"^({label}+[.])+example[.]com[.]$",
        f"^sub{label}*[.]example[.]com[.]$",
    }


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 1), (b"y\n", 0)])
async def test_cleaning_the_name_cache_asks_first(answer: bytes, left: int) -> None:
    cluster = await shop()
    agent = cluster.agents.nodes[N1]
    agent.names.learn(int(number(cluster, "client")), "api.stripe.com.", ["198.51.100.7"], 60)
    code, output, _ = await run(cluster, "fqdn", "cache", "clean", answer=answer)
    assert code == 0
    assert "Following cache entries are going to be deleted:" in output
    assert "api.stripe.com." in output
    assert len(list(agent.names.rows())) == left


async def monitor(cluster: Cluster, *words: str) -> list[str]:
    process = FakeProcess(cluster, N1, ["cilium-dbg", "monitor", *words])
    task = process.start(dbg_program(cluster.agents))
    await cluster.settle()
    await request(cluster.sockets("client"), cluster.sockets("server").ip, 80)
    with pytest.raises(ConnectionFailed):
        await cluster.within(cluster.sockets("far").connect(cluster.sockets("server").ip, 80, timeout=0.5))
    await cluster.settle()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return process.output.splitlines()


async def test_monitor_filters_by_endpoint() -> None:
    cluster = await shop()
    client, server = number(cluster, "client"), number(cluster, "server")
    drops = await monitor(cluster, "-t", "drop", "--related-to", server)
    assert drops
    assert all(f"to endpoint {server}" in line for line in drops)
    assert await monitor(cluster, "-t", "drop", "--related-to", client) == []
    assert len(await monitor(cluster, "-t", "drop", "--from", server)) == len(drops)  # its program dropped them
    assert await monitor(cluster, "-t", "drop", "--from", client) == []
    lines = await monitor(cluster, "-t", "trace", "-t", "policy-verdict", "--from", server)
    assert lines[0].startswith("Policy verdict log: flow 0x")
    assert lines[1].startswith(f"-> endpoint {server} flow 0x")
    assert not any(line.startswith(f"-> endpoint {client} ") for line in lines)


async def test_monitor_prints_json() -> None:
    cluster = await shop()
    server = int(number(cluster, "server"))
    lines = await monitor(cluster, "-j", "-t", "drop", "-t", "policy-verdict", "-t", "trace")
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert {line.split(" flow ")[0] for line in lines if not line.startswith("{")} == {"Policy verdict log:"}
    drop = next(event for event in events if event["type"] == "drop")
    assert drop["reason"] == "Policy denied"
    assert (drop["source"], drop["dstID"]) == (server, server)
    assert drop["summary"]["l4"]["dst"] == "80"
    assert (drop["File"], drop["bytes"]) == (2, 74)
    assert drop["summary"]["tcp"].startswith("TCP\t{Contents=[..40..] Payload=[] SrcPort=")
    assert {event["type"] for event in events} == {"drop", "trace"}
    assert next(event for event in events if event["type"] == "trace")["observationPoint"] == "to-endpoint"


async def test_monitor_prints_requests_of_layer_7() -> None:
    cluster = await shop()
    cluster.cnp("allow", HTTP)
    await cluster.settle()
    process = FakeProcess(cluster, N1, ["cilium-dbg", "monitor", "-t", "l7"])
    task = process.start(dbg_program(cluster.agents))
    await cluster.settle()
    stream = await cluster.sockets("client").connect(cluster.sockets("server").ip, 80)
    await stream.write(b"GET /secret HTTP/1.1\r\nhost: server\r\n\r\n")
    await stream.read()
    await stream.close()
    await cluster.settle()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    asked, answered = process.output.splitlines()
    assert asked.startswith("<- Request http from ")
    assert asked.endswith("verdict Denied GET http://server/secret => 0")
    assert answered.startswith("<- Response http to ")
    assert answered.endswith("verdict Forwarded GET http://server/secret => 403")


@pytest.mark.parametrize(
    ("words", "code", "where", "text"),
    [
        ("endpont list", 1, 2, "Did you mean this?\n\tendpoint\n"),
        ("endpont list", 1, 1, 'unknown command "endpont" for "cilium-dbg"'),
        ("nothing", 1, 2, "Run 'cilium-dbg --help' for usage."),
        ("policy trace", 0, 1, "Usage:\n  cilium-dbg policy [command]"),
        ("bpf", 0, 1, "  nat         NAT mapping tables"),
        ("", 0, 1, "CLI for interacting with the local Cilium Agent"),
        ("bgp peers", 1, 2, "not part of the embedded cluster"),
        ("bpf lb maglev list", 1, 2, "cilium-dbg bpf lb maglev is not part of the embedded cluster"),
        ("policy get --top-identities", 1, 2, "unknown flag: --top-identities"),
        ("status --nope", 1, 2, "Usage:\n  cilium-dbg status [flags]"),
        ("status -z", 1, 2, "unknown shorthand flag: 'z' in -z"),
        ("fqdn cache list -e", 1, 2, "flag needs an argument: 'e' in -e"),
        ("endpoint log", 1, 2, "Error: Missing endpoint id argument"),
        ("policy get --help", 0, 1, "json| yaml| jsonpath='{}'"),
        ("-D endpoint ls", 0, 1, "ENDPOINT"),
        ("monitor --from x", 1, 2, 'invalid argument "x" for "--from" flag: strconv.ParseUint: parsing "x"'),
        ("monitor -t drop,trace", 1, 2, "Unknown type (drop,trace)."),
        ("monitor -jz", 1, 2, "unknown shorthand flag: 'z' in -z"),
        ("fqdn names -o json", 1, 2, "unknown shorthand flag: 'o' in -o"),
        ("policy wait x", 1, 2, "invalid revision 'x'"),
        ("troubleshoot kvstore", 0, 1, "This is expected when Cilium is running in CRD mode"),
        ("troubleshoot clustermesh other", 0, 1, 'Cluster "other":\n❌ Configuration not found'),
        ("encrypt status", 0, 1, "Encryption: Disabled"),
    ],
)
async def test_help_and_mistakes(words: str, code: int, where: int, text: str) -> None:
    cluster = await Cluster().start()
    found = await run(cluster, *words.split())
    assert found[0] == code
    assert text in found[where]


async def test_encryption_that_is_not_there_is_not_claimed() -> None:
    cluster = await Cluster({"enable-wireguard": "true"}).start()
    code, _, errors = await run(cluster, "encrypt", "status")
    assert code == 1
    assert "enable-wireguard=true has no effect" in errors
