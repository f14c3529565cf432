"""``cilium-dbg status`` (cilium-dbg/cmd/status.go, pkg/client/client.go, pkg/health/client).

The real program also counts the health of its modules; the embedded agent has none, so that line is missing. Nor does
anybody measure the nodes' round trips, so ``--verbose`` shows the table of nodes, not each probe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from lab_helpers.hubble.printing.tabwriter import TabWriter
from lab_helpers.twin.agent.dbg.controllers import controller_rows, controllers
from lab_helpers.twin.agent.dbg.durations import go_duration
from lab_helpers.twin.agent.dbg.hosts import host
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session
from lab_helpers.twin.agent.dbg.statusmodels import known_nodes, probe_interval, probed_at, status_model

__all__ = ["COMMANDS"]

_HEALTH_LINES: Final = 10


def _table(rows: Iterable[str]) -> list[str]:
    """Rows with tabs as a table of its own, so that its columns do not mix with those around it."""
    writer = TabWriter(minimum=0, padding=3)
    for row in rows:
        writer.write(row + "\n")
    return writer.flush().splitlines()


def _on(feature: dict[str, Any]) -> str:
    return "Enabled" if feature.get("enabled") else "Disabled"


def _lines(session: Session, model: dict[str, Any], details: frozenset[str]) -> list[str]:
    balancer, routing, ipam = (model[key] for key in ("kube-proxy-replacement", "routing", "ipam"))
    devices = _devices(balancer)
    firewall = model["host-firewall"]
    network = routing["inter-host-routing-mode"]
    if network == "Tunnel":
        network += f" [{routing['tunnel-protocol']}]"
    apis = '", "'.join(model["kubernetes"]["k8s-api-versions"])
    lines = [
        f"KVStore:\t{model['kvstore']['state']}\t",
        f"Kubernetes:\t{model['kubernetes']['state']}\t{model['kubernetes']['msg']}",
        f'Kubernetes APIs:\t["{apis}"]',
        f"KubeProxyReplacement:\t{balancer['mode']}\t{f'[{devices}]' if devices else ''}",
        f"Host firewall:\t{firewall['mode']}"
        + (f"\t[{', '.join(firewall['devices'])}]" if firewall["devices"] else ""),
        "SRv6:\tDisabled",
        f"CNI Chaining:\t{model['cni-chaining']['mode']}",
        f"CNI Config file:\t{model['cni-file']['msg']}",
        f"Cilium:\t{model['cilium']['state']}   {model['cilium']['msg']}",
        f"NodeMonitor:\t{host(session.agent).monitor_line}",
        f"Cilium health daemon:\t{model['cluster']['ciliumHealth']['state']}\t",
        f"IPAM:\t{ipam.get('status', '')}",
    ]
    if "addresses" in details:
        owners = ipam.get("allocations", {})
        lines += ["Allocated addresses:", *sorted(f"  {ip} ({owner})" for ip, owner in owners.items())]
    lines += [
        f"IPv4 BIG TCP:\t{_on(model['ipv4-big-tcp'])}",
        f"IPv6 BIG TCP:\t{_on(model['ipv6-big-tcp'])}",
        "BandwidthManager:\tDisabled",
        f"Routing:\tNetwork: {network}\tHost: {routing['intra-host-routing-mode']}",
        f"Attach Mode:\t{'TCX' if model['attach-mode'] == 'tcx' else 'Legacy TC'}",
        f"Device Mode:\t{model['datapath-mode']}",
        f"Masquerading:\t{_masquerading(model)}",
        f"Controller Status:\t{len(model['controllers'])}/{len(model['controllers'])} healthy",
    ]
    if "controllers" in details and controllers(session.agent):
        lines += _table(controller_rows(session.agent))
    proxy = model["proxy"]
    lines.append(
        f"Proxy Status:\tOK, ip {proxy['ip']}, {proxy.get('total-redirects', 0)} redirects active on ports "
        f"{proxy['port-range']}, Envoy: {proxy['envoy-deployment-mode']}"
    )
    if "redirects" in details and proxy["redirects"]:
        rows = sorted(f"  {item['proxy']}\t{item['name']}\t{item['proxy-port']}" for item in proxy["redirects"])
        lines += _table(["  Protocol\tRedirect\tProxy Port", *rows])
    numbers = model["identity-range"]
    lines.append(f"Global Identity Range:\tmin {numbers['min-identity']}, max {numbers['max-identity']}")
    lines.append(f"Hubble:\t{_hubble(session, model)}")
    if "verbose" in details:
        lines += _details(model, devices)
    return [*lines, f"Encryption:\t{model['encryption']['mode']}\t"]


def _devices(balancer: dict[str, Any]) -> str:
    direct = balancer.get("directRoutingDevice")
    return ", ".join(
        f"{device['name']}   {' '.join(device['ip'])}" + (" (Direct Routing)" if device["name"] == direct else "")
        for device in balancer["deviceList"]
    )


def _masquerading(model: dict[str, Any]) -> str:
    found = model["masquerading"]
    if not found["enabledProtocols"]:
        return "Disabled"
    kind = "IPTables"
    if found["mode"] == "BPF":
        names = ", ".join(device["name"] for device in model["kube-proxy-replacement"]["deviceList"])
        kind = f"BPF\t[{names}]\t{found.get('snat-exclusion-cidr-v4', '')} "
    return f"{kind} [IPv4: Enabled, IPv6: Disabled]"


def _hubble(session: Session, model: dict[str, Any]) -> str:
    fields = [model["hubble"]["state"]]
    observer, log = model["hubble"].get("observer"), session.agent.hubble
    if observer is not None and log is not None:
        most, now = observer["max-flows"], observer.get("current-flows", 0)
        texts = [f"Current/Max Flows: {now}/{most} ({100.0 * now / most:.2f}%)"]
        status = log.status()
        if status.uptime_ns:
            texts.append(f"Flows/s: {status.seen_flows / (status.uptime_ns / 1e9):.2f}")
        fields.append(", ".join(texts))
    return "\t".join([*fields, f"Metrics: {model['hubble-metrics']['state']}"])


def _details(model: dict[str, Any], devices: str) -> list[str]:
    balancer, maps = model["kube-proxy-replacement"], model["bpf-maps"]
    features = balancer["features"]
    ports = features["nodePort"]
    on = _on(ports)
    span = f" (Range: {ports['portMin']}-{ports['portMax']})" if ports else ""
    rows = [
        f"  Status:\t{balancer['mode']}",
        f"  Socket LB:\t{_on(features['socketLB'])}",
        f"  Socket LB Tracing:\t{_on(features['socketLBTracing'])}",
        f"  Socket LB Coverage:\t{'Hostns-only' if features.get('bpfSocketLBHostnsOnly') else 'Full'}",
    ]
    if devices:
        rows.append(f"  Devices:\t{devices}")
    if ports:
        size = f" (Table Size: {ports['lutSize']})" if "lutSize" in ports else ""
        rows.append(f"  Mode:\t{ports['mode']}")
        rows += [f"    DSR Dispatch Mode:\t{ports['dsrMode']}"] if "dsrMode" in ports else []
        rows.append(f"  Backend Selection:\t{ports['algorithm']}{size}")
    rows += [f"  Session Affinity:\t{_on(features['sessionAffinity'])}", "  NAT46/64 Support:\tDisabled"]
    if ports:
        rows.append(f"  XDP Acceleration:\t{ports['acceleration']}")
    rows += [
        "  Services:",
        "  - ClusterIP:\tEnabled",
        f"  - NodePort:\t{on}{span} ",
        f"  - LoadBalancer:\t{on} ",
        f"  - externalIPs:\t{_on(features['externalIPs'])} ",
        f"  - HostPort:\t{_on(features['hostPort'])}",
        "  Annotations:\t(n/a)",
    ]
    ratio = maps.get("dynamic-size-ratio")
    return [
        "KubeProxyReplacement Details:",
        *_table(rows),
        f"BPF Maps:\tdynamic sizing: {f'on (ratio: {ratio:f})' if ratio else 'off'}",
        *_table(["  Name\tSize", *(f"  {item['name']}\t{item['size']}" for item in maps["maps"])]),
    ]


def _health(session: Session, details: frozenset[str]) -> list[str]:
    """The nodes that answer; those that do not, or with ``--all-nodes`` all. An agent that runs answers."""
    nodes = known_nodes(session)
    healthy = sum(running for _, _, running in nodes)
    interval = go_duration(probe_interval(session))
    lines = [f"Cluster health:\t{healthy}/{len(nodes)} reachable\t({probed_at(session)})\t(Probe interval: {interval})"]
    lines.append("Name\tIP\tNode\tEndpoints")
    everyone = "nodes" in details
    shown = [row for row in nodes if everyone or not row[2]]
    if not everyone:
        shown = shown[:_HEALTH_LINES]
    for name, ip, running in shown:
        here = " (localhost)" if name == session.agent.node else ""
        lines.append(f"  {name}{here}\t{ip}\t{int(running)}/1\t{int(running)}/1")
    if not everyone and len(nodes) - healthy > len(shown):
        lines.append("  ...")
    return lines


def _flag_details(switches: Sequence[str] | frozenset[str]) -> frozenset[str]:
    every = {"addresses", "clusters", "controllers", "health", "nodes", "redirects", "verbose"}
    return frozenset(every if "verbose" in switches else set(switches) & every)


async def _status(session: Session, arguments: Arguments) -> int:
    brief = "brief" in arguments.switches
    if brief and not session.agent.running:
        raise CommandError("cilium: daemon unreachable")
    session.need_agent()
    if arguments.value("output"):
        await session.data(status_model(session), arguments.value("output"))
        return 0
    if brief:
        await session.out("OK")
        return 0
    details = _flag_details(arguments.switches)
    writer = TabWriter(minimum=2, padding=3)
    for line in (*_lines(session, status_model(session), details), *_health(session, details)):
        writer.write(line + "\n")
    await session.out(writer.flush())
    return 0


COMMANDS = (
    Command(
        ("status",),
        "Display status of daemon",
        _status,
        {**OUTPUT, "--timeout": "timeout"},
        {
            "--brief": "brief",
            "--verbose": "verbose",
            "--all-addresses": "addresses",
            "--all-clusters": "clusters",
            "--all-controllers": "controllers",
            "--all-health": "health",
            "--all-nodes": "nodes",
            "--all-redirects": "redirects",
            "--require-k8s-connectivity": "require",
        },
    ),
)
