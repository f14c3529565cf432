"""The datapath as the rest of the twin sees it: places for programs, and nodes for the agents.

Order: make it, ``add_node`` for every Node object (agents do it), ``attach``/``detach`` pods (agents do it), ask
``pod``, ``node`` or ``outside`` for sockets. Nothing to start; ``close()`` at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.datapath.connecting import Connector
from lab_helpers.twin.datapath.conntrack import Conntrack
from lab_helpers.twin.datapath.namespaces import Kind, Namespace
from lab_helpers.twin.datapath.plane import Plane
from lab_helpers.twin.datapath.proxies import Proxy
from lab_helpers.twin.datapath.services import ServiceTable
from lab_helpers.twin.datapath.sockets import Sockets
from lab_helpers.twin.datapath.tables import NodeTables
from lab_helpers.twin.objects.registry import Registry

__all__ = ["NODE_NAMESERVER", "Datapath"]

NODE_NAMESERVER = "172.18.0.1"
"""The resolver of the nodes themselves, outside the cluster (the container network's gateway)."""


class Datapath:
    """Implements ``interfaces.Networks``."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self.clock = clock
        self.plane = Plane(clock)
        self.connector = Connector(self.plane)
        self.services = ServiceTable()

    # --- interfaces.Networks --------------------------------------------------------------------------------

    def pod(self, pod: Mapping[str, Any]) -> Sockets:
        """The network namespace of a pod (of its node, for host-network pods). Raises LookupError when it has none
        yet.
        """
        spec = pod.get("spec") or {}
        policy = spec.get("dnsPolicy", "ClusterFirst")
        own = ((spec.get("dnsConfig") or {}).get("nameservers")) or ()
        if spec.get("hostNetwork"):
            resolvers = self._cluster_dns() if policy == "ClusterFirstWithHostNet" else (NODE_NAMESERVER,)
            return self._sockets(self._node(spec["nodeName"]), (*own, *(() if policy == "None" else resolvers)))
        ip = (pod.get("status") or {}).get("podIP") or ""
        metadata = pod["metadata"]
        found = self._attached.get(metadata["uid"]) or self.plane.pods.get(ip)
        if found is None:
            raise LookupError(
                f"pod {metadata.get('namespace')}/{metadata['name']} has no network: "
                "the CNI plug-in did not attach it yet"
            )
        resolvers = {"None": (), "Default": (NODE_NAMESERVER,)}.get(policy, self._cluster_dns())
        return self._sockets(found, (*own, *resolvers))

    def node(self, name: str) -> Sockets:
        """A node's own network namespace."""
        return self._sockets(self._node(name), (NODE_NAMESERVER,))

    def outside(self, ip: str) -> Sockets:
        """A host outside the cluster (made on first use)."""
        namespace = self.plane.outside.get(ip)
        if namespace is None:
            namespace = self.plane.outside[ip] = Namespace(Kind.OUTSIDE, ip)
        return self._sockets(namespace, ())

    # --- for the agents -------------------------------------------------------------------------------------

    def add_node(self, name: str, ip: str, *, apiserver: bool) -> NodeTables:
        """The tables of a node, made on first use."""
        tables = self.plane.tables.get(name)
        if tables is None:
            tables = NodeTables(name, ip, Conntrack(self.clock.monotonic), apiserver)
            self.plane.add_node(tables)
        tables.ip, tables.apiserver = ip, apiserver
        self.plane.nodes[name].ip = ip
        return tables

    def attach(self, node: str, uid: str, ip: str) -> None:
        """A pod's interface appears on a node."""
        namespace = self._attached.get(uid)
        if namespace is None or namespace.ip != ip:
            namespace = Namespace(Kind.POD, ip, node)
            self._attached[uid] = namespace
        self.plane.pods[ip] = namespace

    def detach(self, uid: str) -> None:
        """A pod's interface disappears; its kernel says goodbye to whoever is connected."""
        namespace = self._attached.pop(uid, None)
        if namespace is None:
            return
        for stream in tuple(namespace.streams):
            stream.vanish()
        namespace.gone = True
        namespace.listeners.clear()
        namespace.datagrams.clear()
        if self.plane.pods.get(namespace.ip) is namespace:
            del self.plane.pods[namespace.ip]

    def offer_proxy(self, parser: str, make: Callable[[NodeTables], Proxy | None]) -> None:
        """Connections whose policy names ``parser`` go to ``make(tables of the node)``; None: nothing listens there."""
        self.plane.proxies[parser] = make

    def close(self) -> None:
        """End all accepting programs."""
        self.connector.close()

    @property
    def _attached(self) -> dict[str, Namespace]:
        return self.plane.attached

    def _node(self, name: str) -> Namespace:
        namespace = self.plane.nodes.get(name)
        if namespace is None:
            node = self._registry.find("nodes", name)
            addresses = ((node or {}).get("status") or {}).get("addresses") or ()
            ip = next((entry["address"] for entry in addresses if entry.get("type") == "InternalIP"), "")
            if not ip:
                raise LookupError(f'node "{name}" is not known, or has no InternalIP')
            labels = (node or {})["metadata"].get("labels") or {}
            self.add_node(name, ip, apiserver="node-role.kubernetes.io/control-plane" in labels)
            namespace = self.plane.nodes[name]
        return namespace

    def _cluster_dns(self) -> tuple[str, ...]:
        service = self._registry.find("services", "kube-dns", "kube-system")
        ip = ((service or {}).get("spec") or {}).get("clusterIP")
        return (ip,) if ip else ()

    def _sockets(self, namespace: Namespace, nameservers: Sequence[str]) -> Sockets:
        return Sockets(self.plane, self.connector, namespace, nameservers)
