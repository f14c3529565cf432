"""What an agent knows about addresses: its node's ipcache, filled from nodes, endpoints and policies.

Follows Cilium pkg/ipcache. Priority: host and local endpoints, then endpoints of other nodes, then prefixes that
policies or DNS name; everything else is the world.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab_helpers.policy.identities import RESERVED, Identity, NamedPort, ReservedIdentity
from lab_helpers.policy.identities import Endpoint as PolicyEndpoint
from lab_helpers.policy.labels import Label, LabelSet
from lab_helpers.policy.prefixes import Prefix
from lab_helpers.policy.repositories import Repository
from lab_helpers.twin.agent.allocating import IdentityAllocator, LocalIdentities
from lab_helpers.twin.agent.endpoints import workload_of
from lab_helpers.twin.datapath.tables import IpcacheEntry, NodeTables
from lab_helpers.twin.objects.registry import Registry

__all__ = ["AddressBook"]

WORLD_LABEL = Label("reserved", "world")


class AddressBook:
    """Keeps ``tables.ipcache`` and the identities of ``repository`` in step with the cluster."""

    def __init__(
        self, registry: Registry, tables: NodeTables, repository: Repository, allocator: IdentityAllocator
    ) -> None:
        self._registry = registry
        self._tables = tables
        self._repository = repository
        self._allocator = allocator
        self.local = LocalIdentities()
        self._prefixes: dict[Prefix, LabelSet] = {}
        self._named: dict[str, LabelSet] = {}
        """Addresses with FQDN labels."""
        self._cluster_ips: dict[str, str] = {}
        """Address → owner, of everything that CIDR and FQDN labels never apply to."""
        self._ports: dict[str, tuple[NamedPort, ...]] = {}
        self.ports_changed = False
        """Some port name may stand for another number than before: policies that use names must be realized anew."""

    def start(self) -> None:
        """Reserved identities, and all cluster identities there are."""
        own = set(RESERVED[ReservedIdentity.HOST].labels)
        if self._tables.apiserver:
            own.add(Label("reserved", "kube-apiserver"))
        for number, identity in RESERVED.items():
            self._repository.upsert_identity(Identity(number, LabelSet(own)) if number == 1 else identity)
        for identity in self._allocator:
            self._repository.upsert_identity(identity)

    # --- nodes ----------------------------------------------------------------------------------------------

    def node(self, name: str, ip: str, *, router: str, health: str, apiserver: bool) -> None:
        """A node's own addresses."""
        cache = self._tables.ipcache
        if name == self._tables.name:
            identity, tunnel = ReservedIdentity.HOST, ""
        else:
            identity = ReservedIdentity.KUBE_APISERVER if apiserver else ReservedIdentity.REMOTE_NODE
            tunnel = ip
        self._set(ip, IpcacheEntry(int(identity)), f"node/{name}")
        if router:
            inner = identity if name == self._tables.name else ReservedIdentity.REMOTE_NODE
            self._set(router, IpcacheEntry(int(inner), tunnel), f"node/{name}")
        if health:
            self._set(health, IpcacheEntry(int(ReservedIdentity.HEALTH), tunnel), f"health/{name}")
        cache.version += 1

    # --- endpoints ------------------------------------------------------------------------------------------

    def local_endpoint(
        self, ip: str, identity: int, namespace: str, pod: str, workload: tuple[str, str] | None
    ) -> None:
        """A pod of this node."""
        self._set(ip, IpcacheEntry(identity, "", namespace, pod, workload), f"{namespace}/{pod}")

    def remote_endpoint(self, obj: Mapping[str, Any]) -> None:
        """A CiliumEndpoint of another node."""
        metadata, status = obj["metadata"], obj.get("status") or {}
        namespace, name = metadata["namespace"], metadata["name"]
        networking = status.get("networking") or {}
        node_ip = networking.get("node") or ""
        identity = int((status.get("identity") or {}).get("id") or ReservedIdentity.UNMANAGED)
        if node_ip == self._tables.ip:
            return
        pod = self._registry.find("pods", name, namespace)
        workload = workload_of(pod) if pod is not None else None
        for address in networking.get("addressing") or ():
            if address.get("ipv4"):
                entry = IpcacheEntry(identity, node_ip, namespace, name, workload)
                self._set(address["ipv4"], entry, f"{namespace}/{name}")
        ports = tuple(
            NamedPort(str(port["name"]), int(port["port"]), str(port.get("protocol") or "TCP"))
            for port in status.get("named-ports") or ()
        )
        known = self._allocator.get(identity)
        owner = f"{namespace}/{name}"
        if ports and known is not None:
            self._repository.upsert_endpoint(PolicyEndpoint(owner, known, ports))
        if ports != self._ports.get(owner, ()):
            self._ports[owner] = ports
            self.ports_changed = True

    def forget_endpoint(self, ip: str, namespace: str, name: str) -> None:
        """A pod is gone; its address may already belong to another one."""
        if self._cluster_ips.get(ip) == f"{namespace}/{name}":
            del self._cluster_ips[ip]
            self._tables.ipcache.remove(ip)
            self._resolve(ip)

    def forget_remote(self, obj: Mapping[str, Any]) -> None:
        """A CiliumEndpoint was deleted."""
        metadata, status = obj["metadata"], obj.get("status") or {}
        if (status.get("networking") or {}).get("node") == self._tables.ip:
            return
        for address in (status.get("networking") or {}).get("addressing") or ():
            self.forget_endpoint(address.get("ipv4", ""), metadata["namespace"], metadata["name"])
        owner = f"{metadata['namespace']}/{metadata['name']}"
        self._repository.remove_endpoint(owner)
        self.ports_changed |= bool(self._ports.pop(owner, ()))

    def _set(self, ip: str, entry: IpcacheEntry, owner: str) -> None:
        self._cluster_ips[ip] = owner
        if self._tables.ipcache.get(ip) != entry:
            self._tables.ipcache.upsert(ip, entry)

    # --- addresses outside ----------------------------------------------------------------------------------

    def sync_prefixes(self) -> bool:
        """Give every prefix that policies name an identity; True when something changed."""
        wanted: dict[Prefix, LabelSet] = {}
        groups = tuple(self._repository.cidr_groups())
        for prefix in self._repository.prefixes():
            if prefix.length == 0 or prefix.family != 4:
                continue
            found = {prefix.label, WORLD_LABEL}
            for group in groups:
                if any(member.contains(prefix) for member in group.prefixes):
                    found.update(group.identity_labels())
            wanted[prefix] = LabelSet(found)
        if wanted == self._prefixes:
            return False
        gone = [prefix for prefix in self._prefixes if prefix not in wanted]
        self._prefixes = wanted
        for prefix in gone:
            if str(prefix).removesuffix("/32") not in self._cluster_ips:
                self._tables.ipcache.remove(str(prefix))
        for prefix, labels in wanted.items():
            if prefix.length < 32:
                identity, new = self.local.allocate(labels)
                if new:
                    self._repository.upsert_identity(identity)
                self._tables.ipcache.upsert(str(prefix), IpcacheEntry(identity.numeric))
        for ip in {*self._named, *(_address(prefix) for prefix in (*wanted, *gone) if prefix.length == 32)}:
            self._resolve(ip)
        self._release()
        return True

    def sync_names(self, labels: Mapping[str, Iterable[Label]]) -> bool:
        """The FQDN labels of addresses, all of them; True when something changed. The datapath is IPv4 only: what AAAA
        answers name stays in the name cache.
        """
        wanted = {ip: LabelSet(found) for ip, found in labels.items() if found and ":" not in ip}
        changed = [ip for ip in {*wanted, *self._named} if wanted.get(ip) != self._named.get(ip)]
        if not changed:
            return False
        self._named = wanted
        for ip in changed:
            self._resolve(ip)
        self._release()
        return True

    def preallocate(self, labels: Iterable[Label]) -> None:
        """Identities for single FQDN labels, so that the first answer needs only an ipcache entry."""
        for label in labels:
            identity, new = self.local.allocate(LabelSet((label, WORLD_LABEL)))
            if new:
                self._repository.upsert_identity(identity)

    def _resolve(self, ip: str) -> None:
        """Decide anew what a single address outside is."""
        if not ip or ip in self._cluster_ips:
            return
        found: set[Label] = set(self._named.get(ip, ()))
        exact = self._covering(ip)
        if not found and (exact is None or exact.length < 32):
            self._tables.ipcache.remove(ip)
            return
        if exact is not None:
            found |= set(self._prefixes[exact])
        identity, new = self.local.allocate(LabelSet({*found, WORLD_LABEL}))
        if new:
            self._repository.upsert_identity(identity)
        if self._tables.ipcache.get(ip) != IpcacheEntry(identity.numeric):
            self._tables.ipcache.upsert(ip, IpcacheEntry(identity.numeric))

    def _covering(self, ip: str) -> Prefix | None:
        """The longest policy prefix that contains an address."""
        number = 0
        for part in ip.split("."):
            number = number << 8 | int(part)
        single = Prefix(4, number, 32)
        holding = [prefix for prefix in self._prefixes if prefix.contains(single)]
        return max(holding, key=lambda prefix: prefix.length, default=None)

    def _release(self) -> None:
        """Forget local identities that no address has any more."""
        used = {entry.identity for _, entry in self._tables.ipcache}
        single = {LabelSet((selector.label, WORLD_LABEL)) for selector in self._repository.fqdn_selectors()}
        keep = [identity.labels for identity in self.local if identity.numeric in used or identity.labels in single]
        for identity in self.local.retain(keep):
            self._repository.remove_identity(identity.numeric)


def _address(prefix: Prefix) -> str:
    return str(prefix).partition("/")[0]
