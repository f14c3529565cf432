"""The rules every write passes, whoever makes it: the REST API, a controller, the agent (apiserver registry/generic).

Names and uids, generation, the ``status`` subresource, optimistic concurrency, finalizers and graceful deletion live
here; what is specific to a kind (defaults, validation, allocation) is an :class:`Admission` step. Reads are shared and
read-only: take ``draft`` (a private copy) to change something, then ``update``.

Resources are addressed as ``pods`` or ``deployments.apps``.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.objects.copying import copied
from lab_helpers.twin.objects.errors import already_exists, bad_request, conflict, not_found
from lab_helpers.twin.objects.kinds import Kind, Kinds
from lab_helpers.twin.objects.selectors import parse_label_selector
from lab_helpers.twin.objects.storage import Change, Key, Object, Storage, Watch

__all__ = ["Admission", "Operation", "Propagation", "Registry"]

Propagation = Literal["Background", "Foreground", "Orphan"]

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(slots=True)
class Operation:
    """A write on its way in. An admission step may change ``object`` in place, or raise a StatusError to refuse.

    ``manager`` names who becomes the owner of changed fields ("" for writes inside the twin, which are not tracked);
    ``api_version`` is the version the client spoke.
    """

    verb: Literal["create", "update", "delete"]
    kind: Kind
    object: Object
    previous: Object | None
    subresource: str = ""
    dry_run: bool = False
    manager: str = ""
    api_version: str = ""

    @property
    def key(self) -> Key:
        """Where it goes."""
        metadata = self.object["metadata"]
        return Key(self.kind.resource, metadata.get("namespace", ""), metadata["name"])


Admission = Callable[[Operation], None]


class Registry:
    """The one way to read and write objects inside the twin."""

    def __init__(self, storage: Storage, kinds: Kinds, clock: Clock) -> None:
        self.storage = storage
        self.kinds = kinds
        self.clock = clock
        self.admissions: list[Admission] = []

    def get(self, resource: str, name: str, namespace: str = "") -> Object:
        """The object (shared, read-only). Raises 404."""
        found = self.storage.get(Key(resource, namespace, name))
        if found is None:
            raise not_found(resource, name)
        return found

    def find(self, resource: str, name: str, namespace: str = "") -> Object | None:
        """The object (shared, read-only), or None."""
        return self.storage.get(Key(resource, namespace, name))

    def draft(self, resource: str, name: str, namespace: str = "") -> Object:
        """A private copy to change and ``update``. Raises 404."""
        found: Object = copied(self.get(resource, name, namespace))
        return found

    def list(self, resource: str, namespace: str = "", labels: str = "") -> list[Object]:
        """Objects of a resource (shared, read-only) in (namespace, name) order, filtered by a label selector string."""
        found = self.storage.list(resource, namespace)
        if not labels:
            return found
        matches = parse_label_selector(labels)
        return [item for item in found if matches(item["metadata"].get("labels") or {})]

    def watch(self, resource: str, namespace: str = "", since: int | None = None) -> Watch:
        """Changes after revision ``since``."""
        return self.storage.watch(resource, namespace, since)

    def listen(self, callback: Callable[[Change], None]) -> None:
        """Synchronous notification of every change; the callback must not write."""
        self.storage.listen(callback)

    def create(
        self,
        resource: str,
        body: Mapping[str, Any],
        namespace: str = "",
        *,
        dry_run: bool = False,
        manager: str = "",
        api_version: str = "",
    ) -> Object:
        """Create. ``body`` is copied.

        A status given by the caller is kept only for kinds without a status subresource.
        """
        kind = self.kinds[resource]
        item = copied(dict(body))
        item["apiVersion"], item["kind"] = kind.api_version, kind.kind
        metadata = item["metadata"] = dict(item.get("metadata") or {})
        self._place(kind, metadata, namespace)
        if not metadata.get("name"):
            if not metadata.get("generateName"):
                raise bad_request(f"{kind.kind}: name or generateName is required")
            metadata["name"] = metadata["generateName"] + "".join(secrets.choice(_NAME_ALPHABET) for _ in range(5))
        key = Key(resource, metadata.get("namespace", ""), metadata["name"])
        for ignored in ("resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"):
            metadata.pop(ignored, None)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = self.clock.timestamp()
        if kind.has_status:
            item.pop("status", None)
        if resource == "namespaces":
            item["spec"] = {**(item.get("spec") or {}), "finalizers": ["kubernetes"]}
        elif "spec" in item or kind.has_status or kind.custom:
            metadata["generation"] = 1
        version = api_version or kind.api_version
        self._admit(Operation("create", kind, item, None, "", dry_run, manager, version))
        if self.storage.get(key) is not None:
            raise already_exists(resource, key.name)
        return item if dry_run else self.storage.put(key, item)

    def update(
        self,
        resource: str,
        body: Mapping[str, Any],
        *,
        subresource: str = "",
        dry_run: bool = False,
        manager: str = "",
        api_version: str = "",
    ) -> Object:
        """Replace. With ``metadata.resourceVersion`` set it must be the current one (409).

        ``subresource`` is "", "status", "scale" or "finalize".

        Nothing changed means no new revision. Removing the last finalizer of an object being deleted removes the
        object. ``spec.finalizers`` of a Namespace change only by the subresource "finalize".
        """
        kind = self.kinds[resource]
        asked = body["metadata"]
        key = Key(resource, asked.get("namespace", "") if kind.namespaced else "", asked["name"])
        current = self.storage.get(key)
        if current is None:
            raise not_found(resource, key.name)
        self._check_version(resource, current, asked)
        if subresource == "status":
            item = _with_status(current, body)
        else:
            item = copied(dict(body))
            self._carry_over(kind, item, current)
            if resource == "namespaces" and subresource != "finalize":
                item["spec"] = copied(current.get("spec") or {})
        metadata = item["metadata"]
        version = api_version or kind.api_version
        self._admit(Operation("update", kind, item, current, subresource, dry_run, manager, version))
        metadata["resourceVersion"] = current["metadata"]["resourceVersion"]
        if item == current or dry_run:
            return item if dry_run else current
        if (
            metadata.get("deletionTimestamp")
            and not _held(resource, item)
            and not metadata.get("deletionGracePeriodSeconds")
        ):
            return self._remove(key)
        return self.storage.put(key, item)

    def delete(
        self,
        resource: str,
        name: str,
        namespace: str = "",
        *,
        propagation: Propagation = "Background",
        grace: int | None = None,
        uid: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Delete, or mark for deletion while finalizers or a grace period hold it. Returns the object as it now is.

        A Pod bound to a node stays, with ``deletionTimestamp``, until the node's kubelet deletes it with ``grace=0``.
        """
        current = self.get(resource, name, namespace)
        metadata = current["metadata"]
        if uid is not None and metadata["uid"] != uid:
            raise conflict(resource, name, _uid_mismatch(uid, current))
        kind = self.kinds[resource]
        self._admit(Operation("delete", kind, current, current, dry_run=dry_run))
        if dry_run:
            return current
        key = Key(resource, namespace, name)
        finalizers = list(metadata.get("finalizers") or [])
        if propagation == "Orphan" and "orphan" not in finalizers:
            finalizers.append("orphan")
        if propagation == "Foreground" and "foregroundDeletion" not in finalizers:
            finalizers.append("foregroundDeletion")
        period = self._grace(resource, current, grace)
        if not finalizers and not period and not _held(resource, current):
            return self._remove(key)
        marked = copied(current)
        marked["metadata"]["finalizers"] = finalizers
        if not finalizers:
            del marked["metadata"]["finalizers"]
        if not metadata.get("deletionTimestamp"):
            marked["metadata"]["deletionTimestamp"] = self.clock.timestamp()
            if "generation" in marked["metadata"]:
                marked["metadata"]["generation"] += 1
        if resource == "namespaces":
            marked["status"] = {**(marked.get("status") or {}), "phase": "Terminating"}
        elif resource == "pods":
            marked["metadata"]["deletionGracePeriodSeconds"] = period
        else:
            marked["metadata"].setdefault("deletionGracePeriodSeconds", 0)
        return current if marked == current else self.storage.put(key, marked)

    def _remove(self, key: Key) -> Object:
        removed = self.storage.remove(key)
        if removed is None:
            raise not_found(key.resource, key.name)
        return removed

    def _place(self, kind: Kind, metadata: dict[str, Any], namespace: str) -> None:
        if not kind.namespaced:
            metadata.pop("namespace", None)
            return
        wanted = metadata.get("namespace") or namespace or "default"
        if namespace and wanted != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        metadata["namespace"] = wanted

    def _check_version(self, resource: str, current: Object, metadata: Mapping[str, Any]) -> None:
        version = metadata.get("resourceVersion")
        if version and version != current["metadata"]["resourceVersion"]:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(resource, current["metadata"]["name"], why)
        if metadata.get("uid") and metadata["uid"] != current["metadata"]["uid"]:
            raise conflict(resource, current["metadata"]["name"], _uid_mismatch(metadata["uid"], current))

    def _carry_over(self, kind: Kind, item: Object, current: Object) -> None:
        """What a client cannot change on the main resource."""
        metadata, before = item["metadata"], current["metadata"]
        item["apiVersion"], item["kind"] = kind.api_version, kind.kind
        for field in (
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "namespace",
            "generateName",
        ):
            if field in before:
                metadata[field] = before[field]
            else:
                metadata.pop(field, None)
        if kind.has_status:
            if "status" in current:
                item["status"] = copied(current["status"])
            else:
                item.pop("status", None)
        if "generation" in metadata and any(
            item.get(field) != current.get(field)
            for field in {*item, *current} - {"metadata", "status", "apiVersion", "kind"}
        ):
            metadata["generation"] = before["generation"] + 1

    def _grace(self, resource: str, current: Object, grace: int | None) -> int:
        """Seconds a Pod may take to stop; 0 for everything else."""
        if resource != "pods":
            return 0
        if not current.get("spec", {}).get("nodeName") or current.get("status", {}).get("phase") in (
            "Succeeded",
            "Failed",
        ):
            return 0
        before = current["metadata"].get("deletionGracePeriodSeconds")
        wanted = grace if grace is not None else int(current["spec"].get("terminationGracePeriodSeconds", 30))
        return wanted if before is None else min(before, wanted)

    def _admit(self, operation: Operation) -> None:
        for step in self.admissions:
            step(operation)


def _with_status(current: Object, body: Mapping[str, Any]) -> Object:
    """The object with the status of ``body``; of its metadata only ``managedFields`` are taken."""
    item: Object = copied({**current, "status": body.get("status")})
    if item["status"] is None:
        del item["status"]
    if "managedFields" in body["metadata"]:
        item["metadata"]["managedFields"] = copied(body["metadata"]["managedFields"])
    return item


def _uid_mismatch(wanted: str, current: Object) -> str:
    found = current["metadata"]["uid"]
    return f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"


def _held(resource: str, item: Object) -> bool:
    """Finalizers keep it; a Namespace has its own in ``spec``, for its contents."""
    return bool(item["metadata"].get("finalizers") or (resource == "namespaces" and item["spec"].get("finalizers")))
