"""Policies from the API server into an agent's repository.

Follows Cilium pkg/policy/k8s: what does not parse is logged and not imported, so traffic behaves as if the object
did not exist; when an update does not parse, what was imported before stays.
"""

from __future__ import annotations

from typing import Any, Final

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.errors import PolicyEngineError
from lab_helpers.policy.parsing import parse, provenance
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.rules import ParsedPolicy, PolicyRef
from lab_helpers.twin.agent.logs import AgentLog
from lab_helpers.twin.agent.notifying import Notifier
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Change, Object

__all__ = ["POLICY_RESOURCES", "PolicyImporter", "PolicyReader"]

POLICY_RESOURCES: Final = {
    "ciliumnetworkpolicies.cilium.io": "CiliumNetworkPolicy",
    "ciliumclusterwidenetworkpolicies.cilium.io": "CiliumClusterwideNetworkPolicy",
    "networkpolicies.networking.k8s.io": "NetworkPolicy",
    "ciliumcidrgroups.cilium.io": "CiliumCIDRGroup",
    "clusternetworkpolicies.policy.networking.k8s.io": "ClusterNetworkPolicy",
}


class PolicyReader:
    """Reads a policy object once for all who ask for it: what it means depends on the object and the configuration
    alone. The cluster's agents and its operator share one.
    """

    def __init__(self) -> None:
        self._known: dict[PolicyRef, tuple[Object, PolicyConfig, ParsedPolicy]] = {}

    def read(self, kind: str, obj: Object, config: PolicyConfig) -> ParsedPolicy:
        """The policy of an object. Raises PolicyEngineError."""
        ref = PolicyRef(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        known = self._known.get(ref)
        if known is not None and known[1] == config and _meaning(known[0]) == _meaning(obj):
            return known[2]
        policy = parse({**obj, "kind": kind}, config)
        self._known[ref] = obj, config, policy
        return policy

    def forget(self, change: Change) -> None:
        """An object was deleted."""
        kind = POLICY_RESOURCES.get(change.key.resource)
        if kind is not None:
            self._known.pop(PolicyRef(kind, change.key.namespace, change.key.name), None)


class PolicyImporter:
    """Keeps ``repository`` in step with the policy objects; ``network_policies``: ``enable-k8s-networkpolicy``."""

    def __init__(
        self,
        repository: Repository,
        config: PolicyConfig,
        log: AgentLog,
        reader: PolicyReader,
        *,
        network_policies: bool = True,
        notifier: Notifier | None = None,
    ) -> None:
        self._repository = repository
        self._config = config
        self._log = log
        self._reader = reader
        self._notifier = notifier
        self.changes = {"success": 0, "fail": 0}
        """Policy changes by outcome."""
        self._kinds = dict(POLICY_RESOURCES)
        if not network_policies:
            del self._kinds["networkpolicies.networking.k8s.io"]
        if not config.cluster_network_policy:
            del self._kinds["clusternetworkpolicies.policy.networking.k8s.io"]

    def load(self, registry: Registry) -> None:
        """Import everything there is (the agent starts)."""
        for resource, kind in self._kinds.items():
            if registry.kinds.get(resource) is None:
                continue
            for obj in registry.list(resource):
                self._upsert(kind, obj)

    def take(self, change: Change) -> bool:
        """Follow one change; True when the repository changed."""
        kind = self._kinds.get(change.key.resource)
        if kind is None:
            return False
        if change.type == "DELETED":
            before = self._repository.revision
            after = self._repository.remove(PolicyRef(kind, change.key.namespace, change.key.name))
            if after != before:
                self.changes["success"] += 1
                self._log.info("Deleted policy", **_fields(kind, change.object), policyRevision=after)
                self._notify(kind, change.object, after, 0, deleted=True)
            return after != before
        if change.previous is not None and _meaning(change.previous) == _meaning(change.object):
            return False
        return self._upsert(kind, change.object)

    def _upsert(self, kind: str, obj: dict[str, Any]) -> bool:
        try:
            policy = self._reader.read(kind, obj, self._config)
        except PolicyEngineError as error:
            message = getattr(error, "message", str(error))
            self._log.warning(f"Unable to add {kind}", **_fields(kind, obj), error=message)
            self.changes["fail"] += 1
            return False
        revision = self._repository.upsert(policy)
        self.changes["success"] += 1
        self._log.info("Imported policy", **_fields(kind, obj), policyRevision=revision, rules=len(policy.rules))
        self._notify(kind, obj, revision, len(policy.rules), deleted=False)
        for notice in policy.warnings:
            self._log.warning(notice.message, **_fields(kind, obj), field=notice.path)
        return True

    def _notify(self, kind: str, obj: dict[str, Any], revision: int, rules: int, *, deleted: bool) -> None:
        if self._notifier is None:
            return
        metadata = obj["metadata"]
        labels = provenance(kind, metadata.get("namespace", ""), metadata["name"], metadata.get("uid", ""))
        self._notifier.policy(list(map(str, labels)), revision, rules, deleted=deleted)


def _fields(kind: str, obj: dict[str, Any]) -> dict[str, object]:
    metadata = obj["metadata"]
    fields: dict[str, object] = {"kind": kind, "name": metadata["name"]}
    if metadata.get("namespace"):
        fields["k8sNamespace"] = metadata["namespace"]
    return fields


def _meaning(obj: dict[str, Any]) -> tuple[object, ...]:
    metadata = obj["metadata"]
    return obj.get("spec"), obj.get("specs"), metadata.get("labels"), metadata.get("uid")
