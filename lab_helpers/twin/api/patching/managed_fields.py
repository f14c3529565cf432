"""Who owns which field.

``metadata.managedFields`` and how updates change it (apimachinery managedfields, structured-merge-diff).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lab_helpers.twin.api.patching.comparing import Comparison, compare
from lab_helpers.twin.api.patching.field_sets import FieldSet, from_fields_v1, to_fields_v1
from lab_helpers.twin.api.schemas.shapes import Shape

__all__ = ["Manager", "Managers", "owned", "strip", "track_update"]

_STRIPPED = {
    (("f:" + top), *(f"f:{part}" for part in rest))
    for top, *rest in (
        ("apiVersion",),
        ("kind",),
        ("metadata",),
        ("metadata", "name"),
        ("metadata", "namespace"),
        ("metadata", "creationTimestamp"),
        ("metadata", "selfLink"),
        ("metadata", "uid"),
        ("metadata", "clusterName"),
        ("metadata", "generation"),
        ("metadata", "managedFields"),
        ("metadata", "resourceVersion"),
    )
}


class Manager(NamedTuple):
    """An owner: the same name counts separately per operation (Apply, Update), API version and subresource."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


class Managers:
    """The owners of one object and when each last changed something."""

    def __init__(self, entries: Sequence[Mapping[str, Any]] = ()) -> None:
        self.fields: dict[Manager, FieldSet] = {}
        self.times: dict[Manager, str] = {}
        for entry in entries:
            if not entry.get("operation"):
                continue
            manager = Manager(
                entry.get("manager", ""),
                entry["operation"],
                entry.get("apiVersion", ""),
                entry.get("subresource", ""),
            )
            self.fields[manager] = from_fields_v1(entry.get("fieldsV1") or {})
            if entry.get("time"):
                self.times[manager] = entry["time"]

    def entries(self) -> list[dict[str, Any]]:
        """The wire form: Apply before Update, then by time and name."""
        found = []
        for manager, fields in self.fields.items():
            if not fields:
                continue
            entry: dict[str, Any] = {
                "manager": manager.name,
                "operation": manager.operation,
                "apiVersion": manager.api_version,
                "time": self.times.get(manager, ""),
                "fieldsType": "FieldsV1",
                "fieldsV1": to_fields_v1(fields),
            }
            if manager.subresource:
                entry["subresource"] = manager.subresource
            found.append({key: value for key, value in entry.items() if value != ""})
        order = ("operation", "time", "manager", "apiVersion", "subresource")
        return sorted(found, key=lambda entry: tuple(entry.get(key, "") for key in order))


def owned(managers: Managers, but: Manager | None = None) -> FieldSet:
    """Everything somebody owns (but not what only ``but`` owns)."""
    return frozenset().union(*(fields for manager, fields in managers.fields.items() if manager != but))


def strip(fields: FieldSet, kind_has_status: bool, subresource: str) -> FieldSet:
    """Without identity fields, and without what this endpoint does not write (the main one no status …)."""
    kept = fields - _STRIPPED
    if subresource == "status":
        return frozenset(path for path in kept if path[0] in ("f:status", "f:metadata"))
    if kind_has_status and not subresource:
        return frozenset(path for path in kept if path[0] != "f:status")
    return kept


def track_update(
    managers: Managers,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    shape: Shape,
    manager: Manager,
    now: str,
    *,
    has_status: bool,
) -> Comparison:
    """An ordinary write: ``manager`` takes what it changed, everybody loses what went or was taken."""
    difference = compare(before, after, shape)
    taken = difference.added | difference.modified
    for other, fields in list(managers.fields.items()):
        if other != manager and (fields & taken or fields & difference.removed):
            managers.fields[other] = fields - taken - difference.removed
    new = strip(taken, has_status, manager.subresource)
    previous = managers.fields.get(manager, frozenset())
    if new or previous & difference.removed:
        managers.fields[manager] = (previous | new) - difference.removed
    if new:
        managers.times[manager] = now
    for other in [m for m, fields in managers.fields.items() if not fields]:
        del managers.fields[other]
    return difference
