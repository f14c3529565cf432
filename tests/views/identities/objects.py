"""Objects of a small cluster, made by hand."""

from __future__ import annotations

from typing import Any

from lab_helpers.views.identities.snapshots import AgentIdentity, Snapshot

NODE = "172.18.0.3"


def labels_of(namespace: str, pod_labels: dict[str, str]) -> list[str]:
    return sorted(
        [
            *(f"k8s:{key}={value}" for key, value in pod_labels.items()),
            f"k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name={namespace}",
            "k8s:io.cilium.k8s.policy.cluster=default",
            "k8s:io.cilium.k8s.policy.serviceaccount=default",
            f"k8s:io.kubernetes.pod.namespace={namespace}",
        ]
    )


def pod(namespace: str, app: str, number: int = 1, port: int = 8080, **labels: str) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": f"{app}-5d4f8c7b9"}
    return {
        "kind": "Pod",
        "metadata": {
            "namespace": namespace,
            "name": f"{app}-{number}",
            "labels": {"app": app, "pod-template-hash": "5d4f8c7b9", **labels},
            "ownerReferences": [owner],
        },
        "spec": {"nodeName": "worker", "containers": [{"ports": [{"containerPort": port}]}]},
        "status": {"phase": "Running", "podIP": f"10.0.0.{number}"},
    }


def endpoint(
    namespace: str, app: str, identity: int, number: int = 1, address: str = "", **labels: str
) -> dict[str, Any]:
    return {
        "kind": "CiliumEndpoint",
        "metadata": {
            "namespace": namespace,
            "name": f"{app}-{number}",
            "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "status": {
            "identity": {"id": identity, "labels": labels_of(namespace, {"app": app, **labels})},
            "networking": {"addressing": [{"ipv4": address or f"10.0.0.{number}"}], "node": NODE},
        },
    }


def identity(number: int, namespace: str, **labels: str) -> dict[str, Any]:
    pairs = dict(text.split("=", 1) for text in labels_of(namespace, labels))
    return {"kind": "CiliumIdentity", "metadata": {"name": str(number)}, "security-labels": pairs}


POLICY = {
    "apiVersion": "cilium.io/v2",
    "kind": "CiliumNetworkPolicy",
    "metadata": {"name": "backend-in", "namespace": "shop"},
    "spec": {
        "endpointSelector": {"matchLabels": {"app": "backend"}},
        "ingress": [
            {
                "fromEndpoints": [{"matchLabels": {"app": "frontend"}}],
                "toPorts": [{"ports": [{"port": "8080", "protocol": "TCP"}]}],
            }
        ],
    },
}
SERVICE = {
    "kind": "Service",
    "metadata": {"name": "backend", "namespace": "shop"},
    "spec": {"selector": {"app": "backend"}, "ports": [{"port": 8080}]},
}
SHOP = Snapshot(
    objects=(
        {"kind": "Namespace", "metadata": {"name": "shop", "labels": {}}},
        {"kind": "Namespace", "metadata": {"name": "dev", "labels": {}}},
        {
            "kind": "Node",
            "metadata": {"name": "worker"},
            "status": {"addresses": [{"type": "InternalIP", "address": NODE}]},
        },
        pod("shop", "frontend", 1),
        pod("shop", "backend", 2),
        pod("shop", "backend", 3),
        pod("dev", "intruder", 4),
        endpoint("shop", "frontend", 1001, 1),
        endpoint("shop", "backend", 1002, 2),
        endpoint("shop", "backend", 1002, 3),
        endpoint("dev", "intruder", 2001, 4),
        identity(1001, "shop", app="frontend"),
        identity(1002, "shop", app="backend"),
        identity(1003, "shop", app="gone"),
        identity(2001, "dev", app="intruder"),
        POLICY,
        SERVICE,
        {
            "kind": "ReplicaSet",
            "metadata": {"name": "backend-5d4f8c7b9", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "backend", "pod-template-hash": "5d4f8c7b9"}}},
        },
    ),
    agents=(
        AgentIdentity("worker", 16777217, ("cidr:192.0.2.0/24", "reserved:world")),
        AgentIdentity("worker2", 16777217, ("fqdn:api.stripe.com", "reserved:world")),
    ),
)
