"""The objects by which agents tell the cluster what they did: CiliumEndpoint and CiliumNode.

Follows Cilium pkg/k8s/apis/cilium.io/v2 (types.go) and pkg/endpointmanager (CEP synchronisation).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lab_helpers.policy.labels import LabelSet
from lab_helpers.twin.agent.endpoints import ManagedEndpoint
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["ENDPOINTS", "NODES", "publish_endpoint", "publish_node", "withdraw_endpoint"]

ENDPOINTS = "ciliumendpoints.cilium.io"
NODES = "ciliumnodes.cilium.io"


def publish_endpoint(registry: Registry, endpoint: ManagedEndpoint, pod: Mapping[str, Any], node_ip: str) -> None:
    """Create or update the CiliumEndpoint of a pod. One of an earlier pod of that name is replaced."""
    if registry.kinds.get(ENDPOINTS) is None:
        return
    metadata = pod["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": metadata["uid"]}
    present = registry.find(ENDPOINTS, name, namespace)
    if present is not None and (present["metadata"].get("ownerReferences") or [{}])[0].get("uid") != metadata["uid"]:
        registry.delete(ENDPOINTS, name, namespace)
        present = None
    labels = dict(metadata.get("labels") or {})
    status = endpoint_status(endpoint, endpoint.labels, node_ip)
    if present is None:
        body = {
            "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [owner]},
            "status": status,
        }
        present = registry.create(ENDPOINTS, body)
    elif (present["metadata"].get("labels") or {}) != labels:
        draft = copy.deepcopy(present)
        draft["metadata"]["labels"] = labels
        present = registry.update(ENDPOINTS, draft)
    if present.get("status") != status:
        draft = copy.deepcopy(present)
        draft["status"] = status
        kind = registry.kinds[ENDPOINTS]
        registry.update(ENDPOINTS, draft, subresource="status" if kind.has_status else "")


def endpoint_status(endpoint: ManagedEndpoint, labels: LabelSet, node_ip: str) -> dict[str, Any]:
    """The ``status`` of a CiliumEndpoint."""
    datapath = endpoint.datapath
    disabled = "<status disabled>"  # the agent's default: policy is not reported here
    status: dict[str, Any] = {
        "encryption": {},
        "external-identifiers": {
            "cni-attachment-id": f"{endpoint.container_id}:eth0",
            "container-id": endpoint.container_id,
            "k8s-namespace": datapath.namespace,
            "k8s-pod-name": datapath.pod,
            "pod-name": f"{datapath.namespace}/{datapath.pod}",
        },
        "id": datapath.id,
        "identity": {"id": datapath.identity, "labels": list(labels.strings())},
        "networking": {"addressing": [{"ipv4": datapath.ip}], "node": node_ip},
        "policy": {
            "egress": {"enforcing": False, "state": disabled},
            "ingress": {"enforcing": False, "state": disabled},
        },
        "state": endpoint.state.value,
    }
    if endpoint.service_account:
        status["service-account"] = endpoint.service_account
    if endpoint.named_ports:
        status["named-ports"] = [
            {"name": port.name, "port": port.port, "protocol": port.protocol} for port in endpoint.named_ports
        ]
    return status


def withdraw_endpoint(registry: Registry, namespace: str, name: str, uid: str) -> None:
    """Delete the CiliumEndpoint of a pod, unless it belongs to another incarnation."""
    if registry.kinds.get(ENDPOINTS) is None:
        return
    present = registry.find(ENDPOINTS, name, namespace)
    if present is None:
        return
    owners = present["metadata"].get("ownerReferences") or []
    if owners and owners[0].get("uid") != uid:
        return
    registry.delete(ENDPOINTS, name, namespace)


def publish_node(registry: Registry, node: Object, node_ip: str, *, router: str, health: str) -> Object:
    """Create the CiliumNode of a node, or bring its addresses up to date; returns it."""
    metadata = node["metadata"]
    name = metadata["name"]
    addresses = [{"ip": node_ip, "type": "InternalIP"}]
    if router:
        addresses.append({"ip": router, "type": "CiliumInternalIP"})
    present = registry.find(NODES, name)
    if present is None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": metadata["uid"]}
        body = {
            "metadata": {"name": name, "labels": dict(metadata.get("labels") or {}), "ownerReferences": [owner]},
            "spec": {
                "addresses": addresses,
                "alibaba-cloud": {},
                "azure": {},
                "bootid": metadata["uid"],
                "encryption": {},
                "eni": {},
                "health": {},
                "ingress": {},
                "ipam": {"podCIDRs": []},
            },
        }
        return registry.create(NODES, body)
    draft = copy.deepcopy(present)
    draft["spec"]["addresses"] = addresses
    draft["spec"]["health"] = {"ipv4": health} if health else {}
    return registry.update(NODES, draft)
