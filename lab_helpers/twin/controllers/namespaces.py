"""The end of a namespace: its contents first, then itself (kubernetes pkg/controller/namespace).

A namespace being deleted is ``Terminating`` while ``spec.finalizers`` holds ``kubernetes``; this controller takes it
out when the namespace is empty.
"""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.controllers.controlling import Controller
from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.storage import Change, Key

__all__ = ["Namespaces"]

FIRST = ("deployments.apps", "daemonsets.apps", "statefulsets.apps", "replicasets.apps", "jobs.batch")
"""Deleted before the pods, so that nothing makes new ones."""
SLOW_CHECK = 5.0


class Namespaces(Controller):
    """Gives a new namespace its phase, empties one that is being deleted."""

    name = "namespace-controller"
    primary = "namespaces"
    watches = frozenset()

    def observe(self, change: Change) -> None:
        """A namespace; or the disappearance of something from one that ends."""
        if change.key.resource == "namespaces":
            self.enqueue(change.key)
        elif change.key.namespace and change.type != "MODIFIED":
            namespace = self.registry.find("namespaces", change.key.namespace)
            if namespace is not None and namespace["metadata"].get("deletionTimestamp"):
                self.enqueue(Key("namespaces", "", change.key.namespace))

    def reconcile(self, key: Key) -> None:
        """Delete what is left; when nothing is left, let the namespace go."""
        namespace = self.registry.find("namespaces", key.name)
        if namespace is None:
            return
        if not namespace["metadata"].get("deletionTimestamp"):
            if not (namespace.get("status") or {}).get("phase"):
                self.write_status("namespaces", namespace, {**(namespace.get("status") or {}), "phase": "Active"})
            return
        left = self.indexes.in_namespace(key.name)
        order = {resource: position for position, resource in enumerate(FIRST)}
        for item in sorted(left, key=lambda item: order.get(item.resource, len(order))):
            self._delete(item)
        left = self.indexes.in_namespace(key.name)
        if left:
            status = {**(namespace.get("status") or {}), "phase": "Terminating", "conditions": self._conditions(left)}
            current = self.registry.find("namespaces", key.name)
            if current is not None:
                self.write_status("namespaces", current, _keep_times(namespace.get("status") or {}, status))
            self.enqueue(key, SLOW_CHECK)
            return
        draft = self.registry.draft("namespaces", key.name)
        draft["spec"] = {**(draft.get("spec") or {}), "finalizers": []}
        self.registry.update("namespaces", draft, subresource="finalize")

    def _delete(self, item: Key) -> None:
        found = self.registry.find(item.resource, item.name, item.namespace)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return
        try:
            self.registry.delete(item.resource, item.name, item.namespace)
        except StatusError as error:
            if error.code != 404:
                raise

    def _conditions(self, left: list[Key]) -> list[dict[str, Any]]:
        counts: dict[str, int] = {}
        finalizers: dict[str, int] = {}
        for item in left:
            counts[item.resource] = counts.get(item.resource, 0) + 1
            found = self.registry.find(item.resource, item.name, item.namespace)
            for finalizer in (found or {"metadata": {}})["metadata"].get("finalizers") or ():
                finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
        content = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(counts.items()))
        held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
        remaining = ("True", "SomeResourcesRemain", f"Some resources are remaining: {content}")
        finalizing = ("True", "SomeFinalizersRemain", f"Some content in the namespace has finalizers remaining: {held}")
        fine = (
            (
                "NamespaceDeletionDiscoveryFailure",
                "False",
                "ResourcesDiscovered",
                "All resources successfully discovered",
            ),
            (
                "NamespaceDeletionGroupVersionParsingFailure",
                "False",
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed",
            ),
            (
                "NamespaceDeletionContentFailure",
                "False",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
            ("NamespaceContentRemaining", *remaining),
            (
                "NamespaceFinalizersRemaining",
                *(
                    finalizing
                    if held
                    else ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished")
                ),
            ),
        )
        now = self.clock.timestamp()
        return [
            {"type": name, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}
            for name, status, reason, message in fine
        ]


def _keep_times(before: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """Conditions whose status did not change keep their transition time."""
    old = {item["type"]: item for item in before.get("conditions") or ()}
    for item in status["conditions"]:
        if item["type"] in old and old[item["type"]]["status"] == item["status"]:
            item["lastTransitionTime"] = old[item["type"]]["lastTransitionTime"]
    return status
