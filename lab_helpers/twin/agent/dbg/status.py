"""``cilium-dbg status`` (pkg/client/client.go, FormatStatusResponse)."""

from __future__ import annotations

from typing import Any

from lab_helpers.hubble.printing.tabwriter import TabWriter
from lab_helpers.policy.identities import CLUSTER_ID_SHIFT, MAXIMUM_CLUSTER_IDENTITY, MINIMUM_CLUSTER_IDENTITY
from lab_helpers.twin.agent.dbg.controllers import controller_rows, controllers
from lab_helpers.twin.agent.dbg.endpointmodels import redirects
from lab_helpers.twin.agent.dbg.hosts import host, map_sizes, watched_apis
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session
from lab_helpers.twin.agent.endpoints import EndpointState
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.datapath.settings import Routing

__all__ = ["COMMANDS"]


def _hubble(agent: NodeAgent) -> str:
    if agent.hubble is None:
        return "Disabled"
    status = agent.hubble.status()
    metrics = "Disabled" if agent.flow_metrics is None else "Ok"
    share = 100.0 * status.num_flows / status.max_flows
    return (
        f"Ok\tCurrent/Max Flows: {status.num_flows}/{status.max_flows} ({share:.2f}%), "
        f"Flows/s: {status.flows_rate:.2f}\tMetrics: {metrics}"
    )


def _others(session: Session) -> tuple[int, int]:
    """(reachable, all) nodes, as the health daemon sees them: a node counts while its agent runs."""
    agents = list(session.agents.nodes.values())
    known = [agent for agent in agents if agent.version]
    return sum(1 for agent in known if agent.running), len(known)


def _lines(session: Session) -> list[str]:
    agent = session.agent
    settings, tables = agent.settings, agent.tables
    kpr = settings.kube_proxy_replacement
    pool = agent.pool
    used, capacity = (len(pool.owners), pool.capacity) if pool is not None else (0, 0)
    networks = ", ".join(map(str, pool.networks)) if pool is not None else ""
    tunnel = settings.routing is Routing.TUNNEL
    network = f"Tunnel [{settings.tunnel_protocol}]" if tunnel else "Native"
    reachable, everyone = _others(session)
    masquerading = "Disabled"
    if settings.ipv4_masquerade:
        kind = f"BPF\t[eth0]\t{networks}" if settings.bpf_masquerade else "IPTables"
        masquerading = f"{kind} [IPv4: Enabled, IPv6: Disabled]"
    apis = ", ".join(f'"{api}"' for api in watched_apis(agent))
    machine, raw = host(agent), settings.raw
    running = len(controllers(agent))
    low, high = _identity_range(agent)
    envoy = "external" if raw.get("external-envoy-proxy", "true") != "false" else "embedded"
    redirected = f"{redirects(agent).total()} redirects"
    device = f"[eth0   {tables.ip} (Direct Routing)]" if kpr else ""
    return [
        "KVStore:\tDisabled\t",
        f"Kubernetes:\tOk\t{machine.kubernetes_line}",
        f"Kubernetes APIs:\t[{apis}]",
        f"KubeProxyReplacement:\t{kpr}\t{device}",
        f"Host firewall:\t{'Enabled' if settings.policy.host_firewall else 'Disabled'}\t",
        "SRv6:\tDisabled\t",
        "CNI Chaining:\tnone",
        "CNI Config file:\tsuccessfully wrote CNI configuration file to /host/etc/cni/net.d/05-cilium.conflist",
        f"Cilium:\tOk\t{agent.version} (v{agent.version})",
        f"NodeMonitor:\t{machine.monitor_line}",
        "Cilium health daemon:\tOk\t",
        f"IPAM:\tIPv4: {used}/{capacity} allocated from {networks}, ",
        f"IPv4 BIG TCP:\t{_on(raw.get('enable-ipv4-big-tcp') == 'true')}\t",
        f"IPv6 BIG TCP:\t{_on(raw.get('enable-ipv6-big-tcp') == 'true')}\t",
        "BandwidthManager:\tDisabled",
        f"Routing:\tNetwork: {network}\tHost: {'BPF' if settings.bpf_masquerade and kpr else 'Legacy'}",
        f"Attach Mode:\t{'Legacy TC' if raw.get('enable-tcx') == 'false' else 'TCX'}",
        f"Device Mode:\t{raw.get('datapath-mode') or 'veth'}",
        f"Masquerading:\t{masquerading}",
        f"Controller Status:\t{running}/{running} healthy",
        f"Proxy Status:\tOK, ip {tables.router_ip}, {redirected} active on ports 10000-20000, Envoy: {envoy}",
        f"Global Identity Range:\tmin {low}, max {high}",
        f"Hubble:\t{_hubble(agent)}",
        "Encryption:\tDisabled\t",
        f"Cluster health:\t{reachable}/{everyone} reachable\t({agent.clock.timestamp()})",
    ]


def _identity_range(agent: NodeAgent) -> tuple[int, int]:
    """The numbers that identities of this cluster may have."""
    base = agent.settings.policy.cluster_id << CLUSTER_ID_SHIFT
    return base + MINIMUM_CLUSTER_IDENTITY, base + MAXIMUM_CLUSTER_IDENTITY


def _details(agent: NodeAgent) -> list[str]:
    settings = agent.settings
    kpr = settings.kube_proxy_replacement
    maglev = settings.raw.get("bpf-lb-algorithm") == "maglev"
    algorithm = f"Maglev (Table Size: {settings.raw.get('bpf-lb-maglev-table-size', '16381')})" if maglev else "Random"
    acceleration = settings.raw.get("bpf-lb-acceleration", "disabled").title()
    mode = {"snat": "SNAT", "dsr": "DSR", "hybrid": "Hybrid"}.get(settings.raw.get("bpf-lb-mode", "snat"), "SNAT")
    lines = ["", "KubeProxyReplacement Details:", f"  Status:\t{kpr}", f"  Socket LB:\t{_on(settings.socket_lb)}"]
    if settings.socket_lb:
        lines.append("  Socket LB Tracing:\tEnabled")
        lines.append(f"  Socket LB Coverage:\t{'Hostns-only' if settings.socket_lb_host_only else 'Full'}")
    if kpr:
        lines += [
            f"  Devices:\teth0   {agent.tables.ip} (Direct Routing)",
            f"  Mode:\t{mode}",
            f"  Backend Selection:\t{algorithm}",
            "  Session Affinity:\tEnabled",
            "  NAT46/64 Support:\tDisabled",
            f"  XDP Acceleration:\t{acceleration}",
        ]
    node_ports = "Enabled (Range: 30000-32767)" if kpr else "Disabled"
    lines += [
        "  Services:\t",
        "  - ClusterIP:\tEnabled",
        f"  - NodePort:\t{node_ports}",
        f"  - LoadBalancer:\t{_on(kpr)}",
        f"  - externalIPs:\t{_on(kpr)}",
        f"  - HostPort:\t{_on(kpr)}",
    ]
    ratio = float(settings.raw.get("bpf-map-dynamic-size-ratio") or 0)
    lines.append(f"BPF Maps:\tdynamic sizing: on (ratio: {ratio:f})" if ratio else "BPF Maps:\tdynamic sizing: off")
    lines.append("  Name\tSize")
    lines += [f"  {name}\t{size}" for name, size in map_sizes(agent)]
    return lines


def _on(value: bool) -> str:
    return "Enabled" if value else "Disabled"


def _allocations(agent: NodeAgent) -> list[str]:
    lines = ["Allocated addresses:"]
    pool = agent.pool
    if pool is not None:
        ordered = sorted(pool.owners.items(), key=lambda item: [int(part) for part in item[0].split(".")])
        lines += [f"  {ip} ({owner})" for ip, owner in ordered]
    return lines


def _problem(session: Session) -> str:
    waiting = [e.id for e in session.agent.endpoints.values() if e.state is not EndpointState.READY]
    return f"error in endpoints: {', '.join(map(str, waiting))} not ready" if waiting else ""


async def _status(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    agent = session.agent
    if "brief" in arguments.switches:
        problem = _problem(session)
        if problem:
            raise CommandError(problem)
        await session.out("OK")
        return 0
    if arguments.value("output"):
        await session.data(_model(session), arguments.value("output"))
        return 0
    writer = TabWriter(minimum=2, padding=3)
    lines = _lines(session)
    verbose = "verbose" in arguments.switches
    if verbose or "addresses" in arguments.switches:
        position = next(number for number, line in enumerate(lines) if line.startswith("IPAM:"))
        lines[position + 1 : position + 1] = _allocations(agent)
    if verbose or "controllers" in arguments.switches:
        position = next(number for number, line in enumerate(lines) if line.startswith("Controller Status:"))
        lines[position + 1 : position + 1] = controller_rows(agent)
    if verbose:
        lines += _details(agent)
    for line in lines:
        writer.write(line + "\n")
    await session.out(writer.flush())
    return 0


def _model(session: Session) -> dict[str, Any]:
    agent = session.agent
    settings, pool = agent.settings, agent.pool
    reachable, everyone = _others(session)
    hubble: dict[str, Any] = {"state": "Disabled"}
    if agent.hubble is not None:
        status = agent.hubble.status()
        hubble = {
            "metrics": {"state": "Disabled" if agent.flow_metrics is None else "Ok"},
            "observer": {
                "current-flows": status.num_flows,
                "max-flows": status.max_flows,
                "seen-flows": status.seen_flows,
                "uptime": f"{status.uptime_ns / 1e9:.0f}s",
            },
            "state": "Ok",
        }
    return {
        "bandwidth-manager": {"enabled": False},
        "cilium": {"msg": f"{agent.version} (v{agent.version})", "state": "Ok"},
        "cluster": {
            "ciliumHealth": {"state": "Ok"},
            "nodes": [{"name": name} for name in sorted(session.agents.nodes)],
        },
        "cluster-health": {"reachable": reachable, "total": everyone},
        "cni-chaining": {"mode": "none"},
        "cni-file": {
            "msg": "successfully wrote CNI configuration file to /host/etc/cni/net.d/05-cilium.conflist",
            "state": "Ok",
        },
        "encryption": {"mode": "Disabled"},
        "host-firewall": {"mode": _on(settings.policy.host_firewall)},
        "hubble": hubble,
        "controllers": [controller.model(agent.clock.now()) for controller in controllers(agent)],
        "identity-range": dict(zip(("min-identity", "max-identity"), _identity_range(agent), strict=True)),
        "ipam": {
            "allocations": dict(sorted(pool.owners.items())) if pool is not None else {},
            "ipv4": sorted(pool.owners) if pool is not None else [],
            "status": f"{len(pool.owners)}/{pool.capacity} allocated" if pool is not None else "",
        },
        "kube-proxy-replacement": {
            "devices": ["eth0"] if settings.kube_proxy_replacement else [],
            "features": {
                "bpfSocketLBHostnsOnly": settings.socket_lb_host_only,
                "socketLB": {"enabled": settings.socket_lb},
                "nodePort": {"enabled": settings.kube_proxy_replacement, "portMin": 30000, "portMax": 32767},
                "sessionAffinity": {"enabled": settings.kube_proxy_replacement},
            },
            "mode": str(settings.kube_proxy_replacement),
        },
        "kubernetes": {
            "k8s-api-versions": watched_apis(agent),
            "msg": host(agent).kubernetes_line,
            "state": "Ok",
        },
        "kvstore": {"state": "Disabled"},
        "masquerading": {"enabled": settings.ipv4_masquerade, "mode": "BPF" if settings.bpf_masquerade else "IPTables"},
        "nodeMonitor": {"cpus": host(agent).cpus, "npages": 64, "pagesize": 4096},
        "proxy": {
            "envoy-deployment-mode": (
                "external" if settings.raw.get("external-envoy-proxy", "true") != "false" else "embedded"
            ),
            "ip": agent.tables.router_ip,
            "port-range": "10000-20000",
            "total-redirects": redirects(agent).total(),
        },
        "routing": {"inter-host-routing-mode": settings.routing.value, "tunnel-protocol": settings.tunnel_protocol},
        "stale": {},
    }


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
            "--all-controllers": "controllers",
            "--all-health": "health",
            "--all-nodes": "nodes",
            "--all-redirects": "redirects",
            "--require-k8s-connectivity": "require",
        },
    ),
)
