"""What every namespace has: ServiceAccount ``default`` and ConfigMap ``kube-root-ca.crt``.

Follows kubernetes pkg/controller/serviceaccount and pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from lab_helpers.twin.controllers.controlling import Controller, Parts
from lab_helpers.twin.objects.storage import Change, Key

__all__ = ["NamespaceDefaults"]

ROOT_CA = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class NamespaceDefaults(Controller):
    """Makes them, and makes them again when somebody deletes them."""

    name = "serviceaccount-controller"
    primary = "namespaces"
    watches = frozenset({"namespaces", "serviceaccounts", "configmaps"})

    def __init__(self, parts: Parts, root_ca: str) -> None:
        super().__init__(parts)
        self._root_ca = root_ca

    def observe(self, change: Change) -> None:
        """A new namespace, or one of the two objects gone or changed."""
        resource, namespace, name = change.key
        if resource == "namespaces":
            wanted = change.type == "ADDED"
            namespace = name
        elif resource == "serviceaccounts":
            wanted = change.type == "DELETED" and name == "default"
        else:
            wanted = change.type != "ADDED" and name == ROOT_CA
        if wanted:
            self.enqueue(Key("namespaces", "", namespace))

    def reconcile(self, key: Key) -> None:
        """Create or correct what is missing or wrong."""
        namespace = self.registry.find("namespaces", key.name)
        if namespace is None or namespace["metadata"].get("deletionTimestamp"):
            return
        if self.registry.find("serviceaccounts", "default", key.name) is None:
            self.registry.create("serviceaccounts", {"metadata": {"name": "default"}}, key.name)
        data = {"ca.crt": self._root_ca}
        found = self.registry.find("configmaps", ROOT_CA, key.name)
        if found is None:
            metadata = {"name": ROOT_CA, "annotations": {"kubernetes.io/description": DESCRIPTION}}
            self.registry.create("configmaps", {"metadata": metadata, "data": data}, key.name)
        elif found.get("data") != data:
            self.registry.update("configmaps", {**found, "data": data})
