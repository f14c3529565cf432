"""The endpoints of a node: CNI ADD and DEL, identities, policy realized, and how all that comes back after a restart.

Follows Cilium pkg/endpoint, pkg/endpointmanager, daemon/restapi and plugins/cilium-cni.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from lab_helpers.policy.decisions import Enforcement
from lab_helpers.policy.identities import RESERVED, Identity, ReservedIdentity
from lab_helpers.policy.identities import Endpoint as PolicyEndpoint
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.pod_labels import DEFAULT_FILTER
from lab_helpers.policy.repositories import Repository
from lab_helpers.twin.agent.addressing import AddressBook
from lab_helpers.twin.agent.allocating import AddressPool, EndpointIds, IdentityAllocator, PoolExhaustedError
from lab_helpers.twin.agent.endpoints import EndpointState, ManagedEndpoint, named_ports, workload_of
from lab_helpers.twin.agent.labelling import labels_of_pod
from lab_helpers.twin.agent.logs import AgentLog
from lab_helpers.twin.agent.names import NameCache
from lab_helpers.twin.agent.notifying import Notifier
from lab_helpers.twin.agent.publishing import ENDPOINTS, NODES, publish_endpoint, withdraw_endpoint
from lab_helpers.twin.agent.realizing import RealizedPolicy
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.datapath.datapaths import Datapath
from lab_helpers.twin.datapath.settings import Settings
from lab_helpers.twin.datapath.tables import Endpoint, NodeTables
from lab_helpers.twin.interfaces import Attachment, PodKey
from lab_helpers.twin.objects.registry import Registry

__all__ = ["NOT_RUNNING", "AgentNotRunningError", "EndpointKeeper"]

_INGRESS_OPTIONS: Final = ("enable-ingress-controller", "enable-gateway-api", "enable-envoy-config")
NOT_RUNNING: Final = (
    "unable to connect to Cilium agent: failed to create cilium agent client after 30.000000 seconds timeout: "
    'Get "http://localhost/v1/config": dial unix /var/run/cilium/cilium.sock: connect: no such file or directory\n'
    "Is the agent running?"
)


class AgentNotRunningError(RuntimeError):
    """The CNI plug-in cannot reach the agent."""


class EndpointKeeper:
    """Endpoints, their addresses, their policy. The agent (``nodeagents.NodeAgent``) is one, with a life around it."""

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
        self.notifier = Notifier(clock)
        self.running = False
        self.settings = Settings()
        self.repository = Repository()
        self.addresses = AddressBook(registry, tables, self.repository, allocator)
        self.endpoints: dict[int, ManagedEndpoint] = {}
        self.pool: AddressPool | None = None
        self.health_ip = ""
        self.names = NameCache(
            clock,
            limits=self._name_limits,
            connections=tables.conntrack.live_destinations,
            address=self._address_of,
            changed=self.names_changed,
        )
        self.random = numbers
        self.filter = DEFAULT_FILTER
        self._ids = EndpointIds(numbers)
        self.regenerations = 0
        """Endpoint regenerations since the program started."""
        self._delete_queue: list[str] = []
        self._ifindex = 10

    @property
    def node(self) -> str:
        """The node's name."""
        return self.tables.name

    def _name_limits(self) -> tuple[int, int, float, int]:
        settings = self.settings
        return settings.dns_min_ttl, settings.dns_max_ips, settings.dns_idle_grace, settings.dns_max_deferred

    def _address_of(self, number: int) -> str:
        endpoint = self.endpoints.get(number)
        return "" if endpoint is None else endpoint.datapath.ip

    def names_changed(self) -> None:
        """Give addresses the identities that follow from their names."""
        selectors = self.repository.fqdn_selectors()
        if self.settings.raw.get("tofqdns-preallocate-identities", "true") != "false":
            self.addresses.preallocate(selector.label for selector in selectors)
        self.addresses.sync_names(self.names.labels(selectors))
        self.tables.touch()

    def take_own_addresses(self) -> None:
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
        if any(self.settings.raw.get(key) == "true" for key in _INGRESS_OPTIONS):
            self._reserved_endpoint(
                "ingress", RESERVED[ReservedIdentity.INGRESS], self.pool.allocate("ingress"), attached=False
            )

    def _reserved_endpoint(self, kind: str, identity: Identity, ip: str, *, attached: bool) -> None:
        inner = Endpoint(self._ids.allocate(), ip, identity.numeric, identity.labels.strings())
        inner.options = self.settings.options
        if attached:
            self._ifindex += 2
            inner.ifindex = self._ifindex
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
        inner.options = self.settings.options
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
        self.identify(endpoint, pod)
        self.notifier.endpoint(number, inner.labels, inner.pod, inner.namespace, deleted=False)
        return endpoint

    def _addresses_of(self, inner: Endpoint, *, interface: str) -> None:
        octets = [self.random.randrange(256) for _ in range(10)]
        inner.mac = ":".join(f"{octet:02x}" for octet in (octets[0] & 0xFC | 2, *octets[1:5], inner.id & 255))
        inner.host_mac = ":".join(
            f"{octet:02x}" for octet in (octets[5] & 0xFC | 2, *octets[6:10], inner.id >> 4 & 255)
        )
        inner.interface = interface

    def identify(self, endpoint: ManagedEndpoint, pod: Mapping[str, Any]) -> None:
        """Give an endpoint the identity of its pod's labels as they are now, and publish it."""
        namespace = self.registry.find("namespaces", pod["metadata"]["namespace"])
        everything = labels_of_pod(pod, namespace, self.settings.cluster_name)
        labels, endpoint.information = self.filter.split(everything)
        now = self.clock.timestamp
        inner = endpoint.datapath
        if labels != endpoint.labels or endpoint.state is not EndpointState.READY:
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
        self.notifier.endpoint(endpoint.id, inner.labels, inner.pod, inner.namespace, deleted=True)
        self.log.info("Removed endpoint", endpointID=endpoint.id, k8sPodName=endpoint.name, ipv4=inner.ip)

    # --- restoring ------------------------------------------------------------------------------------------

    def restore(self) -> None:
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
            endpoint.datapath.options = self.settings.options
            if endpoint.kind != "pod":
                self.regenerate_endpoint(endpoint, "endpoint restored")
            elif endpoint.uid in pods:
                endpoint.become(EndpointState.RESTORING, "Restoring endpoint from previous run", self.clock.timestamp())
                self.identify(endpoint, pods[endpoint.uid])
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
            self.addresses.ports_changed |= bool(subject.named_ports) and endpoint.regenerations == 0
        endpoint.become(EndpointState.WAITING_TO_REGENERATE, f"Triggering endpoint regeneration due to {reason}", now)
        endpoint.become(EndpointState.REGENERATING, f"Regenerating endpoint: {reason}", now)
        inner.policy = RealizedPolicy(self.repository, subject, inner.options.audit)
        endpoint.regenerations += 1
        self.regenerations += 1
        endpoint.become(EndpointState.READY, "Successfully regenerated endpoint program", now)
        self.notifier.regenerated(endpoint.id, inner.labels)

    def regenerate(self, reason: str, *, everything: bool = False) -> None:
        """Realize the policy of the endpoints whose rules changed; the others are at the new revision already.

        ``everything``: what rules refer to has changed (the ports that names stand for).
        """
        self.names_changed()
        for endpoint in self.endpoints.values():
            policy = endpoint.datapath.policy
            if everything or not isinstance(policy, RealizedPolicy) or not policy.confirm():
                self.regenerate_endpoint(endpoint, reason)

    def change_endpoint_options(self, endpoint: ManagedEndpoint, values: Mapping[str, str]) -> None:
        """``cilium-dbg endpoint config``. Raises OptionError; nothing is changed then."""
        endpoint.datapath.options = endpoint.datapath.options.changed(values)
        self.regenerate_endpoint(endpoint, "endpoint options changed")

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
