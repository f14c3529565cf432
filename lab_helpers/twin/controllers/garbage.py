"""The garbage collector: dependents follow their owners (kubernetes pkg/controller/garbagecollector).

Background: when the last owner is gone, the dependent is deleted. Foreground: the owner waits, with the finalizer
``foregroundDeletion``, until dependents that block it are gone. Orphan: dependents lose the reference and stay.
"""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.controllers.controlling import Controller
from lab_helpers.twin.controllers.references import owner_uids
from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["GarbageCollector"]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class GarbageCollector(Controller):
    """Works on any kind of object."""

    name = "garbage-collector-controller"
    primary = ""
    watches = frozenset()

    def prime(self) -> None:
        """Everything that has owners or waits for its dependents."""
        for kind in self.registry.kinds:
            for item in self.registry.list(kind.resource):
                metadata = item["metadata"]
                if metadata.get("ownerReferences") or metadata.get("deletionTimestamp"):
                    self.enqueue(Key(kind.resource, metadata.get("namespace", ""), metadata["name"]))

    def observe(self, change: Change) -> None:
        """An object with owners; one that begins to be deleted; one that is gone."""
        metadata = change.object["metadata"]
        if change.type == "DELETED":
            for key in self.indexes.dependents(metadata["uid"]):
                self.enqueue(key)
            for reference in metadata.get("ownerReferences") or ():
                self._owner(reference, change.key.namespace)
            return
        waits = metadata.get("deletionTimestamp") and {FOREGROUND, ORPHAN} & set(metadata.get("finalizers") or ())
        if waits or (metadata.get("ownerReferences") and (change.previous is None or _regrouped(change))):
            self.enqueue(change.key)

    def _owner(self, reference: dict[str, Any], namespace: str) -> None:
        """An owner that may wait for the dependent which just went away."""
        key = self.indexes.place(reference["uid"])
        if key is None or (key.namespace and key.namespace != namespace):
            return
        owner = self.registry.find(key.resource, key.name, key.namespace)
        if owner is not None and owner["metadata"].get("deletionTimestamp"):
            self.enqueue(key)

    def reconcile(self, key: Key) -> None:
        """Finish an owner's deletion, or delete a dependent without owners."""
        item = self.registry.find(key.resource, key.name, key.namespace)
        if item is None:
            return
        metadata = item["metadata"]
        if metadata.get("deletionTimestamp"):
            finalizers = metadata.get("finalizers") or []
            if ORPHAN in finalizers:
                self._orphan(key, item)
            elif FOREGROUND in finalizers:
                self._foreground(key, item)
            return
        if not metadata.get("ownerReferences"):
            return
        alive = [uid for uid in owner_uids(item) if self.indexes.exists(uid)]
        if not alive:
            self.registry.delete(key.resource, key.name, key.namespace, uid=metadata["uid"])
        elif all(self._waits(uid) for uid in alive):
            self.registry.delete(
                key.resource, key.name, key.namespace, uid=metadata["uid"], propagation=self._manner(item, key)
            )

    def _waits(self, uid: str) -> bool:
        """The owner is being deleted in the foreground."""
        key = self.indexes.place(uid)
        owner = None if key is None else self.registry.find(key.resource, key.name, key.namespace)
        if owner is None or not owner["metadata"].get("deletionTimestamp"):
            return False
        return FOREGROUND in (owner["metadata"].get("finalizers") or ())

    def _manner(self, item: Object, key: Key) -> Any:
        """Dependents with dependents of their own are deleted in the foreground too."""
        return (
            "Foreground"
            if key.resource != "pods" and self.indexes.dependents(item["metadata"]["uid"])
            else "Background"
        )

    def _foreground(self, key: Key, item: Object) -> None:
        uid = item["metadata"]["uid"]
        blocking = False
        for dependent in self.indexes.dependents(uid):
            found = self.registry.find(dependent.resource, dependent.name, dependent.namespace)
            if found is None:
                continue
            references = found["metadata"]["ownerReferences"]
            blocking |= any(ref["uid"] == uid and ref.get("blockOwnerDeletion") for ref in references)
            if not found["metadata"].get("deletionTimestamp"):
                self.enqueue(dependent)
        if not blocking:
            self._release(key, FOREGROUND)

    def _orphan(self, key: Key, item: Object) -> None:
        uid = item["metadata"]["uid"]
        for dependent in self.indexes.dependents(uid):
            draft = self.registry.draft(dependent.resource, dependent.name, dependent.namespace)
            kept = [ref for ref in draft["metadata"]["ownerReferences"] if ref["uid"] != uid]
            draft["metadata"]["ownerReferences"] = kept
            if not kept:
                del draft["metadata"]["ownerReferences"]
            self.registry.update(dependent.resource, draft)
        self._release(key, ORPHAN)

    def _release(self, key: Key, finalizer: str) -> None:
        draft = self.registry.draft(key.resource, key.name, key.namespace)
        left = [name for name in draft["metadata"]["finalizers"] if name != finalizer]
        draft["metadata"]["finalizers"] = left
        if not left:
            del draft["metadata"]["finalizers"]
        try:
            self.registry.update(key.resource, draft)
        except StatusError as error:
            if error.code != 404:
                raise


def _regrouped(change: Change) -> bool:
    before = change.previous or {"metadata": {}}
    return bool(before["metadata"].get("ownerReferences") != change.object["metadata"].get("ownerReferences"))
