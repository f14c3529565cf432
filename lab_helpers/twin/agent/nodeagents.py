"""The agent of one node: what happens between the start of the program ``cilium-agent`` and its end.

Follows Cilium daemon/cmd. What it manages survives it: endpoints, addresses and tables stay when the program ends,
as state files and pinned maps do; a new start restores them, forgets pods that are gone, and takes the
configuration as it then is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lab_helpers.policy.configs import EnforcementMode, Version
from lab_helpers.policy.errors import RegexError
from lab_helpers.policy.pod_labels import LabelFilter
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.rules import Service as PolicyService
from lab_helpers.twin.agent.addressing import AddressBook
from lab_helpers.twin.agent.allocating import AddressPool, IdentityAllocator
from lab_helpers.twin.agent.endpointkeeping import EndpointKeeper
from lab_helpers.twin.agent.importing import PolicyImporter, PolicyReader
from lab_helpers.twin.agent.metrics.series import upstream_times
from lab_helpers.twin.agent.names import GC_INTERVAL
from lab_helpers.twin.agent.publishing import ENDPOINTS, NODES, publish_node
from lab_helpers.twin.clock import Clock, Timer
from lab_helpers.twin.datapath.conntrack import Conntrack
from lab_helpers.twin.datapath.datapaths import Datapath
from lab_helpers.twin.datapath.settings import ConfigError, Settings
from lab_helpers.twin.datapath.tables import NodeTables
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Change

if TYPE_CHECKING:
    from lab_helpers.hubble.serving.nodelogs import NodeLog
    from lab_helpers.twin.agent.metrics.flowmetrics import FlowMetrics

__all__ = ["NodeAgent"]


class NodeAgent(EndpointKeeper):
    """State of one node's agent; ``running`` only while its program runs."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        datapath: Datapath,
        tables: NodeTables,
        allocator: IdentityAllocator,
        numbers: random.Random,
        reader: PolicyReader,
    ) -> None:
        super().__init__(registry, clock, datapath, tables, allocator, numbers)
        self.version = ""
        self._reader = reader
        self.importer = PolicyImporter(self.repository, self.settings.policy, self.log, reader)
        self.hubble: NodeLog | None = None
        self.flow_metrics: FlowMetrics | None = None
        self._next_metrics: FlowMetrics | None = None
        self.started_at = ""
        self.started_monotonic = 0.0
        self.upstream_times = upstream_times()
        self.on_hubble: Callable[[], None] = lambda: None
        self._collector: Timer | None = None
        self._stale = ""
        """Why endpoints have to be realized anew, when they have to."""

    # --- life -----------------------------------------------------------------------------------------------

    def configure(self, data: Mapping[str, str], version: str) -> None:
        """Read ``cilium-config``. Raises ConfigError; nothing is changed then."""
        settings = Settings.from_config_map(data, version=Version.of(version))
        try:
            label_filter = LabelFilter.from_expressions(" ".join(settings.labels))
        except RegexError as error:
            raise ConfigError(str(error)) from error
        self._next_metrics = _flow_metrics(data) if settings.hubble else None
        self.filter = label_filter
        self.settings = settings
        self.regenerations = 0
        self.upstream_times = upstream_times()
        self.version = version.removeprefix("v")
        self.repository = Repository(settings.policy)
        previous = self.addresses.local
        self.addresses = AddressBook(self.registry, self.tables, self.repository, self.allocator)
        self.addresses.local._next = previous._next
        self.importer = PolicyImporter(
            self.repository,
            settings.policy,
            self.log,
            self._reader,
            notifier=self.notifier,
            network_policies=data.get("enable-k8s-networkpolicy", "true") != "false",
        )

    def announce(self) -> None:
        """Create the CiliumNode, so that the operator can give it pod CIDRs."""
        node = self.registry.get("nodes", self.node)
        publish_node(self.registry, node, self.tables.ip, router=self.tables.router_ip, health=self.health_ip)

    def pod_cidrs(self) -> list[str]:
        """The pod CIDRs of the CiliumNode (of the Node, in IPAM mode ``kubernetes``)."""
        if self.settings.ipam == "kubernetes":
            spec = (self.registry.find("nodes", self.node) or {}).get("spec") or {}
            return list(spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else []))
        found = self.registry.find(NODES, self.node) or {}
        return list((((found.get("spec") or {}).get("ipam")) or {}).get("podCIDRs") or [])

    def start(self) -> None:
        """Go to work: addresses, identities, policies, services, then the endpoints that are there already."""
        tables = self.tables
        if self.pool is None:
            self.pool = AddressPool(self.pod_cidrs(), self.random)
            self.take_own_addresses()
        tables.settings = self.settings
        tables.conntrack.interval = self.settings.aggregation_interval
        tables.loaded = True
        node = self.registry.get("nodes", self.node)
        tables.labels = tuple(sorted(f"{k}={v}" for k, v in (node["metadata"].get("labels") or {}).items()))
        tables.identity_labels = self.labels_of
        tables.services = self.datapath.services
        publish_node(self.registry, node, tables.ip, router=tables.router_ip, health=self.health_ip)
        self.addresses.start()
        for obj in self.registry.list(NODES):
            self._learn_node(obj)
        if self.registry.kinds.get(ENDPOINTS) is not None:
            for obj in self.registry.list(ENDPOINTS):
                self.addresses.remote_endpoint(obj)
        for service in self.registry.list("services"):
            self._learn_service(service["metadata"]["namespace"], service["metadata"]["name"])
        self.importer.load(self.registry)
        self.addresses.sync_prefixes()
        self.names_changed()
        self._start_hubble()
        tables.names = self.names.names_of
        self._collector = self.clock.call_later(GC_INTERVAL, self._collect_names)
        self.running = True
        self.started_at = self.clock.timestamp()
        self.started_monotonic = self.clock.monotonic()
        self.notifier.started()
        self.restore()
        self.log.info("Initial regeneration of endpoints complete", endpoints=len(self.endpoints))
        self._stale = ""
        self.log.info("Daemon initialization completed", nodeName=self.node, version=self.version)

    def stop(self) -> None:
        """The program ends. The datapath goes on with what it has; nobody observes it and nothing is updated."""
        if not self.running:
            return
        self.running = False
        if self._collector is not None:
            self._collector.cancel()
        self.tables.services = self.datapath.services.copy()
        self.tables.observers.clear()
        self.hubble = self.notifier.log = self.flow_metrics = None
        self.on_hubble()

    def _collect_names(self) -> None:
        dead = self.names.collect()
        if dead:
            self.log.info("FQDN garbage collector work deleted entries", numberOfEntries=dead)
        self._collector = self.clock.call_later(GC_INTERVAL, self._collect_names)

    def _start_hubble(self) -> None:
        self.tables.observers.clear()
        self.tables.agent_version = self.version
        self.tables.version += 1
        self.hubble = self.flow_metrics = None
        if self.settings.hubble:
            from lab_helpers.hubble.serving.nodelogs import NodeLog

            clock = self.clock
            name = self.datapath.plane.flows(self.node).node_name
            self.hubble = NodeLog(
                name,
                clock=lambda: int(clock.now().timestamp() * 1_000_000) * 1000,
                capacity=self.settings.hubble_capacity,
                version=f"cilium v{self.version}",
            )
            self.tables.observers.append(self.hubble.add_flow)
            self.flow_metrics = self._next_metrics
            if self.flow_metrics is not None:
                self.tables.observers.append(self.flow_metrics.take)
            self.notifier.log = self.hubble
            self.log.info(
                "Starting Hubble server", eventQueueSize=1024, maxFlows=self.settings.hubble_capacity, address=":4244"
            )
        self.on_hubble()

    # --- following the API server ------------------------------------------------------------------------------

    def take(self, change: Change) -> None:
        """Follow one change of an object (only while running); ``finish`` must come after the last of a batch."""
        resource, obj = change.key.resource, change.object
        if self.importer.take(change):
            self._stale = "one or more policies added or removed"
        elif resource == ENDPOINTS:
            if change.type == "DELETED":
                self.addresses.forget_remote(obj)
            else:
                self.addresses.remote_endpoint(obj)
        elif resource == NODES:
            self._learn_node(obj)
        elif resource == "pods":
            self._take_pod(change)
        elif resource == "namespaces" and change.previous is not None:
            if change.previous["metadata"].get("labels") != obj["metadata"].get("labels"):
                self._relabel_namespace(change.key.name)
        elif resource in ("services", "endpointslices.discovery.k8s.io"):
            self._take_service(change)

    def finish(self) -> None:
        """Realize what a batch of changes asks for."""
        if self._stale:
            self.addresses.sync_prefixes()
        if self.addresses.ports_changed:
            self.regenerate("named ports changed", everything=True)
        elif self._stale:
            self.regenerate(self._stale)
        self.addresses.ports_changed = False
        self._stale = ""

    def _take_pod(self, change: Change) -> None:
        pod = change.object
        if change.previous is None or change.type == "DELETED" or (pod.get("spec") or {}).get("nodeName") != self.node:
            return
        if change.previous["metadata"].get("labels") == pod["metadata"].get("labels"):
            return
        endpoint = self.endpoint_of(pod["metadata"]["uid"])
        if endpoint is not None:
            self.identify(endpoint, pod)

    def _relabel_namespace(self, namespace: str) -> None:
        for endpoint in list(self.endpoints.values()):
            if endpoint.kind == "pod" and endpoint.datapath.namespace == namespace:
                pod = self.registry.find("pods", endpoint.datapath.pod, namespace)
                if pod is not None and pod["metadata"]["uid"] == endpoint.uid:
                    self.identify(endpoint, pod)

    def _learn_node(self, obj: Mapping[str, Any]) -> None:
        spec = obj.get("spec") or {}
        found = {entry.get("type"): entry.get("ip", "") for entry in spec.get("addresses") or ()}
        name = obj["metadata"]["name"]
        other = self.datapath.plane.tables.get(name)
        self.addresses.node(
            name,
            found.get("InternalIP", ""),
            router=found.get("CiliumInternalIP", ""),
            health=(spec.get("health") or {}).get("ipv4", ""),
            apiserver=other is not None and other.apiserver,
        )

    def _take_service(self, change: Change) -> None:
        name = change.key.name
        if change.key.resource != "services":
            name = (change.object["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
        if name:
            self._learn_service(change.key.namespace, name)

    def _learn_service(self, namespace: str, name: str) -> None:
        before = self.repository.revision
        service = self.registry.find("services", name, namespace)
        if service is None:
            after = self.repository.remove_service(namespace, name)
        else:
            spec = service.get("spec") or {}
            slices = self.registry.list(
                "endpointslices.discovery.k8s.io", namespace, f"kubernetes.io/service-name={name}"
            )
            backends = () if spec.get("selector") else tuple(sorted(_addresses(slices)))
            after = self.repository.upsert_service(
                PolicyService(
                    namespace,
                    name,
                    tuple(sorted((service["metadata"].get("labels") or {}).items())),
                    tuple(sorted((spec.get("selector") or {}).items())),
                    backends,
                )
            )
        if after != before:
            self._stale = "service updated"

    def change_options(self, values: Mapping[str, str], enforcement: EnforcementMode | None = None) -> None:
        """``cilium-dbg config``: options of the agent and of all its endpoints, until the program starts anew.

        Raises OptionError; nothing is changed then.
        """
        before = self.settings
        options = before.options.changed(values)
        mode = before.policy.policy_mode if enforcement is None else enforcement
        policy = replace(before.policy, policy_mode=mode, audit_mode=options.audit)
        for endpoint in self.endpoints.values():
            endpoint.datapath.options = endpoint.datapath.options.changed(values)
        if options == before.options and policy == before.policy:
            return
        self.settings = self.tables.settings = replace(before, options=options, policy=policy)
        self.repository.reconfigure(policy)
        self.regenerate("agent configuration update", everything=True)

    def flush_conntrack(self) -> int:
        """``cilium-dbg bpf ct flush``."""
        table: Conntrack = self.tables.conntrack
        return table.flush()


def _flow_metrics(data: Mapping[str, str]) -> FlowMetrics | None:
    """The metrics that ``hubble-metrics`` asks for, if they are served. Raises MetricsConfigError."""
    if not data.get("hubble-metrics-server") or not data.get("hubble-metrics", "").strip():
        return None
    from lab_helpers.twin.agent.metrics.flowmetrics import FlowMetrics

    return FlowMetrics(data["hubble-metrics"])


def _addresses(slices: list[dict[str, Any]]) -> set[str]:
    return {ip for item in slices for endpoint in item.get("endpoints") or () for ip in endpoint.get("addresses") or ()}
