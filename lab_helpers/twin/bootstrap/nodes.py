"""The nodes of a fresh cluster, as kind makes them."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from lab_helpers.twin.objects.storage import Object

__all__ = ["CLUSTER", "KUBERNETES", "NODES", "NodeSpec", "node_bodies", "node_specs", "not_ready"]

CLUSTER = "cilium-labs"
KUBERNETES = "v1.34.2"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
NOT_READY = "node.kubernetes.io/not-ready"
_NAMESPACE = uuid.UUID("5b7c2b8e-7f0e-4b5e-9c57-6a1c2f0d9e11")


class NodeSpec(NamedTuple):
    """One node: its name, its address in kind's Docker network, its (unused) podCIDR, and whether it is the control
    plane."""

    name: str
    ip: str
    pod_cidr: str
    control_plane: bool


def node_specs(workers: int) -> tuple[NodeSpec, ...]:
    """One control plane and ``workers`` workers (at most 200)."""
    suffixes = ["control-plane", "worker", *(f"worker{number}" for number in range(2, workers + 1))]
    names = [f"{CLUSTER}-{suffix}" for suffix in suffixes[: workers + 1]]
    return tuple(
        NodeSpec(name, f"172.18.0.{position + 2}", f"10.244.{position}.0/24", position == 0)
        for position, name in enumerate(names)
    )


NODES = node_specs(2)


def node_bodies(spec: NodeSpec) -> tuple[Object, dict[str, Any]]:
    """The Node as the kubelet registers it, and its status without conditions."""
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
    }
    taints = [{"key": NOT_READY, "effect": "NoSchedule"}]
    if spec.control_plane:
        labels |= {CONTROL_PLANE: "", "node.kubernetes.io/exclude-from-external-load-balancers": ""}
        taints.insert(0, {"key": CONTROL_PLANE, "effect": "NoSchedule"})
    body = {
        "metadata": {
            "name": spec.name,
            "labels": labels,
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
        },
        "spec": {
            "podCIDR": spec.pod_cidr,
            "podCIDRs": [spec.pod_cidr],
            "providerID": f"kind://docker/{CLUSTER}/{spec.name}",
            "taints": taints,
        },
    }
    room = {
        "cpu": "8",
        "ephemeral-storage": "102350Mi",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": "16384Mi",
        "pods": "110",
    }
    machine = uuid.uuid5(_NAMESPACE, spec.name)
    status = {
        "addresses": [{"address": spec.ip, "type": "InternalIP"}, {"address": spec.name, "type": "Hostname"}],
        "allocatable": room,
        "capacity": room,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": str(uuid.uuid5(machine, "boot")),
            "containerRuntimeVersion": "containerd://2.1.4",
            "kernelVersion": "6.8.0-49-generic",
            "kubeProxyVersion": "",
            "kubeletVersion": KUBERNETES,
            "machineID": machine.hex,
            "operatingSystem": "linux",
            "osImage": "Debian GNU/Linux 12 (bookworm)",
            "systemUUID": str(uuid.uuid5(machine, "system")),
        },
    }
    return body, status


def not_ready(now: str) -> dict[str, Any]:
    """The condition of a node that has just joined a cluster without a network; from then on it is the kubelet's."""
    return {
        "type": "Ready",
        "status": "False",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
        "reason": "KubeletNotReady",
        "message": "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
        "message:Network plugin returns error: cni plugin not initialized",
    }
