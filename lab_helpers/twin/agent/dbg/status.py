"""``cilium-dbg status`` (pkg/client/client.go, FormatStatusResponse)."""

from __future__ import annotations

from typing import Any

from lab_helpers.hubble.printing.tabwriter import TabWriter
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session
from lab_helpers.twin.agent.endpoints import EndpointState
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.agent.realizing import RealizedPolicy
from lab_helpers.twin.datapath.settings import Routing

__all__ = ["COMMANDS"]

_APIS = (
    "EndpointSliceOrEndpoint",
    "cilium/v2::CiliumCIDRGroup",
    "cilium/v2::CiliumClusterwideNetworkPolicy",
    "cilium/v2::CiliumEndpoint",
    "cilium/v2::CiliumNetworkPolicy",
    "cilium/v2::CiliumNode",
    "core/v1::Pods",
    "networking.k8s.io/v1::NetworkPolicy",
)
_KUBERNETES = "1.34 (v1.34.2) [linux/amd64]"


def _redirects(agent: NodeAgent) -> int:
    """Kinds of redirect that the policies of local endpoints ask for."""
    found = set()
    for endpoint in agent.endpoints.values():
        policy = endpoint.datapath.policy
        for entry in policy.entries() if isinstance(policy, RealizedPolicy) else ():
            if entry.parser and not entry.deny:
                found.add((endpoint.id, entry.direction, int(entry.protocol), entry.port))
    return len(found)


def _hubble(agent: NodeAgent) -> str:
    if agent.hubble is None:
        return "Disabled"
    status = agent.hubble.status()
    share = 100.0 * status.num_flows / status.max_flows
    return (
        f"Ok\tCurrent/Max Flows: {status.num_flows}/{status.max_flows} ({share:.2f}%), "
        f"Flows/s: {status.flows_rate:.2f}\tMetrics: Disabled"
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
    apis = ", ".join(f'"{api}"' for api in _APIS)
    redirects = f"{_redirects(agent)} redirects"
    device = f"[eth0   {tables.ip} (Direct Routing)]" if kpr else ""
    return [
        "KVStore:\tDisabled\t",
        f"Kubernetes:\tOk\t{_KUBERNETES}",
        f"Kubernetes APIs:\t[{apis}]",
        f"KubeProxyReplacement:\t{kpr}\t{device}",
        f"Host firewall:\t{'Enabled' if settings.policy.host_firewall else 'Disabled'}\t",
        "SRv6:\tDisabled\t",
        "CNI Chaining:\tnone",
        "CNI Config file:\tsuccessfully wrote CNI configuration file to /host/etc/cni/net.d/05-cilium.conflist",
        f"Cilium:\tOk\t{agent.version} (v{agent.version})",
        "NodeMonitor:\tListening for events on 2 CPUs with 64x4096 of shared memory",
        "Cilium health daemon:\tOk\t",
        f"IPAM:\tIPv4: {used}/{capacity} allocated from {networks}, ",
        "IPv4 BIG TCP:\tDisabled\t",
        "IPv6 BIG TCP:\tDisabled\t",
        "BandwidthManager:\tDisabled",
        f"Routing:\tNetwork: {network}\tHost: {'BPF' if settings.bpf_masquerade and kpr else 'Legacy'}",
        "Attach Mode:\tTCX",
        "Device Mode:\tveth",
        f"Masquerading:\t{masquerading}",
        f"Controller Status:\t{_controllers(agent)}/{_controllers(agent)} healthy",
        f"Proxy Status:\tOK, ip {tables.router_ip}, {redirects} active on ports 10000-20000, Envoy: external",
        "Global Identity Range:\tmin 256, max 65535",
        f"Hubble:\t{_hubble(agent)}",
        "Encryption:\tDisabled\t",
        f"Cluster health:\t{reachable}/{everyone} reachable\t({agent.clock.timestamp()})",
    ]


def _controllers(agent: NodeAgent) -> int:
    """Controllers of the daemon, and those of each endpoint."""
    pods = sum(1 for endpoint in agent.endpoints.values() if endpoint.kind == "pod")
    return 12 + 2 * len(agent.endpoints) + 4 * pods


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
    lines += [
        "BPF Maps:\tdynamic sizing: on (ratio: 0.002500)",
        "  Name\tSize",
        "  Auth\t524288",
        "  Non-TCP connection tracking\t65536",
        "  TCP connection tracking\t131072",
        "  Endpoints\t65535",
        "  IP cache\t512000",
        f"  Endpoint policy\t{settings.raw.get('bpf-policy-map-max', '16384')}",
        "  Service load balancer\t65536",
        "  Service backend\t65536",
        "  Session affinity\t65536",
    ]
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
    verbose = bool({"verbose", "all"} & arguments.switches)
    if verbose:
        position = next(number for number, line in enumerate(lines) if line.startswith("IPAM:"))
        lines[position + 1 : position + 1] = _allocations(agent)
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
            "metrics": {"state": "Disabled"},
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
        "identity-range": {"max-identity": 65535, "min-identity": 256},
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
        "kubernetes": {"k8s-api-versions": list(_APIS), "msg": _KUBERNETES, "state": "Ok"},
        "kvstore": {"state": "Disabled"},
        "masquerading": {"enabled": settings.ipv4_masquerade, "mode": "BPF" if settings.bpf_masquerade else "IPTables"},
        "nodeMonitor": {"cpus": 2, "npages": 64, "pagesize": 4096},
        "proxy": {
            "envoy-deployment-mode": "external",
            "ip": agent.tables.router_ip,
            "port-range": "10000-20000",
            "total-redirects": _redirects(agent),
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
            "--all-addresses": "all",
            "--all-controllers": "all",
            "--all-health": "all",
            "--all-nodes": "all",
            "--require-k8s-connectivity": "require",
        },
    ),
)
