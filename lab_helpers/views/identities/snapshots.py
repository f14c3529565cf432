"""The objects an identity catalogue is made from, as they were read at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.inventories import Inventory, Object, build_inventory
from lab_helpers.policy.pod_labels import DEFAULT_FILTER, LabelFilter

__all__ = ["AgentIdentity", "Snapshot", "called"]


class AgentIdentity(NamedTuple):
    """An identity as one agent lists it. Numbers of addresses outside mean something on ``node`` only."""

    node: str
    numeric: int
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``objects`` are Kubernetes objects of any kind; ``agents`` what the agents themselves list.

    ``notes`` say what could not be read, and why. ``label_filter`` is the agents' setting ``labels``.
    """

    objects: tuple[Mapping[str, Any], ...] = ()
    config: PolicyConfig = field(default_factory=PolicyConfig)
    label_filter: LabelFilter = DEFAULT_FILTER
    agents: tuple[AgentIdentity, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, kind: str) -> tuple[Mapping[str, Any], ...]:
        """The objects of a kind."""
        return tuple(item for item in self.objects if item.get("kind") == kind)

    def with_endpoints(self, endpoints: Mapping[str, Mapping[str, Any]]) -> Snapshot:
        """The same with these CiliumEndpoints (by ``namespace/name``), such as a watch has told of since. Pods whose
        endpoint is gone are gone, too.
        """
        before = {called(item) for item in self.of("CiliumEndpoint")}
        gone = before - endpoints.keys()
        kept = (
            item
            for item in self.objects
            if item.get("kind") != "CiliumEndpoint" and not (item.get("kind") == "Pod" and called(item) in gone)
        )
        told = ({**item, "kind": "CiliumEndpoint"} for item in endpoints.values())
        return replace(self, objects=(*kept, *told))

    def inventory(self) -> Inventory:
        """The same as the policy engine sees it."""
        objects = (Object(item) for item in self.objects if item.get("kind") != "ReplicaSet")
        return build_inventory(objects, self.config, label_filter=self.label_filter)


def called(item: Mapping[str, Any]) -> str:
    """``namespace/name`` of an object."""
    metadata = item.get("metadata") or {}
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
