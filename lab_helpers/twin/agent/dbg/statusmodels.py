"""The agent's status as its REST API gives it (api/v1/models, StatusResponse). As in Go, empty fields are left out."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, Final

from lab_helpers.policy.identities import CLUSTER_ID_SHIFT, MAXIMUM_CLUSTER_IDENTITY, MINIMUM_CLUSTER_IDENTITY
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.agent.dbg.builds import build_of
from lab_helpers.twin.agent.dbg.controllers import controllers
from lab_helpers.twin.agent.dbg.durations import go_duration
from lab_helpers.twin.agent.dbg.endpointmodels import redirects
from lab_helpers.twin.agent.dbg.hosts import host, map_sizes, watched_apis
from lab_helpers.twin.agent.dbg.nodes import node_models
from lab_helpers.twin.agent.dbg.sessions import Session
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.datapath.settings import Routing

__all__ = ["known_nodes", "probe_interval", "probed_at", "status_model"]

_DEVICE: Final = "eth0"
_NODE_PORTS: Final = (30000, 32767)
_PROBE_BASE: Final = 10.0
_PROBE_SPAN: Final = 100.0


def known_nodes(session: Session) -> list[tuple[str, str, bool]]:
    """(name, address, does its agent run) of the nodes that the health daemon probes; the own one first."""
    agents = session.agents.nodes
    own = session.agent.node
    found = [(name, agent.tables.ip, agent.running) for name, agent in agents.items() if agent.version]
    return sorted(found, key=lambda row: (row[0] != own, row[0]))


def probe_interval(session: Session) -> float:
    """Seconds between two probes of all nodes: it grows with their number."""
    ratio = float(session.agent.settings.raw.get("connectivity-probe-frequency-ratio") or 0.5)
    base = _PROBE_BASE + ratio * _PROBE_SPAN
    number = len(known_nodes(session))
    return base * math.log1p(number) if number else base


def probed_at(session: Session) -> str:
    """When the health daemon probed last."""
    agent = session.agent
    age = agent.clock.monotonic() - agent.started_monotonic
    back = age % probe_interval(session)
    return (agent.clock.now() - timedelta(seconds=back)).isoformat(timespec="seconds").replace("+00:00", "Z")


def _mode(value: bool) -> str:
    return "Enabled" if value else "Disabled"


def _hubble(agent: NodeAgent) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hubble, and its metrics."""
    metrics = {"state": "Disabled" if agent.flow_metrics is None else "Ok"}
    if agent.hubble is None:
        return {"state": "Disabled"}, metrics
    status = agent.hubble.status()
    observer = {
        "current-flows": status.num_flows,
        "max-flows": status.max_flows,
        "seen-flows": status.seen_flows,
        "uptime": go_duration(status.uptime_ns / 1e9) if status.uptime_ns else "",
    }
    return {"observer": {name: value for name, value in observer.items() if value}, "state": "Ok"}, metrics


def _balancer(agent: NodeAgent) -> dict[str, Any]:
    settings, raw = agent.settings, agent.settings.raw
    kpr = settings.kube_proxy_replacement
    features: dict[str, Any] = {
        "annotations": [],
        **{name: {"enabled": True} if kpr else {} for name in ("externalIPs", "hostPort", "sessionAffinity")},
        "gracefulTermination": {"enabled": True},
        "nat46X64": {"gateway": {"prefixes": []}, "service": {}},
        "nodePort": {},
        "socketLB": {"enabled": True} if settings.socket_lb else {},
        "socketLBTracing": {"enabled": True} if settings.socket_lb and settings.trace_sockets else {},
    }
    if settings.socket_lb_host_only:
        features["bpfSocketLBHostnsOnly"] = True
    if kpr:
        maglev = raw.get("bpf-lb-algorithm") == "maglev"
        mode = raw.get("bpf-lb-mode", "snat")
        features["nodePort"] = {
            "acceleration": raw.get("bpf-lb-acceleration", "disabled").title(),
            "algorithm": "Maglev" if maglev else "Random",
            "enabled": True,
            "mode": {"snat": "SNAT", "dsr": "DSR", "hybrid": "Hybrid"}.get(mode, mode),
            **dict(zip(("portMin", "portMax"), _NODE_PORTS, strict=True)),
        }
        if maglev:
            features["nodePort"]["lutSize"] = int(raw.get("bpf-lb-maglev-table-size") or 16381)
        if mode in ("dsr", "hybrid"):
            dispatch = {"opt": "IP Option/Extension", "ipip": "IPIP", "geneve": "Geneve"}
            features["nodePort"]["dsrMode"] = dispatch.get(raw.get("bpf-lb-dsr-dispatch", "opt"), "")
    device = {"ip": [agent.tables.ip], "name": _DEVICE}
    return {
        "deviceList": [device] if kpr else [],
        "devices": [_DEVICE] if kpr else [],
        **({"directRoutingDevice": _DEVICE} if kpr else {}),
        "features": features,
        "mode": str(kpr),
    }


def _proxy(agent: NodeAgent) -> dict[str, Any]:
    found = []
    for (number, direction, protocol, port), parser in sorted(redirects(agent).items()):
        ingress = direction is Direction.INGRESS
        way = "ingress" if ingress and parser != "dns" else "egress"
        found.append(
            {
                "name": f"{number}:{'ingress' if ingress else 'egress'}:{protocol.text}:{port}:",
                "proxy": f"cilium-{parser}-{way}",
                "proxy-port": agent.tables.proxy_port(parser, direction),
            }
        )
    external = agent.settings.raw.get("external-envoy-proxy", "true") != "false"
    return {
        "envoy-deployment-mode": "external" if external else "embedded",
        "ip": agent.tables.router_ip,
        "port-range": "10000-20000",
        "redirects": found,
        **({"total-ports": len(agent.tables.proxy_ports)} if agent.tables.proxy_ports else {}),
        **({"total-redirects": len(found)} if found else {}),
    }


def _masquerading(agent: NodeAgent) -> dict[str, Any]:
    settings, pool = agent.settings, agent.pool
    if not settings.ipv4_masquerade:
        return {"enabledProtocols": {}}
    model: dict[str, Any] = {"enabled": True, "enabledProtocols": {"ipv4": True}}
    model["mode"] = "BPF" if settings.bpf_masquerade else "Iptables"
    if settings.bpf_masquerade and pool is not None:
        model["snat-exclusion-cidr-v4"] = ", ".join(map(str, pool.networks))
    return model


def _ipam(agent: NodeAgent) -> dict[str, Any]:
    pool = agent.pool
    if pool is None:
        return {}
    networks = ", ".join(map(str, pool.networks))
    return {
        "allocations": dict(sorted(pool.owners.items())),
        "ipv4": sorted(pool.owners),
        "status": f"IPv4: {len(pool.owners)}/{pool.capacity} allocated from {networks}, ",
    }


def status_model(session: Session) -> dict[str, Any]:
    """What ``status -o json`` prints."""
    agent = session.agent
    settings, raw, machine = agent.settings, agent.settings.raw, host(agent)
    kpr, tunnel = settings.kube_proxy_replacement, settings.routing is Routing.TUNNEL
    base = settings.policy.cluster_id << CLUSTER_ID_SHIFT
    hubble, metrics = _hubble(agent)
    build = build_of(agent.version)
    maps = [{"name": name, "size": size} for name, size in map_sizes(agent)]
    ratio = float(raw.get("bpf-map-dynamic-size-ratio") or 0)
    firewall = settings.policy.host_firewall
    return {
        "attach-mode": "tc" if raw.get("enable-tcx") == "false" else "tcx",
        "bandwidth-manager": {"devices": []},
        "bpf-maps": {**({"dynamic-size-ratio": ratio} if ratio else {}), "maps": maps},
        "cilium": {"msg": build.message, "state": "Ok"},
        "cluster": {"ciliumHealth": {"state": "Ok"}, "nodes": node_models(session), "self": agent.node},
        "cni-chaining": {"mode": raw.get("cni-chaining-mode") or "none"},
        "cni-file": {
            "msg": "successfully wrote CNI configuration file to /host/etc/cni/net.d/05-cilium.conflist",
            "state": "Ok",
        },
        "controllers": [controller.model(agent.clock.now()) for controller in controllers(agent)],
        "datapath-mode": raw.get("datapath-mode") or "veth",
        "encryption": {"mode": "Disabled"},
        "host-firewall": {"devices": [_DEVICE] if firewall else [], "mode": _mode(firewall)},
        "hubble": hubble,
        "hubble-metrics": metrics,
        "identity-range": {
            "max-identity": base + MAXIMUM_CLUSTER_IDENTITY,
            "min-identity": base + MINIMUM_CLUSTER_IDENTITY,
        },
        "ipam": _ipam(agent),
        "ipv4-big-tcp": {"enabled": True} if raw.get("enable-ipv4-big-tcp") == "true" else {},
        "ipv6-big-tcp": {"enabled": True} if raw.get("enable-ipv6-big-tcp") == "true" else {},
        "kube-proxy-replacement": _balancer(agent),
        "kubernetes": {
            "k8s-api-versions": sorted(watched_apis(agent)),
            "msg": machine.kubernetes_line,
            "state": "Ok",
        },
        "kvstore": {"state": "Disabled"},
        "masquerading": _masquerading(agent),
        "nodeMonitor": {"cpus": machine.cpus, "npages": 64, "pagesize": 4096},
        "proxy": _proxy(agent),
        "routing": {
            "inter-host-routing-mode": "Tunnel" if tunnel else "Native",
            "intra-host-routing-mode": "BPF" if settings.bpf_masquerade and kpr else "Legacy",
            **({"tunnel-protocol": settings.tunnel_protocol} if tunnel else {}),
        },
        "srv6": {},
    }
