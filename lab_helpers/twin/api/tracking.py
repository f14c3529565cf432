"""The last admission step: ordinary writes by clients change ``metadata.managedFields``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.twin.api.patching.managed_fields import Manager, Managers, track_update
from lab_helpers.twin.api.schemas.shapes import Shape
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.objects.registry import Operation

__all__ = ["empty_state", "track_fields"]

_TEMPLATE: Mapping[str, Any] = {"metadata": {}, "spec": {}}
_EMPTY: Mapping[str, Mapping[str, Any]] = {
    "deployments.apps": {"spec": {"strategy": {}, "template": _TEMPLATE}},
    "replicasets.apps": {"spec": {"template": _TEMPLATE}},
    "daemonsets.apps": {"spec": {"updateStrategy": {}, "template": _TEMPLATE}},
    "statefulsets.apps": {"spec": {"updateStrategy": {}, "template": _TEMPLATE}},
    "jobs.batch": {"spec": {"template": _TEMPLATE}},
    "cronjobs.batch": {"spec": {"jobTemplate": {"metadata": {}, "spec": {"template": _TEMPLATE}}}},
}


def empty_state(operation: Operation) -> dict[str, Any]:
    """What a new object is compared with: the parts that every object of the kind has, empty."""
    if operation.kind.custom:
        return {"metadata": {}}
    return {"metadata": {}, "spec": {}, "status": {}, **_EMPTY.get(operation.kind.resource, {})}


def track_fields(shape_of: Callable[[Operation], Shape], clock: Clock) -> Callable[[Operation], None]:
    """The admission step."""

    def step(operation: Operation) -> None:
        if operation.verb == "delete" or not operation.manager:
            return
        metadata = operation.object["metadata"]
        before = operation.previous
        if before is not None:
            known = before["metadata"].get("managedFields")
            given = metadata.get("managedFields")
            if not known and not given:
                return
            entries = given or known
            if given == [{}]:
                metadata.pop("managedFields")
                return
        else:
            entries = []
            metadata.pop("managedFields", None)
        managers = Managers(entries or ())
        who = Manager(operation.manager, "Update", operation.api_version, operation.subresource)
        old = _visible(before if before is not None else empty_state(operation))
        new = _visible(operation.object)
        track_update(
            managers,
            old,
            new,
            shape_of(operation),
            who,
            clock.timestamp(),
            has_status=operation.kind.has_status,
        )
        if found := managers.entries():
            metadata["managedFields"] = found
        else:
            metadata.pop("managedFields", None)

    return step


_UNTRACKED = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")


def _visible(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in item["metadata"].items() if key not in _UNTRACKED}
    return {**item, "metadata": metadata}
