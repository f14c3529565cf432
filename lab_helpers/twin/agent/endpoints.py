"""Endpoints as the agent manages them: identity, state, log, realized policy.

Follows Cilium pkg/endpoint. The part that BPF programs need is ``datapath.tables.Endpoint``; this wraps it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from lab_helpers.policy.identities import NamedPort
from lab_helpers.policy.labels import LabelSet
from lab_helpers.twin.datapath.tables import Endpoint

__all__ = ["EndpointState", "LogEntry", "ManagedEndpoint", "named_ports", "workload_of"]


class EndpointState(StrEnum):
    """As ``cilium-dbg endpoint list`` and CiliumEndpoint show them."""

    CREATING = "creating"
    WAITING_FOR_IDENTITY = "waiting-for-identity"
    NOT_READY = "not-ready"
    WAITING_TO_REGENERATE = "waiting-to-regenerate"
    REGENERATING = "regenerating"
    RESTORING = "restoring"
    READY = "ready"
    DISCONNECTED = "disconnected"


class LogEntry(NamedTuple):
    """One line of ``cilium-dbg endpoint log``."""

    timestamp: str
    code: str
    state: str
    message: str


@dataclass(slots=True, eq=False)
class ManagedEndpoint:
    """``uid`` of the pod ("" for host, health, ingress). ``labels`` make the identity, ``information`` do not."""

    datapath: Endpoint
    labels: LabelSet
    information: LabelSet = field(default_factory=LabelSet)
    uid: str = ""
    kind: str = "pod"
    container_id: str = ""
    named_ports: tuple[NamedPort, ...] = ()
    service_account: str = ""
    state: EndpointState = EndpointState.CREATING
    log: deque[LogEntry] = field(default_factory=lambda: deque(maxlen=128))
    created: str = ""
    regenerations: int = 0

    @property
    def id(self) -> int:
        """The agent-local id."""
        return self.datapath.id

    @property
    def name(self) -> str:
        """``namespace/pod``, or the kind of a reserved endpoint."""
        return f"{self.datapath.namespace}/{self.datapath.pod}" if self.datapath.pod else self.kind

    def become(self, state: EndpointState, message: str, timestamp: str) -> None:
        """Change the state and remember why."""
        self.state = state
        self.log.append(LogEntry(timestamp, "OK", state.value, message))


def named_ports(pod: Mapping[str, Any]) -> tuple[NamedPort, ...]:
    """The named container ports of a pod."""
    return tuple(
        NamedPort(str(port["name"]).lower(), int(port["containerPort"]), str(port.get("protocol") or "TCP"))
        for container in (pod.get("spec") or {}).get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("name")
    )


def workload_of(pod: Mapping[str, Any]) -> tuple[str, str] | None:
    """(name, kind) of what a pod belongs to: a ReplicaSet of a Deployment counts as the Deployment. None: stands
    alone.
    """
    metadata = pod["metadata"]
    owner = next((ref for ref in metadata.get("ownerReferences") or () if ref.get("controller")), None)
    if owner is None:
        return (metadata["name"], "Pod")
    name, kind = str(owner["name"]), str(owner["kind"])
    suffix = (metadata.get("labels") or {}).get("pod-template-hash")
    if kind == "ReplicaSet" and suffix and name.endswith(f"-{suffix}"):
        return (name[: -len(suffix) - 1], "Deployment")
    return (name, kind)
