"""Static pods: a kubelet runs them without an API server and mirrors them as Pod objects (kubernetes
pkg/kubelet/pod/mirror_client.go).

A mirror pod that is deleted comes back, with a new uid.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["MIRROR", "StaticPods"]

MIRROR = "kubernetes.io/config.mirror"


class StaticPods:
    """The manifests in the nodes' ``/etc/kubernetes/manifests``: full Pod bodies with ``spec.nodeName``."""

    def __init__(self, manifests: Iterable[Object] = ()) -> None:
        self._manifests = [copy.deepcopy(item) for item in manifests]

    def mirror(self, registry: Registry, node: str) -> None:
        """Create the mirror pods of ``node`` that are missing."""
        owner = registry.find("nodes", node)
        if owner is None:
            return
        for manifest in self._manifests:
            metadata = manifest["metadata"]
            if manifest["spec"]["nodeName"] != node or registry.find("pods", metadata["name"], metadata["namespace"]):
                continue
            reference = {
                "apiVersion": "v1",
                "kind": "Node",
                "name": node,
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
            body = {**manifest, "metadata": {**metadata, "ownerReferences": [reference]}}
            registry.create("pods", body, metadata["namespace"])

    def owns(self, pod: Object) -> bool:
        """Is this the mirror of a static pod?"""
        return MIRROR in (pod["metadata"].get("annotations") or {})
