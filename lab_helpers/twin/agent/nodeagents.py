"""The agent of one node: what happens between the start of the program ``cilium-agent`` and its end.

Follows Cilium daemon/cmd. What it manages survives it: endpoints, addresses and tables stay when the program ends,
as state files and pinned maps do; a new start restores them, forgets pods that are gone, and takes the
configuration as it then is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.policy.configs import Version
from lab_helpers.policy.decisions import Enforcement
from lab_helpers.policy.identities import RESERVED, Identity, ReservedIdentity
from lab_helpers.policy.identities import Endpoint as PolicyEndpoint
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.rules import Service as PolicyService
from lab_helpers.twin.agent.addressing import AddressBook
from lab_helpers.twin.agent.allocating import AddressPool, EndpointIds, IdentityAllocator, PoolExhaustedError
from lab_helpers.twin.agent.endpoints import EndpointState, ManagedEndpoint, named_ports, workload_of
from lab_helpers.twin.agent.importing import PolicyImporter
from lab_helpers.twin.agent.labelling import LabelFilter, pod_labels
from lab_helpers.twin.agent.logs import AgentLog
from lab_helpers.twin.agent.names import GC_INTERVAL, NameCache
from lab_helpers.twin.agent.publishing import ENDPOINTS, NODES, publish_endpoint, publish_node, withdraw_endpoint
from lab_helpers.twin.agent.realizing import RealizedPolicy
from lab_helpers.twin.clock import Clock, Timer
from lab_helpers.twin.datapath.conntrack import Conntrack
from lab_helpers.twin.datapath.datapaths import Datapath
from lab_helpers.twin.datapath.settings import Settings
from lab_helpers.twin.datapath.tables import Endpoint, NodeTables
from lab_helpers.twin.interfaces import Attachment, PodKey
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Change

if TYPE_CHECKING:
    from lab_helpers.hubble.serving.nodelogs import NodeLog

__all__ = ["AgentNotRunningError", "NodeAgent"]

NOT_RUNNING: Final = (
    "unable to connect to Cilium agent: failed to create cilium agent client after "
    '30.000000 seconds timeout: Get "http://localhost/v1/config": dial unix /var/run/cilium/cilium.sock: '
    "connect: no such "
    "file or directory\nIs the agent running?"
)


class AgentNotRunningError(RuntimeError):
    """The CNI plug-in cannot reach the agent."""


class NodeAgent:
    """State of one node's agent; ``running`` only while its program runs."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        datapath: Datapath,
        tables: NodeTables,
        allocator: IdentityAllocator,
        numbers: random.Random,
    ) -> None:
        self.registry = registry
        self.clock = clock
        self.datapath = datapath
        self.tables = tables
        self.allocator = allocator
        self.log = AgentLog(clock)
        self.running = False
        self.version = ""
        self.settings = Settings()
        self.repository = Repository()
        self.addresses = AddressBook(registry, tables, self.repository, allocator)
        self.importer = PolicyImporter(self.repository, self.settings.policy, self.log)
        self.endpoints: dict[int, ManagedEndpoint] = {}
        self.pool: AddressPool | None = None
        self.health_ip = ""
        self.hubble: NodeLog | None = None
        self.started_at = ""
        self.on_hubble: Callable[[], None] = lambda: None
        self.watchers: list[Callable[[], None]] = []
        """Called after every change of policy or endpoints (the DNS proxy keeps its rules in step)."""
        self.names = NameCache(
            clock,
            limits=self._name_limits,
            connections=tables.conntrack.live_destinations,
            address=self._address_of,
            changed=self._names_changed,
        )
        self._collector: Timer | None = None
        self._ids = EndpointIds(numbers)
        self._random = numbers
        self._filter = LabelFilter()
        self._delete_queue: list[str] = []
        self._ifindex = 10

    @property
    def node(self) -> str:
        """The node's name."""
        return self.tables.name

    # --- life -----------------------------------------------------------------------------------------------

    def configure(self, data: Mapping[str, str], version: str) -> None:
        """Read ``cilium-config``. Raises ConfigError; nothing is changed then."""
        minor = ".".join(version.removeprefix("v").split(".")[:2])
        known = Version(minor) if minor in set(Version) else Version.V1_20
        settings = Settings.from_config_map(data, version=known)
        self._filter = LabelFilter(settings.labels)
        self.settings = settings
        self.version = version.removeprefix("v")
        self.repository = Repository(settings.policy)
        previous = self.addresses.local
        self.addresses = AddressBook(self.registry, self.tables, self.repository, self.allocator)
        self.addresses.local._next = previous._next
        self.importer = PolicyImporter(
            self.repository,
            settings.policy,
            self.log,
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
            self.pool = AddressPool(self.pod_cidrs(), self._random)
            self._own_addresses()
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
        self._names_changed()
        self._start_hubble()
        tables.names = self.names.names_of
        self._collector = self.clock.call_later(GC_INTERVAL, self._collect_names)
        self.running = True
        self.started_at = self.clock.timestamp()
        self._restore()
        self.log.info("Initial regeneration of endpoints complete", endpoints=len(self.endpoints))
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
        self.hubble = None
        self.on_hubble()

    # --- names ----------------------------------------------------------------------------------------------

    def _name_limits(self) -> tuple[int, int, float, int]:
        settings = self.settings
        return settings.dns_min_ttl, settings.dns_max_ips, settings.dns_idle_grace, settings.dns_max_deferred

    def _address_of(self, number: int) -> str:
        endpoint = self.endpoints.get(number)
        return "" if endpoint is None else endpoint.datapath.ip

    def _names_changed(self) -> None:
        """Give addresses the identities that follow from their names."""
        selectors = self.repository.fqdn_selectors()
        self.addresses.preallocate(selector.label for selector in selectors)
        self.addresses.sync_names(self.names.labels(selectors))
        self.tables.touch()

    def _collect_names(self) -> None:
        dead = self.names.collect()
        if dead:
            self.log.info("FQDN garbage collector work deleted entries", numberOfEntries=dead)
        self._collector = self.clock.call_later(GC_INTERVAL, self._collect_names)

    def _start_hubble(self) -> None:
        self.tables.observers.clear()
        self.hubble = None
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
            self.log.info(
                "Starting Hubble server", eventQueueSize=1024, maxFlows=self.settings.hubble_capacity, address=":4244"
            )
        self.on_hubble()

    def _own_addresses(self) -> None:
        """The router's and the health endpoint's addresses: those of before, if the pool still has them."""
        assert self.pool is not None
        known = self.registry.find(NODES, self.node) or {}
        spec = known.get("spec") or {}
        before = {entry.get("type"): entry.get("ip", "") for entry in spec.get("addresses") or ()}
        router = before.get("CiliumInternalIP", "")
        if not router or not self.pool.claim(router, "router"):
            router = self.pool.allocate("router")
        health = (spec.get("health") or {}).get("ipv4", "")
        if not health or not self.pool.claim(health, "health"):
            health = self.pool.allocate("health")
        self.tables.router_ip, self.health_ip = router, health
        self._reserved_endpoint("host", RESERVED[ReservedIdentity.HOST], self.tables.ip, attached=False)
        self._reserved_endpoint("health", RESERVED[ReservedIdentity.HEALTH], health, attached=True)

    def _reserved_endpoint(self, kind: str, identity: Identity, ip: str, *, attached: bool) -> None:
        inner = Endpoint(self._ids.allocate(), ip, identity.numeric, identity.labels.strings())
        self._addresses_of(inner, interface=f"lxc_{kind}" if attached else "cilium_host")
        endpoint = ManagedEndpoint(inner, identity.labels, kind=kind, created=self.clock.timestamp())
        self.endpoints[inner.id] = endpoint
        if attached:
            self.datapath.attach(self.node, f"{kind}/{self.node}", ip)
            self.tables.add(inner)

    # --- CNI ------------------------------------------------------------------------------------------------

    def attach(self, pod: Mapping[str, Any]) -> Attachment:
        """CNI ADD. Raises RuntimeError with the plug-in's message."""
        uid = pod["metadata"]["uid"]
        known = self.endpoint_of(uid)
        if known is not None:
            return Attachment(known.datapath.ip)
        if not self.running or self.pool is None:
            raise AgentNotRunningError(NOT_RUNNING)
        owner = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        restored = self._restore_pod(pod)
        if restored is not None:
            return Attachment(restored.datapath.ip)
        try:
            ip = self.pool.allocate(owner)
            number = self._ids.allocate()
        except PoolExhaustedError as error:
            raise RuntimeError(
                f'unable to allocate IP via local cilium agent: [POST /ipam][502] postIpamFailure "{error}"'
            ) from error
        endpoint = self._create(pod, ip, number)
        self.log.info(
            "Successful endpoint creation",
            endpointID=endpoint.id,
            k8sPodName=owner,
            ipv4=ip,
            identity=endpoint.datapath.identity,
        )
        return Attachment(ip)

    def detach(self, key: PodKey) -> None:
        """CNI DEL. While the agent is down the deletion is queued; the pod's interface is gone at once."""
        self.datapath.detach(key.uid)
        if not self.running:
            self._delete_queue.append(key.uid)
            return
        endpoint = self.endpoint_of(key.uid)
        if endpoint is not None:
            self._remove(endpoint)

    def endpoint_of(self, uid: str) -> ManagedEndpoint | None:
        """The endpoint of a pod."""
        return next((endpoint for endpoint in self.endpoints.values() if endpoint.uid == uid), None)

    def _create(self, pod: Mapping[str, Any], ip: str, number: int) -> ManagedEndpoint:
        metadata = pod["metadata"]
        inner = Endpoint(
            number, ip, int(ReservedIdentity.INIT), (), metadata["namespace"], metadata["name"], workload_of(pod)
        )
        self._ifindex += 2
        inner.ifindex = self._ifindex
        self._addresses_of(inner, interface=f"lxc{metadata['uid'].replace('-', '')[:12]}")
        endpoint = ManagedEndpoint(
            inner,
            LabelSet(),
            uid=metadata["uid"],
            container_id=metadata["uid"].replace("-", "") * 2,
            named_ports=named_ports(pod),
            service_account=(pod.get("spec") or {}).get("serviceAccountName") or "default",
            created=self.clock.timestamp(),
        )
        endpoint.become(EndpointState.CREATING, "Endpoint creation", self.clock.timestamp())
        self.endpoints[number] = endpoint
        self.datapath.attach(self.node, metadata["uid"], ip)
        self.tables.add(inner)
        self._identify(endpoint, pod)
        return endpoint

    def _addresses_of(self, inner: Endpoint, *, interface: str) -> None:
        octets = [self._random.randrange(256) for _ in range(10)]
        inner.mac = ":".join(f"{octet:02x}" for octet in (octets[0] & 0xFC | 2, *octets[1:5], inner.id & 255))
        inner.host_mac = ":".join(
            f"{octet:02x}" for octet in (octets[5] & 0xFC | 2, *octets[6:10], inner.id >> 4 & 255)
        )
        inner.interface = interface

    def _identify(self, endpoint: ManagedEndpoint, pod: Mapping[str, Any]) -> None:
        """Give an endpoint the identity of its pod's labels as they are now, and publish it."""
        namespace = self.registry.find("namespaces", pod["metadata"]["namespace"])
        everything = pod_labels(pod, namespace, self.settings.cluster_name)
        labels, endpoint.information = self._filter.split(everything)
        now = self.clock.timestamp
        inner = endpoint.datapath
        if labels != endpoint.labels or endpoint.state is EndpointState.CREATING:
            endpoint.become(
                EndpointState.WAITING_FOR_IDENTITY, "Triggering identity resolution due to updated labels", now()
            )
            identity = self.allocator.allocate(labels, self.settings.policy.cluster_id)
            self.repository.upsert_identity(identity)
            if inner.identity not in (identity.numeric, int(ReservedIdentity.INIT)):
                self.log.info(
                    "Identity of endpoint changed",
                    endpointID=endpoint.id,
                    k8sPodName=endpoint.name,
                    oldIdentity=inner.identity,
                    identity=identity.numeric,
                    identityLabels=",".join(labels.strings()),
                )
            endpoint.labels = labels
            inner.identity, inner.labels = identity.numeric, labels.strings()
            self.tables.touch()
            self.addresses.local_endpoint(inner.ip, identity.numeric, inner.namespace, inner.pod, inner.workload)
        self.regenerate_endpoint(endpoint, "updated security labels")
        publish_endpoint(self.registry, endpoint, pod, self.tables.ip)

    def _remove(self, endpoint: ManagedEndpoint) -> None:
        inner = endpoint.datapath
        endpoint.become(EndpointState.DISCONNECTED, "Endpoint removed", self.clock.timestamp())
        del self.endpoints[endpoint.id]
        self._ids.release(endpoint.id)
        self.repository.remove_endpoint(endpoint.name)
        self.tables.drop(inner)
        self.names.forget(endpoint.id)
        self.addresses.forget_endpoint(inner.ip, inner.namespace, inner.pod)
        if self.pool is not None:
            self.pool.release(inner.ip)
        withdraw_endpoint(self.registry, inner.namespace, inner.pod, endpoint.uid)
        self.log.info("Removed endpoint", endpointID=endpoint.id, k8sPodName=endpoint.name, ipv4=inner.ip)
        self._changed()

    # --- restoring ------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        """Endpoints from before: of this program's earlier life, or from CiliumEndpoint objects after the whole node
        started anew.
        """
        pods = {
            pod["metadata"]["uid"]: pod
            for pod in self.registry.list("pods")
            if (pod.get("spec") or {}).get("nodeName") == self.node
            and not (pod.get("spec") or {}).get("hostNetwork")
            and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        }
        for uid in self._delete_queue:
            pods.pop(uid, None)
        self._delete_queue.clear()
        for endpoint in list(self.endpoints.values()):
            if endpoint.kind != "pod":
                self.regenerate_endpoint(endpoint, "endpoint restored")
            elif endpoint.uid in pods:
                endpoint.become(EndpointState.RESTORING, "Restoring endpoint from previous run", self.clock.timestamp())
                self._identify(endpoint, pods[endpoint.uid])
            else:
                self.datapath.detach(endpoint.uid)
                self._remove(endpoint)
        for uid, pod in pods.items():
            if self.endpoint_of(uid) is None:
                self._restore_pod(pod)

    def _restore_pod(self, pod: Mapping[str, Any]) -> ManagedEndpoint | None:
        """The endpoint that the pod's CiliumEndpoint describes; None when there is none, or its address belongs to
        another.
        """
        metadata = pod["metadata"]
        known = self.registry.find(ENDPOINTS, metadata["name"], metadata["namespace"]) or {}
        owners = (known.get("metadata") or {}).get("ownerReferences") or [{}]
        status = known.get("status") or {}
        networking = status.get("networking") or {}
        ip = next((entry["ipv4"] for entry in networking.get("addressing") or () if entry.get("ipv4")), "")
        if not ip or owners[0].get("uid") != metadata["uid"] or networking.get("node") != self.tables.ip:
            return None
        if self.pool is None or not self.pool.claim(ip, f"{metadata['namespace']}/{metadata['name']}"):
            return None
        return self._create(pod, ip, self._ids.allocate(int(status.get("id") or 0)))

    # --- policy ---------------------------------------------------------------------------------------------

    def regenerate_endpoint(self, endpoint: ManagedEndpoint, reason: str) -> None:
        """Realize the policy of an endpoint at the repository's revision."""
        now = self.clock.timestamp()
        inner = endpoint.datapath
        identity = Identity(inner.identity, endpoint.labels)
        if endpoint.kind == "host" and self.repository.population.knows(1):
            identity = self.repository.population.at(self.repository.population.position(1))
            endpoint.labels, inner.labels = identity.labels, identity.labels.strings()
        subject = PolicyEndpoint(endpoint.name, identity, endpoint.named_ports)
        if endpoint.kind == "pod":
            self.repository.upsert_endpoint(subject)
        endpoint.become(EndpointState.WAITING_TO_REGENERATE, f"Triggering endpoint regeneration due to {reason}", now)
        endpoint.become(EndpointState.REGENERATING, f"Regenerating endpoint: {reason}", now)
        inner.policy = RealizedPolicy(self.repository, subject, endpoint.audit)
        endpoint.desired_revision = self.repository.revision
        endpoint.regenerations += 1
        endpoint.become(EndpointState.READY, "Successfully regenerated endpoint program", now)

    def regenerate(self, reason: str) -> None:
        """Realize the policy of every endpoint anew."""
        self._names_changed()
        for endpoint in self.endpoints.values():
            self.regenerate_endpoint(endpoint, reason)
        self._changed()

    def enforcement(self, endpoint: ManagedEndpoint) -> Enforcement:
        """Is policy enforced for an endpoint, by its realized policy?"""
        policy = endpoint.datapath.policy
        return policy.enforcement if isinstance(policy, RealizedPolicy) else Enforcement(ingress=False, egress=False)

    def labels_of(self, numeric: int) -> tuple[str, ...]:
        """The labels of a numeric identity as this node knows them."""
        population = self.repository.population
        if population.knows(numeric):
            return population.at(population.position(numeric)).labels.strings()
        known = self.allocator.get(numeric)
        return known.labels.strings() if known is not None else ()

    def _changed(self) -> None:
        for watcher in self.watchers:
            watcher()

    # --- following the API server ---------------------------------------------------------------------------

    def take(self, change: Change) -> None:
        """Follow one change of an object (only called while running)."""
        resource, obj = change.key.resource, change.object
        if self.importer.take(change):
            self.addresses.sync_prefixes()
            self.regenerate("one or more policies added or removed")
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

    def _take_pod(self, change: Change) -> None:
        pod = change.object
        if change.type == "DELETED" or (pod.get("spec") or {}).get("nodeName") != self.node:
            return
        before = change.previous or {}
        if (before.get("metadata") or {}).get("labels") == pod["metadata"].get("labels"):
            return
        endpoint = self.endpoint_of(pod["metadata"]["uid"])
        if endpoint is not None:
            self._identify(endpoint, pod)
            self._changed()

    def _relabel_namespace(self, namespace: str) -> None:
        for endpoint in list(self.endpoints.values()):
            if endpoint.kind == "pod" and endpoint.datapath.namespace == namespace:
                pod = self.registry.find("pods", endpoint.datapath.pod, namespace)
                if pod is not None and pod["metadata"]["uid"] == endpoint.uid:
                    self._identify(endpoint, pod)
        self._changed()

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
        if after != before and self.running:
            self.addresses.sync_prefixes()
            self.regenerate("service updated")

    def flush_conntrack(self) -> int:
        """``cilium-dbg bpf ct flush``."""
        table: Conntrack = self.tables.conntrack
        return table.flush()


def _addresses(slices: list[dict[str, Any]]) -> set[str]:
    return {ip for item in slices for endpoint in item.get("endpoints") or () for ip in endpoint.get("addresses") or ()}
