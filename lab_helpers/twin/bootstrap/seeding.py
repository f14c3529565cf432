"""Fills a fresh cluster, once. Afterwards only what the control plane itself always restores is put back.

What a learner deleted (CoreDNS, a role) stays deleted after a restart, as on a real cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_helpers.twin.bootstrap.dns import dns_objects
from lab_helpers.twin.bootstrap.nodes import NODES, NodeSpec, node_bodies, not_ready
from lab_helpers.twin.bootstrap.roles import role_objects
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["seed"]

DONE = "bootstrap.done"
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
API_SERVICE_IP = "10.96.0.1"
API_PORT = 6443


def seed(registry: Registry, nodes: Sequence[NodeSpec] = NODES) -> bool:
    """Create the cluster's objects. Returns True when it was fresh; a second call restores only the indispensable."""
    for name in NAMESPACES:
        _ensure(registry, "namespaces", {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}})
        found = registry.get("namespaces", name)
        if not found.get("status"):
            status = {"metadata": {"name": name}, "status": {"phase": "Active"}}
            registry.update("namespaces", status, subresource="status")
    for resource, body in _api_service(nodes[0].ip):
        _ensure(registry, resource, body)
    if registry.storage.fact(DONE):
        return False
    for spec in nodes:
        body, status = node_bodies(spec)
        if _ensure(registry, "nodes", body):
            conditions = [not_ready(registry.clock.timestamp())]
            body = {"metadata": {"name": spec.name}, "status": {**status, "conditions": conditions}}
            registry.update("nodes", body, subresource="status")
    for resource, body in [*_priorities(), *role_objects(), *dns_objects()]:
        _ensure(registry, resource, body)
    registry.storage.set_fact(DONE, registry.clock.timestamp())
    return True


def _ensure(registry: Registry, resource: str, body: Object) -> bool:
    metadata = body["metadata"]
    namespace = metadata.get("namespace", "")
    if registry.find(resource, metadata["name"], namespace) is not None:
        return False
    registry.create(resource, body, namespace)
    return True


def _api_service(ip: str) -> list[tuple[str, Object]]:
    """Service ``kubernetes`` and the endpoints that the API server itself maintains."""
    labels = {"component": "apiserver", "provider": "kubernetes"}
    spec: dict[str, Any] = {
        "clusterIP": API_SERVICE_IP,
        "clusterIPs": [API_SERVICE_IP],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": API_PORT}],
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }
    port = {"name": "https", "port": API_PORT, "protocol": "TCP"}
    mirrored = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    return [
        ("services", {"metadata": {"name": "kubernetes", "namespace": "default", "labels": labels}, "spec": spec}),
        (
            "endpoints",
            {
                "metadata": {"name": "kubernetes", "namespace": "default", "labels": mirrored},
                "subsets": [{"addresses": [{"ip": ip}], "ports": [port]}],
            },
        ),
        (
            "endpointslices.discovery.k8s.io",
            {
                "metadata": {
                    "name": "kubernetes",
                    "namespace": "default",
                    "labels": {"kubernetes.io/service-name": "kubernetes"},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": [ip], "conditions": {"ready": True}}],
                "ports": [port],
            },
        ),
    ]


def _priorities() -> list[tuple[str, Object]]:
    classes = (
        ("system-cluster-critical", 2_000_000_000, "Used for system critical pods that must run in the cluster."),
        ("system-node-critical", 2_000_001_000, "Used for system critical pods that must stay on their node."),
    )
    return [
        (
            "priorityclasses.scheduling.k8s.io",
            {
                "metadata": {"name": name},
                "value": value,
                "description": description,
                "preemptionPolicy": "PreemptLowerPriority",
            },
        )
        for name, value, description in classes
    ]
