"""Services as the load balancer sees them: frontends and their ready backends.

Built from Service and EndpointSlice objects and from pods with host ports. Follows Cilium pkg/loadbalancer and
bpf/lib/lb.h.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from lab_helpers.policy.protocols import Protocol

__all__ = ["Backend", "BackendState", "Frontend", "FrontendKey", "FrontendType", "ServiceTable"]

AFFINITY_MAX = 0xFFFFFFFF


class FrontendType(StrEnum):
    """As ``cilium-dbg service list`` names them."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    EXTERNAL_IP = "ExternalIPs"
    LOAD_BALANCER = "LoadBalancer"
    HOST_PORT = "HostPort"


class BackendState(StrEnum):
    """Terminating backends get new connections only when no active one is left."""

    ACTIVE = "active"
    TERMINATING = "terminating"


class Backend(NamedTuple):
    """One address behind a frontend. ``id`` is unique per address, port and protocol."""

    id: int
    ip: str
    port: int
    node: str
    state: BackendState = BackendState.ACTIVE


class FrontendKey(NamedTuple):
    """``ip`` "*" means: every node's own addresses (NodePort)."""

    ip: str
    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Frontend:
    """``node`` is set for a HostPort: only that node has it. ``affinity`` in seconds, 0 off; ``local_*``: traffic
    policy Local.
    """

    key: FrontendKey
    type: FrontendType
    namespace: str
    name: str
    id: int
    backends: tuple[Backend, ...]
    affinity: int = 0
    local_internal: bool = False
    local_external: bool = False
    node: str = ""


class ServiceTable:
    """All frontends of the cluster. ``copy()`` freezes them for a node whose agent has stopped."""

    def __init__(self, random_source: random.Random | None = None) -> None:
        self._random = random_source or random.Random()
        self._by_key: dict[FrontendKey, Frontend] = {}
        self._of: dict[tuple[str, str], tuple[FrontendKey, ...]] = {}
        self._ids: dict[FrontendKey, int] = {}
        self._backend_ids: dict[tuple[str, int, Protocol], int] = {}
        self._affinity: dict[tuple[FrontendKey, str], tuple[Backend, float]] = {}

    def __iter__(self) -> Iterator[Frontend]:
        return iter(sorted(self._by_key.values(), key=lambda frontend: frontend.id))

    def copy(self) -> ServiceTable:
        """The same frontends, no longer updated."""
        other = ServiceTable(self._random)
        other._by_key, other._of = dict(self._by_key), dict(self._of)
        other._ids, other._backend_ids = dict(self._ids), dict(self._backend_ids)
        other._affinity = self._affinity
        return other

    def find(self, ip: str, port: int, protocol: Protocol, *, node_ip: bool) -> Frontend | None:
        """The frontend of an address. ``node_ip``: the address belongs to a node, so NodePorts count."""
        found = self._by_key.get(FrontendKey(ip, port, protocol))
        if found is None and node_ip:
            found = self._by_key.get(FrontendKey("*", port, protocol))
        return found

    def owner(self, ip: str, port: int, protocol: Protocol) -> tuple[str, str] | None:
        """(namespace, name) of the Service with that frontend address, for flows."""
        found = self._by_key.get(FrontendKey(ip, port, protocol))
        return None if found is None else (found.namespace, found.name)

    def select(
        self, frontend: Frontend, client: str, now: float, *, node: str, external: bool = False
    ) -> Backend | None:
        """A backend for a new connection of ``client`` on ``node``; None when there is none."""
        local = frontend.local_external if external else frontend.local_internal
        usable = [backend for backend in frontend.backends if not local or backend.node == node]
        active = [backend for backend in usable if backend.state is BackendState.ACTIVE] or usable
        if not active:
            return None
        if not frontend.affinity:
            return self._random.choice(active)
        known, until = self._affinity.get((frontend.key, client), (None, 0.0))
        if known not in active or until <= now:
            known = self._random.choice(active)
        self._affinity[frontend.key, client] = known, now + frontend.affinity
        return known

    def update(self, service: Mapping[str, Any], slices: Iterable[Mapping[str, Any]]) -> None:
        """Take a Service as it is now, with its EndpointSlices."""
        metadata = service["metadata"]
        owner = (metadata["namespace"], metadata["name"])
        self.remove(*owner)
        spec = service.get("spec") or {}
        if spec.get("clusterIP") in (None, "", "None") or spec.get("type") == "ExternalName":
            return
        listed = list(slices)
        affinity = 0
        if spec.get("sessionAffinity") == "ClientIP":
            config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
            affinity = min(int(config.get("timeoutSeconds") or 10800), AFFINITY_MAX)
        keys: list[FrontendKey] = []
        for port in spec.get("ports") or ():
            protocol = Protocol[str(port.get("protocol") or "TCP").upper()]
            backends = tuple(self._backends(listed, str(port.get("name") or ""), protocol))
            for kind, ip, number in _addresses(service, spec, port):
                key = FrontendKey(ip, number, protocol)
                self._by_key[key] = Frontend(
                    key,
                    kind,
                    *owner,
                    self._ids.setdefault(key, len(self._ids) + 1),
                    backends,
                    affinity,
                    spec.get("internalTrafficPolicy") == "Local",
                    spec.get("externalTrafficPolicy") == "Local",
                )
                keys.append(key)
        self._of[owner] = tuple(keys)

    def update_host_ports(self, pod: Mapping[str, Any], node_ip: str, *, gone: bool = False) -> None:
        """Take the host ports of a pod (not of host-network pods, which listen themselves)."""
        metadata, spec = pod["metadata"], pod.get("spec") or {}
        owner = (metadata["namespace"], f"{metadata['name']}:hostport")
        self.remove(*owner)
        ip = (pod.get("status") or {}).get("podIP")
        if gone or spec.get("hostNetwork") or not ip:
            return
        keys = []
        for container in spec.get("containers") or ():
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    continue
                protocol = Protocol[str(port.get("protocol") or "TCP").upper()]
                key = FrontendKey(port.get("hostIP") or node_ip, int(port["hostPort"]), protocol)
                number = int(port["containerPort"])
                backend = Backend(self._backend_id(ip, number, protocol), ip, number, spec.get("nodeName", ""))
                self._by_key[key] = Frontend(
                    key,
                    FrontendType.HOST_PORT,
                    metadata["namespace"],
                    metadata["name"],
                    self._ids.setdefault(key, len(self._ids) + 1),
                    (backend,),
                    node=spec.get("nodeName", ""),
                )
                keys.append(key)
        if keys:
            self._of[owner] = tuple(keys)

    def remove(self, namespace: str, name: str) -> None:
        """Forget a Service."""
        for key in self._of.pop((namespace, name), ()):
            self._by_key.pop(key, None)

    def _backends(self, slices: Iterable[Mapping[str, Any]], port: str, protocol: Protocol) -> Iterator[Backend]:
        for item in slices:
            if item.get("addressType", "IPv4") != "IPv4":
                continue
            numbers = [
                int(entry["port"])
                for entry in item.get("ports") or ()
                if (entry.get("name") or "") == port and str(entry.get("protocol") or "TCP").upper() == protocol.name
            ]
            for endpoint in item.get("endpoints") or ():
                conditions = endpoint.get("conditions") or {}
                ready = conditions.get("ready") is not False
                terminating = bool(conditions.get("terminating")) and conditions.get("serving") is not False
                if not ready and not terminating:
                    continue
                state = BackendState.ACTIVE if ready else BackendState.TERMINATING
                for ip in endpoint.get("addresses") or ():
                    for number in numbers:
                        identifier = self._backend_id(ip, number, protocol)
                        yield Backend(identifier, ip, number, endpoint.get("nodeName") or "", state)

    def _backend_id(self, ip: str, port: int, protocol: Protocol) -> int:
        return self._backend_ids.setdefault((ip, port, protocol), len(self._backend_ids) + 1)


def _addresses(
    service: Mapping[str, Any], spec: Mapping[str, Any], port: Mapping[str, Any]
) -> Iterator[tuple[FrontendType, str, int]]:
    number = int(port["port"])
    yield FrontendType.CLUSTER_IP, spec["clusterIP"], number
    for ip in spec.get("externalIPs") or ():
        yield FrontendType.EXTERNAL_IP, ip, number
    for ingress in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
        if ingress.get("ip"):
            yield FrontendType.LOAD_BALANCER, ingress["ip"], number
    if spec.get("type") in ("NodePort", "LoadBalancer") and port.get("nodePort"):
        yield FrontendType.NODE_PORT, "*", int(port["nodePort"])
