"""What controllers look up without walking all objects: by owner, by node, by namespace, by label.

Kept up to date by every change of the registry, before any controller hears of that change. The answers are the
stored objects themselves: shared and read-only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab_helpers.twin.controllers.references import controller_of, owner_uids
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.selectors import matches_selector
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["Indexes"]

Bucket = dict[Key, None]
LABELLED = frozenset({"pods"})
ADOPTABLE = frozenset({"pods", "replicasets.apps"})


class Indexes:
    """Buckets of keys; a key is in the buckets that fit the object's newest state."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._places: dict[Key, list[tuple[str, ...]]] = {}
        self._buckets: dict[tuple[str, ...], Bucket] = {}

    def build(self) -> None:
        """Take in everything that is stored."""
        self._places.clear()
        self._buckets.clear()
        for kind in self._registry.kinds:
            for item in self._registry.storage.list(kind.resource):
                metadata = item["metadata"]
                self._put(Key(kind.resource, metadata.get("namespace", ""), metadata["name"]), item)

    def apply(self, change: Change) -> None:
        """Take in one change."""
        self._drop(change.key)
        if change.type != "DELETED":
            self._put(change.key, change.object)

    def owned(self, uid: str, resource: str) -> list[Object]:
        """Objects of one resource that name ``uid`` among their owners."""
        return self._objects(key for key in self._buckets.get(("owner", uid), {}) if key.resource == resource)

    def dependents(self, uid: str) -> list[Key]:
        """Everything that names ``uid`` among its owners."""
        return list(self._buckets.get(("owner", uid), {}))

    def exists(self, uid: str) -> bool:
        """Is there an object with that uid?"""
        return ("uid", uid) in self._buckets

    def place(self, uid: str) -> Key | None:
        """Where the object with that uid is."""
        return next(iter(self._buckets.get(("uid", uid), {})), None)

    def pods_on(self, node: str) -> list[Object]:
        """Pods bound to a node."""
        return self._objects(self._buckets.get(("node", node), {}))

    def count_on(self, node: str) -> int:
        """How many pods are bound to a node."""
        return len(self._buckets.get(("node", node), {}))

    def unscheduled(self) -> list[Key]:
        """Pods without a node."""
        return list(self._buckets.get(("node", ""), {}))

    def companions(self) -> list[Key]:
        """Pods without a node that want other pods beside them (``podAffinity``)."""
        return list(self._buckets.get(("companion",), {}))

    def unsociable_on(self, node: str) -> list[Object]:
        """Pods on a node that want certain others not beside them (``podAntiAffinity``)."""
        return self._objects(self._buckets.get(("unsociable", node), {}))

    def in_namespace(self, namespace: str) -> list[Key]:
        """Everything in a namespace."""
        return list(self._buckets.get(("namespace", namespace), {}))

    def orphans(self, resource: str, namespace: str, selector: Mapping[str, Any] | None) -> list[Object]:
        """Pods or ReplicaSets of a namespace that nobody controls and that ``selector`` selects."""
        found = self._objects(self._buckets.get(("orphan", resource, namespace), {}))
        return [item for item in found if matches_selector(selector, item["metadata"].get("labels") or {})]

    def pods_with(self, namespace: str, labels: Mapping[str, str]) -> list[Object]:
        """Pods of a namespace that carry all of ``labels`` (at least one)."""
        buckets = [self._buckets.get(("label", namespace, key, value)) for key, value in labels.items()]
        if not buckets or any(bucket is None for bucket in buckets):
            return []
        smallest = min((bucket for bucket in buckets if bucket is not None), key=len)
        wanted = labels.items()
        return [pod for pod in self._objects(smallest) if wanted <= (pod["metadata"].get("labels") or {}).items()]

    def _objects(self, keys: Iterable[Key]) -> list[Object]:
        get = self._registry.storage.get
        return [item for key in keys if (item := get(key)) is not None]

    def _put(self, key: Key, item: Object) -> None:
        places = list(_places(key, item))
        self._places[key] = places
        for place in places:
            self._buckets.setdefault(place, {})[key] = None

    def _drop(self, key: Key) -> None:
        for place in self._places.pop(key, ()):
            bucket = self._buckets[place]
            del bucket[key]
            if not bucket:
                del self._buckets[place]


def _places(key: Key, item: Object) -> Iterable[tuple[str, ...]]:
    metadata = item["metadata"]
    yield "uid", metadata["uid"]
    for uid in dict.fromkeys(owner_uids(item)):
        yield "owner", uid
    if key.namespace:
        yield "namespace", key.namespace
    if key.resource in ADOPTABLE and controller_of(item) is None:
        yield "orphan", key.resource, key.namespace
    if key.resource == "pods":
        spec = item.get("spec", {})
        node = spec.get("nodeName") or ""
        yield "node", node
        affinity = spec.get("affinity") or {}
        if affinity.get("podAffinity") and not node:
            yield ("companion",)
        if affinity.get("podAntiAffinity"):
            yield "unsociable", node
    if key.resource in LABELLED:
        for name, value in (metadata.get("labels") or {}).items():
            yield "label", key.namespace, name, value
