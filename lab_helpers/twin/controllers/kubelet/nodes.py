"""What a kubelet says about its node: addresses, capacity, versions, conditions, and the lease that shows it is alive.

Follows kubernetes pkg/kubelet/nodestatus/setters.go.
"""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.controllers.pods import condition, moment
from lab_helpers.twin.interfaces import NetworkReadiness
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["HEARTBEAT", "network_not_ready", "node_status", "renew_lease"]

HEARTBEAT = 10.0
"""Seconds between two renewals of the lease."""
REPORT = 300.0
"""Seconds between two reports of an unchanged node status."""

_FINE = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def network_not_ready(readiness: NetworkReadiness) -> str:
    """The container runtime's words for a node without a network."""
    return (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
        f"message:Network plugin returns error: {readiness.message}"
    )


def node_status(node: Object, readiness: NetworkReadiness, clock: Clock) -> dict[str, Any]:
    """The status with conditions as they are now; everything else is kept. Heartbeats move at most every five
    minutes."""
    status = dict(node.get("status") or {})
    wanted = [(name, "False", reason, message) for name, reason, message in _FINE]
    if readiness.ready:
        wanted.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
    else:
        wanted.append(("Ready", "False", "KubeletNotReady", network_not_ready(readiness)))
    changed = any(not _same(condition(node, name), value, reason, message) for name, value, reason, message in wanted)
    now = clock.now()
    heartbeats = [item["lastHeartbeatTime"] for item in status.get("conditions") or () if item.get("lastHeartbeatTime")]
    due = not heartbeats or (now - moment(max(heartbeats))).total_seconds() >= REPORT
    if not changed and not due:
        return status
    foreign = [item for item in status.get("conditions") or () if item["type"] not in {name for name, *_ in wanted}]
    status["conditions"] = [*foreign, *(_condition(node, clock, *item) for item in wanted)]
    return status


def _same(found: dict[str, Any] | None, value: str, reason: str, message: str) -> bool:
    return found is not None and (found["status"], found["reason"], found["message"]) == (value, reason, message)


def _condition(node: Object, clock: Clock, name: str, value: str, reason: str, message: str) -> dict[str, Any]:
    before = condition(node, name)
    kept = before is not None and before["status"] == value
    return {
        "type": name,
        "status": value,
        "lastHeartbeatTime": clock.timestamp(),
        "lastTransitionTime": before["lastTransitionTime"] if before is not None and kept else clock.timestamp(),
        "reason": reason,
        "message": message,
    }


def renew_lease(registry: Registry, node: Object, clock: Clock) -> None:
    """Move ``renewTime`` of the node's Lease in kube-node-lease; make the lease if it is missing."""
    name = node["metadata"]["name"]
    renewed = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if registry.find("namespaces", "kube-node-lease") is None:
        return
    if registry.find("leases.coordination.k8s.io", name, "kube-node-lease") is None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
        body = {
            "metadata": {"name": name, "namespace": "kube-node-lease", "ownerReferences": [owner]},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed},
        }
        registry.create("leases.coordination.k8s.io", body, "kube-node-lease")
        return
    draft = registry.draft("leases.coordination.k8s.io", name, "kube-node-lease")
    draft["spec"]["renewTime"] = renewed
    registry.update("leases.coordination.k8s.io", draft)
