"""ControllerRevisions: the templates a DaemonSet or StatefulSet had (kubernetes pkg/controller/history)."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

from lab_helpers.twin.controllers.indexes import Indexes
from lab_helpers.twin.controllers.references import owner_reference
from lab_helpers.twin.controllers.templates import template_hash
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["HASH", "Revisions"]

HASH = "controller-revision-hash"
RESOURCE = "controllerrevisions.apps"


class Revisions:
    """The history of one kind of owner."""

    def __init__(self, registry: Registry, indexes: Indexes) -> None:
        self._registry = registry
        self._indexes = indexes

    def history(self, owner: Object) -> list[Object]:
        """Revisions of ``owner``, oldest first."""
        found = self._indexes.owned(owner["metadata"]["uid"], RESOURCE)
        return sorted(found, key=lambda item: int(item["revision"]))

    def current(self, owner: Object) -> Object:
        """The revision of the owner's template now; made, or moved to the end of the history, when it is not the
        newest."""
        data = _data(owner)
        history = self.history(owner)
        newest = int(history[-1]["revision"]) if history else 0
        known = next((item for item in history if item["data"] == data), None)
        if known is None:
            return self._create(owner, data, newest + 1)
        if int(known["revision"]) < newest:
            draft = copy.deepcopy(known)
            draft["revision"] = newest + 1
            return self._registry.update(RESOURCE, draft)
        return known

    def _create(self, owner: Object, data: dict[str, Any], number: int) -> Object:
        metadata = owner["metadata"]
        collisions = 0
        name = ""
        while not name or self._registry.find(RESOURCE, name, metadata["namespace"]) is not None:
            digest = template_hash(data, collisions)
            name, collisions = f"{metadata['name']}-{digest}", collisions + 1
        template = owner["spec"]["template"].get("metadata") or {}
        body = {
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": {**(template.get("labels") or {}), HASH: digest},
                "annotations": {
                    key: value
                    for key, value in (metadata.get("annotations") or {}).items()
                    if key != "kubectl.kubernetes.io/last-applied-configuration"
                },
                "ownerReferences": [owner_reference(owner)],
            },
            "data": data,
            "revision": number,
        }
        return self._registry.create(RESOURCE, body, metadata["namespace"])

    def clean(self, owner: Object, used: Collection[str]) -> None:
        """Delete the oldest revisions beyond ``revisionHistoryLimit`` that no pod uses."""
        idle = [item for item in self.history(owner)[:-1] if item["metadata"]["labels"][HASH] not in used]
        surplus = len(idle) - int(owner["spec"].get("revisionHistoryLimit", 10))
        for item in idle[: max(surplus, 0)]:
            self._registry.delete(RESOURCE, item["metadata"]["name"], item["metadata"]["namespace"])


def _data(owner: Object) -> dict[str, Any]:
    return {"spec": {"template": {**copy.deepcopy(owner["spec"]["template"]), "$patch": "replace"}}}
