"""All agents of the cluster, and the CNI plug-in they offer to the kubelets.

Order: make it, ``await start()`` (before the kubelets), let programs run agents, ``await stop()``.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from lab_helpers.twin.agent.allocating import IDENTITIES, IdentityAllocator
from lab_helpers.twin.agent.endpointkeeping import AgentNotRunningError
from lab_helpers.twin.agent.envoys import Envoys
from lab_helpers.twin.agent.importing import POLICY_RESOURCES, PolicyReader
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.agent.publishing import ENDPOINTS, NODES
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.datapath.datapaths import Datapath
from lab_helpers.twin.datapath.proxies import Proxy
from lab_helpers.twin.datapath.tables import NodeTables
from lab_helpers.twin.interfaces import Attachment, NetworkReadiness, PodKey
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Change

__all__ = ["Agents"]

NO_CNI: Final = "cni plugin not initialized"
_SERVICES: Final = ("services", "endpointslices.discovery.k8s.io")
_FOLLOWED: Final = frozenset(
    (*POLICY_RESOURCES, *_SERVICES, IDENTITIES, ENDPOINTS, NODES, "nodes", "pods", "namespaces")
)
"""What agents look at; most of what a cluster writes is not among it."""


class Agents:
    """Implements ``interfaces.NodeNetwork``. ``numbers``: where identities, addresses and ids come from."""

    def __init__(
        self, registry: Registry, clock: Clock, datapath: Datapath, *, numbers: random.Random | None = None
    ) -> None:
        self.registry = registry
        self.clock = clock
        self.datapath = datapath
        self.numbers = numbers or random.Random()
        self.allocator = IdentityAllocator(registry, self.numbers)
        self.policies = PolicyReader()
        self.nodes: dict[str, NodeAgent] = {}
        self.envoys = Envoys(self.agent)
        self._callbacks: list[Callable[[str], None]] = []
        self._hubble_callbacks: list[Callable[[], None]] = []
        self._pending: deque[Change] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        registry.listen(self._notice)
        for parser, make in (
            ("dns", self._dns_proxy),
            ("http", self._http_proxy),
            ("kafka", self._kafka_proxy),
            ("tls", self._tls_proxy),
        ):
            datapath.offer_proxy(parser, make)

    async def start(self) -> None:
        """Learn nodes, identities and services."""
        self._loop = asyncio.get_running_loop()
        self._pending.clear()
        for node in self.registry.list("nodes"):
            self._learn_node(node)
        if self.registry.kinds.get(IDENTITIES) is not None:
            self.allocator.start()
        for service in self.registry.list("services"):
            self._update_service(service["metadata"]["namespace"], service["metadata"]["name"])
        for pod in self.registry.list("pods"):
            self._update_host_ports(pod, gone=False)

    async def stop(self) -> None:
        """Stop all agents (their programs end with the runtime)."""
        for agent in self.nodes.values():
            agent.stop()
        self.datapath.close()
        self._loop = None

    def agent(self, node: str) -> NodeAgent:
        """The agent of a node. Raises LookupError."""
        found = self.nodes.get(node)
        if found is None:
            item = self.registry.find("nodes", node)
            if item is None:
                raise LookupError(f'there is no node "{node}"')
            found = self._learn_node(item)
        if found is None:
            raise LookupError(f'node "{node}" has no InternalIP yet')
        return found

    def running(self) -> list[NodeAgent]:
        """The agents whose program runs."""
        return [agent for agent in self.nodes.values() if agent.running]

    # --- interfaces.NodeNetwork -----------------------------------------------------------------------------

    def readiness(self, node: str) -> NetworkReadiness:
        """Ready once an agent wrote its CNI configuration on the node; it stays there when the agent stops."""
        if self.registry.storage.fact(f"cni/{node}") is not None:
            return NetworkReadiness(True, "")
        return NetworkReadiness(False, NO_CNI)

    def attach(self, node: str, pod: Mapping[str, Any]) -> Attachment:
        """CNI ADD."""
        if self.registry.storage.fact(f"cni/{node}") is None:
            raise AgentNotRunningError("cni plugin not initialized")
        return self.agent(node).attach(pod)

    def detach(self, node: str, pod: PodKey) -> None:
        """CNI DEL."""
        if node in self.nodes:
            self.nodes[node].detach(pod)

    def on_change(self, callback: Callable[[str], None]) -> None:
        """Tell when a node's readiness changes."""
        self._callbacks.append(callback)

    # --- for the programs -----------------------------------------------------------------------------------

    def started(self, node: str) -> None:
        """An agent is at work: its CNI configuration is in place."""
        if self.registry.storage.fact(f"cni/{node}") is None:
            self.registry.storage.set_fact(f"cni/{node}", "05-cilium.conflist")
        for callback in self._callbacks:
            callback(node)

    def on_hubble(self, callback: Callable[[], None]) -> None:
        """Tell when a node's Hubble server starts or stops."""
        self._hubble_callbacks.append(callback)

    def _hubble_changed(self) -> None:
        for callback in self._hubble_callbacks:
            callback()

    # --- proxies, imported when the first connection needs them ---------------------------------------------

    def _dns_proxy(self, tables: NodeTables) -> Proxy:
        from lab_helpers.twin.agent.dnsproxy import DnsProxy

        return DnsProxy(self.agent(tables.name))

    def _http_proxy(self, tables: NodeTables) -> Proxy | None:
        from lab_helpers.twin.agent.httpproxy import HttpProxy

        return HttpProxy(self.agent(tables.name), self.envoys) if self.envoys.listening(tables.name) else None

    def _kafka_proxy(self, tables: NodeTables) -> Proxy | None:
        from lab_helpers.twin.agent.kafkaproxy import KafkaProxy

        return KafkaProxy(self.agent(tables.name), self.envoys) if self.envoys.listening(tables.name) else None

    def _tls_proxy(self, tables: NodeTables) -> Proxy | None:
        from lab_helpers.twin.agent.tlsproxy import TlsProxy

        return TlsProxy(tables.name, self.envoys) if self.envoys.listening(tables.name) else None

    # --- following the API server ---------------------------------------------------------------------------

    def _notice(self, change: Change) -> None:
        if self._loop is None or change.key.resource not in _FOLLOWED:
            return
        self._pending.append(change)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._scheduled = False
        while self._pending:
            change = self._pending.popleft()
            self._take(change)
            for agent in self.running():
                agent.take(change)
        for agent in self.running():
            agent.finish()

    def _take(self, change: Change) -> None:
        resource, obj = change.key.resource, change.object
        if change.type == "DELETED":
            self.policies.forget(change)
        if resource == IDENTITIES:
            self._take_identity(change)
        elif resource == "nodes" and change.type != "DELETED":
            self._learn_node(obj)
        elif resource in _SERVICES:
            name = change.key.name
            if resource != "services":
                name = (obj["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
            if name:
                self._update_service(change.key.namespace, name)
        elif resource == "pods":
            self._update_host_ports(obj, gone=change.type == "DELETED")

    def _take_identity(self, change: Change) -> None:
        if change.type != "DELETED":
            identity = self.allocator.learn(change.object)
            if identity is not None:
                for agent in self.running():
                    agent.repository.upsert_identity(identity)
                    agent.tables.touch()
            return
        numeric = int(change.key.name) if change.key.name.isdigit() else 0
        self.allocator.forget(numeric)
        for agent in self.running():
            if agent.repository.population.knows(numeric):
                agent.repository.remove_identity(numeric)

    def _learn_node(self, node: Mapping[str, Any]) -> NodeAgent | None:
        name = node["metadata"]["name"]
        addresses = ((node.get("status") or {}).get("addresses")) or ()
        ip = next((entry["address"] for entry in addresses if entry.get("type") == "InternalIP"), "")
        if not ip:
            return None
        labels = node["metadata"].get("labels") or {}
        tables = self.datapath.add_node(name, ip, apiserver="node-role.kubernetes.io/control-plane" in labels)
        if name not in self.nodes:
            agent = NodeAgent(
                self.registry, self.clock, self.datapath, tables, self.allocator, self.numbers, self.policies
            )
            agent.on_hubble = self._hubble_changed
            self.nodes[name] = agent
        return self.nodes[name]

    def _update_service(self, namespace: str, name: str) -> None:
        service = self.registry.find("services", name, namespace)
        if service is None:
            self.datapath.services.remove(namespace, name)
        else:
            label = f"kubernetes.io/service-name={name}"
            slices = self.registry.list("endpointslices.discovery.k8s.io", namespace, label)
            self.datapath.services.update(service, slices)
        for agent in self.running():
            agent.tables.touch()

    def _update_host_ports(self, pod: Mapping[str, Any], *, gone: bool) -> None:
        spec = pod.get("spec") or {}
        node = self.nodes.get(spec.get("nodeName", ""))
        listed = any(
            port.get("hostPort") for container in spec.get("containers") or () for port in container.get("ports") or ()
        )
        if listed and node is not None:
            self.datapath.services.update_host_ports(pod, node.tables.ip, gone=gone)
