"""What the agent knows of the machine it runs on: processors, memory, Kubernetes, and the map sizes that follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from lab_helpers.twin.agent.nodeagents import NodeAgent

__all__ = ["Host", "host", "map_sizes", "watched_apis"]

_UNITS: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_CT_TCP, _CT_ANY, _NAT, _SOCK = 524288, 262144, 524288, 262144
"""Default entries of the maps whose sizes follow from memory (pkg/option/config.go)."""
_SIZES: Final = ((_CT_TCP, 94), (_CT_ANY, 94), (_NAT, 94), (_NAT, 24), (_SOCK, 52))
"""(default entries, bytes per entry): connection tracking twice, NAT, neighbours, socket reverse NAT."""
_MOST: Final = 1 << 24
_WATCHED: Final = (
    ("ciliumcidrgroups.cilium.io", "cilium/v2::CiliumCIDRGroup"),
    ("ciliumclusterwidenetworkpolicies.cilium.io", "cilium/v2::CiliumClusterwideNetworkPolicy"),
    ("ciliumendpoints.cilium.io", "cilium/v2::CiliumEndpoint"),
    ("ciliumnetworkpolicies.cilium.io", "cilium/v2::CiliumNetworkPolicy"),
    ("ciliumnodes.cilium.io", "cilium/v2::CiliumNode"),
    ("pods", "core/v1::Pods"),
)


class Host(NamedTuple):
    """``memory`` in bytes; ``kubernetes`` is the version of the node's kubelet, ``v1.34.2``."""

    cpus: int
    memory: int
    kubernetes: str
    platform: str

    @property
    def kubernetes_line(self) -> str:
        """``1.34 (v1.34.2) [linux/amd64]``."""
        minor = ".".join(self.kubernetes.removeprefix("v").split(".")[:2])
        return f"{minor} ({self.kubernetes}) [{self.platform}]"

    @property
    def monitor_line(self) -> str:
        """How the monitor announces itself."""
        return f"Listening for events on {self.cpus} CPUs with 64x4096 of shared memory"


def host(agent: NodeAgent) -> Host:
    """Read the agent's Node object; what it does not say is 2 processors, 8 GiB, and Kubernetes 1.34.2."""
    status: Mapping[str, Any] = (agent.registry.find("nodes", agent.node) or {}).get("status") or {}
    capacity, info = status.get("capacity") or {}, status.get("nodeInfo") or {}
    memory = str(capacity.get("memory") or "8Gi")
    unit = _UNITS.get(memory[-2:])
    size = int(memory[:-2]) * unit if unit else int(memory)
    platform = f"{info.get('operatingSystem') or 'linux'}/{info.get('architecture') or 'amd64'}"
    return Host(int(capacity.get("cpu") or 2), size, str(info.get("kubeletVersion") or "v1.34.2"), platform)


def map_sizes(agent: NodeAgent) -> list[tuple[str, int]]:
    """(name as ``status --verbose`` shows it, entries): a share of the memory, unless the configuration fixes it."""
    raw = agent.settings.raw
    ratio = float(raw.get("bpf-map-dynamic-size-ratio") or 0)
    total = sum(entries * size for entries, size in _SIZES)

    def dynamic(key: str, default: int, least: int) -> int:
        if raw.get(key):
            return int(raw[key])
        if not ratio:
            return default
        return min(max(int(default * host(agent).memory * ratio / total), least), _MOST)

    services = int(raw.get("bpf-lb-map-max") or 65536)
    nat = dynamic("bpf-nat-global-max", _NAT, 1 << 17)
    return [
        ("Auth", int(raw.get("bpf-auth-map-max") or 524288)),
        ("Non-TCP connection tracking", dynamic("bpf-ct-global-any-max", _CT_ANY, 1 << 16)),
        ("TCP connection tracking", dynamic("bpf-ct-global-tcp-max", _CT_TCP, 1 << 17)),
        ("Endpoints", 65535),
        ("IP cache", 512000),
        ("IPv4 masquerading agent", 16384),
        ("IPv6 masquerading agent", 16384),
        ("IPv4 fragmentation", int(raw.get("bpf-fragments-map-max") or 8192)),
        ("IPv4 service", services),
        ("IPv6 service", services),
        ("IPv4 service backend", services),
        ("IPv6 service backend", services),
        ("IPv4 service reverse NAT", services),
        ("IPv6 service reverse NAT", services),
        ("Metrics", 1024),
        ("NAT", nat),
        ("Neighbor table", dynamic("bpf-neigh-global-max", nat, 1 << 17) if raw.get("bpf-neigh-global-max") else nat),
        ("Endpoint policy", int(raw.get("bpf-policy-map-max") or 16384)),
        ("Session affinity", services),
        ("Sock reverse NAT", dynamic("bpf-sock-rev-map-max", _SOCK, 1 << 16)),
    ]


def watched_apis(agent: NodeAgent) -> list[str]:
    """The API groups the agent follows, as far as the API server knows them."""
    raw = agent.settings.raw
    found = [name for resource, name in _WATCHED if agent.registry.kinds.get(resource) is not None]
    if raw.get("enable-k8s-networkpolicy", "true") != "false":
        found.append("networking.k8s.io/v1::NetworkPolicy")
    return ["EndpointSliceOrEndpoint", *found]
