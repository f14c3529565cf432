"""The Cilium operator: CRDs, pod CIDRs, the ``Valid`` condition, node conditions and taints, garbage collection.

Follows Cilium operator/. Of several replicas one leads; it works on whatever changed, and on a timer for the garbage.
"""

from __future__ import annotations

import asyncio
import copy
import ipaddress
from typing import Any, Final

from lab_helpers.policy.configs import Version
from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.allocating import IDENTITIES
from lab_helpers.twin.agent.logs import AgentLog
from lab_helpers.twin.agent.publishing import ENDPOINTS, NODES
from lab_helpers.twin.agent.validating import VALIDATED, validate
from lab_helpers.twin.clock import Timer
from lab_helpers.twin.datapath.settings import ConfigError, Settings
from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.storage import Change

__all__ = ["NOT_READY_TAINT", "REQUIRED_KINDS", "Operator", "read_config"]

NOT_READY_TAINT: Final = "node.cilium.io/agent-not-ready"
REQUIRED_KINDS: Final = (NODES, ENDPOINTS, IDENTITIES, *VALIDATED, "ciliumcidrgroups.cilium.io")
IDENTITY_GC: Final = 900.0
IDENTITY_LIFETIME: Final = 1800.0
ENDPOINT_GC: Final = 300.0
RENEWAL: Final = 2.0
"""Seconds between two renewals of the leader's lease (``leader-election-retry-period``)."""
_LEASE: Final = "cilium-operator-resource-lock"
_CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
_SCHEMA_LABEL: Final = "io.cilium.k8s.crd.schema.version"
_WATCHED: Final = (NODES, "nodes", *VALIDATED, _CRDS)
"""And the pods of kube-system."""


def read_config(agents: Agents) -> dict[str, str]:
    """The data of ConfigMap kube-system/cilium-config. Raises LookupError when it is absent."""
    found = agents.registry.find("configmaps", "cilium-config", "kube-system")
    if found is None:
        raise LookupError('configmaps "cilium-config" not found')
    return {key: str(value) for key, value in (found.get("data") or {}).items()}


class Operator:
    """The work of the leading replica. ``lead()`` runs until it is cancelled."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents
        self._registry = agents.registry
        self._clock = agents.clock
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._changed: set[str] = set()
        """Resources that changed since the last look."""
        self._leading = False
        self._unused: dict[str, float] = {}
        self._validated: dict[str, str] = {}
        """Resource version of each policy, by uid, when its condition was found right."""
        self._log = AgentLog(agents.clock)
        self._settings = Settings()
        self._registry.listen(self._notice)

    async def lead(self, journal: AgentLog, holder: str, version: str) -> None:
        """Wait for the lead, then work. Raises ConfigError or LookupError when the configuration is unusable."""
        settings = Settings.from_config_map(read_config(self._agents), version=Version.of(version))
        journal.info(f"attempting to acquire leader lease kube-system/{_LEASE}...")
        async with self._lock:
            self._log, self._settings = journal, settings
            self._validated.clear()
            self._take_lease(holder)
            journal.info(f"successfully acquired lease kube-system/{_LEASE}")
            journal.info("Leading the operator HA deployment")
            self._create_crds(version)
            self._leading = True
            timers = [
                self._every(RENEWAL, lambda: self._renew_lease(holder), steady=True),
                self._every(IDENTITY_GC, self._collect_identities),
                self._every(ENDPOINT_GC, self._collect_endpoints),
            ]
            try:
                self._changed = {*_WATCHED, "pods"}
                while True:
                    self._wake.clear()
                    self._work()
                    await self._wake.wait()
                    await asyncio.sleep(0)
            finally:
                self._leading = False
                for timer in timers:
                    timer[0].cancel()

    def _every(self, interval: float, work: Any, *, steady: bool = False) -> list[Timer]:
        timer: list[Timer] = []

        def run() -> None:
            if self._leading:
                timer[0] = self._clock.call_later(self._clock.pace(interval) if steady else interval, run)
                work()

        timer.append(self._clock.call_later(interval, run))
        return timer

    def _notice(self, change: Change) -> None:
        key = change.key
        if self._leading and (key.resource in _WATCHED or (key.resource == "pods" and key.namespace == "kube-system")):
            self._changed.add(key.resource)
            self._wake.set()

    def _take_lease(self, holder: str) -> None:
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "acquireTime": now, "renewTime": now}
        present = self._registry.find("leases.coordination.k8s.io", _LEASE, "kube-system")
        if present is None:
            body = {"metadata": {"name": _LEASE, "namespace": "kube-system"}, "spec": {**spec, "leaseTransitions": 0}}
            self._registry.create("leases.coordination.k8s.io", body)
            return
        draft = copy.deepcopy(present)
        moves = int((draft.get("spec") or {}).get("leaseTransitions") or 0)
        draft["spec"] = {**spec, "leaseTransitions": moves + 1}
        self._registry.update("leases.coordination.k8s.io", draft)

    def _renew_lease(self, holder: str) -> None:
        present = self._registry.find("leases.coordination.k8s.io", _LEASE, "kube-system")
        if present is None or (present.get("spec") or {}).get("holderIdentity") != holder:
            self._take_lease(holder)
            return
        draft = copy.deepcopy(present)
        draft["spec"]["renewTime"] = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._registry.update("leases.coordination.k8s.io", draft)

    def _create_crds(self, version: str) -> None:
        from lab_helpers.twin.api.crds.cilium import cilium_crds

        for crd in cilium_crds(version):
            name = crd["metadata"]["name"]
            present = self._registry.find(_CRDS, name)
            if present is None:
                self._log.info("Creating CRD (CustomResourceDefinition)...", name=name)
                self._registry.create(_CRDS, crd)
            elif _schema_version(present) < _schema_version(crd):
                self._log.info("Updating CRD (CustomResourceDefinition)...", name=name)
                draft = self._registry.draft(_CRDS, name)
                draft["metadata"].setdefault("labels", {}).update(crd["metadata"]["labels"])
                draft["spec"] = {**draft["spec"], **crd["spec"]}
                self._registry.update(_CRDS, draft)
            else:
                continue
            self._log.info("CRD (CustomResourceDefinition) is installed and up-to-date", name=name)

    # --- what changed ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        changed, self._changed = self._changed, set()
        kinds = self._registry.kinds
        if kinds.get(NODES) is not None and not changed.isdisjoint((NODES, "nodes", _CRDS)):
            self._allocate_cidrs()
        for resource in VALIDATED:
            if kinds.get(resource) is not None and not changed.isdisjoint((resource, _CRDS)):
                self._validate(resource)
        if not changed.isdisjoint(("nodes", "pods")):
            self._mark_nodes()

    def _validate(self, resource: str) -> None:
        for obj in self._registry.list(resource):
            metadata = obj["metadata"]
            if self._validated.get(metadata["uid"]) == metadata["resourceVersion"]:
                continue
            judged = validate(self._registry, self._agents.policies, resource, obj, self._settings.policy)
            if judged is not obj:
                self._log.info("Validated policy", resource=resource, name=metadata["name"])
            self._validated[metadata["uid"]] = judged["metadata"]["resourceVersion"]

    def _allocate_cidrs(self) -> None:
        if self._settings.ipam not in ("cluster-pool", "cluster-pool-v2beta"):
            return
        pool = ipaddress.IPv4Network(self._settings.pool)
        nodes = self._registry.list(NODES)
        used = {cidr for node in nodes for cidr in _cidrs(node)}
        order = [node["metadata"]["name"] for node in self._registry.list("nodes")]
        for node in nodes:
            if _cidrs(node):
                continue
            name = node["metadata"]["name"]
            cidr = _free(pool, self._settings.pool_mask, used, order.index(name) if name in order else 0)
            draft = copy.deepcopy(node)
            if cidr is None:
                draft.setdefault("status", {})["ipam"] = {"operator-status": {"error": "no available cidr in the pool"}}
                self._log.error("Unable to allocate a pod CIDR", nodeName=name, error="allocator full")
                self._registry.update(NODES, draft, subresource="status")
                continue
            used.add(cidr)
            draft["spec"].setdefault("ipam", {})["podCIDRs"] = [cidr]
            self._registry.update(NODES, draft)
            self._log.info("Allocated pod CIDR", nodeName=name, podCIDR=cidr)

    def _mark_nodes(self) -> None:
        """Nodes whose agent pod is ready: no taint, and the condition that says so."""
        ready = {
            pod["spec"].get("nodeName")
            for pod in self._registry.list("pods", "kube-system", "k8s-app=cilium")
            if any(
                item.get("type") == "Ready" and item.get("status") == "True"
                for item in (pod.get("status") or {}).get("conditions") or ()
            )
        }
        for node in self._registry.list("nodes"):
            name = node["metadata"]["name"]
            if name not in ready:
                continue
            taints = (node.get("spec") or {}).get("taints") or []
            if any(taint.get("key") == NOT_READY_TAINT for taint in taints):
                draft = copy.deepcopy(node)
                left = [taint for taint in taints if taint.get("key") != NOT_READY_TAINT]
                draft["spec"]["taints"] = left
                if not left:
                    del draft["spec"]["taints"]
                node = self._registry.update("nodes", draft)
                self._log.info("Removed Node taint", nodeName=name, taint=NOT_READY_TAINT)
            conditions = (node.get("status") or {}).get("conditions") or []
            if any(
                item.get("type") == "NetworkUnavailable" and item.get("reason") == "CiliumIsUp" for item in conditions
            ):
                continue
            now = self._clock.timestamp()
            draft = copy.deepcopy(node)
            up = {
                "type": "NetworkUnavailable",
                "status": "False",
                "reason": "CiliumIsUp",
                "message": "Cilium is running on this node",
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            }
            others = [item for item in conditions if item.get("type") != "NetworkUnavailable"]
            draft.setdefault("status", {})["conditions"] = [up, *others]
            self._registry.update("nodes", draft, subresource="status")
            self._log.info(
                "Set node condition", nodeName=name, condition="NetworkUnavailable=False", reason="CiliumIsUp"
            )

    # --- garbage --------------------------------------------------------------------------------------------

    def _collect_identities(self) -> None:
        """Identities that no endpoint has used for the heartbeat timeout."""
        if self._registry.kinds.get(IDENTITIES) is None:
            return
        used = {
            str(((item.get("status") or {}).get("identity") or {}).get("id")) for item in self._registry.list(ENDPOINTS)
        }
        now = self._clock.monotonic()
        for obj in self._registry.list(IDENTITIES):
            name = obj["metadata"]["name"]
            if name in used:
                self._unused.pop(name, None)
                continue
            since = self._unused.setdefault(name, now)
            if now - since >= IDENTITY_LIFETIME:
                del self._unused[name]
                self._delete(IDENTITIES, name, "")
                self._log.info("Garbage collected identity", identity=name)

    def _collect_endpoints(self) -> None:
        """CiliumEndpoints whose pod is gone."""
        if self._registry.kinds.get(ENDPOINTS) is None:
            return
        for obj in self._registry.list(ENDPOINTS):
            metadata = obj["metadata"]
            if self._registry.find("pods", metadata["name"], metadata["namespace"]) is None:
                self._delete(ENDPOINTS, metadata["name"], metadata["namespace"])

    def _delete(self, resource: str, name: str, namespace: str) -> None:
        try:
            self._registry.delete(resource, name, namespace)
        except StatusError as error:
            self._log.warning("Unable to delete", resource=resource, name=name, error=error.message)


def _schema_version(crd: dict[str, Any]) -> list[int]:
    """Of a definition's label, for comparison: as in Cilium, only an older definition is replaced."""
    text = str((crd["metadata"].get("labels") or {}).get(_SCHEMA_LABEL, ""))
    return [int(part) for part in text.split(".") if part.isdigit()]


def _cidrs(node: dict[str, Any]) -> list[str]:
    return list(((node.get("spec") or {}).get("ipam") or {}).get("podCIDRs") or [])


def _free(pool: ipaddress.IPv4Network, mask: int, used: set[str], wanted: int) -> str | None:
    """The subnet with the node's own number if it is free, else the first free one."""
    size = 1 << (32 - mask)
    count = pool.num_addresses // size
    for number in (wanted, *range(min(count, 65536))):
        if number < count:
            cidr = f"{ipaddress.IPv4Address(int(pool.network_address) + number * size)}/{mask}"
            if cidr not in used:
                return cidr
    return None


__all__ += ["ConfigError"]
