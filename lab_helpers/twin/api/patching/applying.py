"""Server-side apply.

Merge a configuration, drop what its owner no longer states, find conflicts (structured-merge-diff).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from lab_helpers.twin.api.patching.comparing import compare
from lab_helpers.twin.api.patching.field_sets import (
    FieldSet,
    Path,
    element_key,
    fields_of,
    path_text,
    with_parents,
)
from lab_helpers.twin.api.patching.managed_fields import Manager, Managers, owned, strip
from lab_helpers.twin.api.schemas.shapes import Shape
from lab_helpers.twin.objects.errors import StatusError

__all__ = ["Applied", "apply_configuration", "merge_configuration", "remove_paths"]


class Applied(NamedTuple):
    """The new state and its owners."""

    item: dict[str, Any]
    managers: Managers


def apply_configuration(
    live: Mapping[str, Any],
    configuration: Mapping[str, Any],
    shape: Shape,
    managers: Managers,
    manager: Manager,
    now: str,
    *,
    force: bool,
    has_status: bool,
    allowed: FieldSet = frozenset(),
) -> Applied:
    """Apply ``configuration`` to ``live`` as ``manager``. Raises 409 with every conflicting field unless ``force``.

    Fields in ``allowed`` are taken over without a conflict.
    """
    stated = strip(fields_of(configuration, shape), has_status, manager.subresource)
    last = managers.fields.get(manager, frozenset())
    merged = merge_configuration(live, configuration, shape)
    others = owned(managers, but=manager)
    kept = with_parents(stated | others)
    gone = frozenset(path for path in last if path not in kept)
    if gone:
        merged = remove_paths(merged, gone, shape) or {}
    difference = compare(live, merged, shape)
    changed = difference.added | difference.modified
    conflicts = {
        other: fields & changed for other, fields in managers.fields.items() if other != manager and fields & changed
    }
    serious = {other: fields - allowed for other, fields in conflicts.items() if fields - allowed}
    if serious and not force:
        raise _conflict(serious)
    result = Managers()
    result.times = dict(managers.times)
    for other, fields in managers.fields.items():
        left = fields - conflicts.get(other, frozenset()) - difference.removed
        if other != manager and left:
            result.fields[other] = left
    result.fields[manager] = stated
    if stated != last or any(difference) or manager not in result.times:
        result.times[manager] = now
    return Applied(merged, result)


def merge_configuration(live: Any, configuration: Any, shape: Shape) -> Any:
    """``live`` with everything ``configuration`` states; neither is changed. A stated null removes."""
    if isinstance(configuration, Mapping) and isinstance(live, Mapping) and not shape.atomic:
        if shape.kind in ("struct", "map", "any"):
            merged = dict(live)
            for key, value in configuration.items():
                if value is None:
                    merged.pop(key, None)
                else:
                    below = shape if shape.kind == "any" else shape.at(key)
                    merged[key] = merge_configuration(live.get(key), value, below)
            return merged
    elif isinstance(configuration, list) and isinstance(live, list) and shape.list_type in ("map", "set"):
        return _merge_list(live, configuration, shape)
    return _without_nulls(configuration)


def _merge_list(live: list[Any], configuration: list[Any], shape: Shape) -> list[Any]:
    old = {element_key(item, shape): item for item in live}
    stated = {element_key(item, shape): item for item in configuration}
    shared = iter([key for key in stated if key in old])
    order = [next(shared) if key in stated else key for key in old]
    previous = ""
    for key in stated:
        if key not in old:
            following = next((order.index(other) for other in stated if other in old), len(order))
            order.insert(order.index(previous) + 1 if previous else following, key)
        previous = key
    return [
        old[key]
        if key not in stated
        else merge_configuration(old[key], stated[key], shape.element)
        if key in old
        else _without_nulls(stated[key])
        for key in order
    ]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return copy.deepcopy(value)


def remove_paths(value: Any, paths: FieldSet, shape: Shape) -> Any:
    """``value`` without the given paths; what becomes empty by it goes too (None for the whole)."""
    heads: dict[str, set[Path]] = {}
    for path in paths:
        heads.setdefault(path[0], set()).add(path[1:])
    if isinstance(value, Mapping):
        left = {}
        for key, item in value.items():
            below = heads.get(f"f:{key}")
            if below is None:
                left[key] = item
            elif () not in below:
                inner = shape if shape.kind == "any" else shape.at(key)
                rest = remove_paths(item, frozenset(below), inner)
                if rest is not None:
                    left[key] = rest
        return left or None
    if isinstance(value, list) and shape.list_type in ("map", "set"):
        items = []
        for item in value:
            below = heads.get(element_key(item, shape))
            if below is None:
                items.append(item)
            elif () not in below:
                rest = remove_paths(item, frozenset(below), shape.element)
                if rest is not None:
                    items.append(rest)
        return items or None
    return value


def _conflict(conflicts: Mapping[Manager, FieldSet]) -> StatusError:
    found = [(_name(manager), path_text(path)) for manager, paths in conflicts.items() for path in sorted(paths)]
    found.sort()
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {name}", "field": path} for name, path in found
    ]
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines: list[str] = []
        for name in sorted({name for name, _ in found}):
            lines.append(f"conflicts with {name}:")
            lines += [f"- {path}" for owner, path in found if owner == name]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return StatusError(409, "Conflict", message, {"causes": causes})


def _name(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    return f"{text} using {manager.api_version}" if manager.operation == "Update" else text
