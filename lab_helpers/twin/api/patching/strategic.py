"""Strategic merge patch (apimachinery pkg/util/strategicpatch): lists merge by key, with the ``$`` directives.

Directives: ``$patch: replace|delete|merge``, ``$retainKeys``, ``$setElementOrder/<list>``,
``$deleteFromPrimitiveList/<list>``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.api.schemas.shapes import Shape
from lab_helpers.twin.objects.errors import bad_request

__all__ = ["go_text", "strategic_merge"]

_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"


def strategic_merge(target: Mapping[str, Any], patch: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """``target`` changed by ``patch``; neither is changed. Raises 400 for a patch that makes no sense."""
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"Unknown patch type found: {directive}")
    merged = dict(target)
    if (retained := patch.get("$retainKeys")) is not None:
        merged = {key: value for key, value in merged.items() if key in retained}
    lists = {key.partition("/")[2] for key in patch if key.startswith((_ORDER, _DELETE))}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        lists.discard(key)
        if value is None:
            merged.pop(key, None)
            continue
        below = shape.at(key)
        if isinstance(value, list):
            merged[key] = _merge_list(key, merged.get(key), value, patch, below)
        elif isinstance(value, Mapping):
            merged[key] = _merge_object(merged.get(key), value, below)
        else:
            merged[key] = value
    for key in sorted(lists):
        if isinstance(merged.get(key), list):
            merged[key] = _merge_list(key, merged[key], [], patch, shape.at(key))
    return merged


def _merge_object(before: Any, patch: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    if "replace" in shape.strategy:
        return {key: copy.deepcopy(value) for key, value in patch.items() if not key.startswith("$")}
    start = before if isinstance(before, Mapping) else {}
    return strategic_merge(start, patch, shape)


def _merge_list(name: str, before: Any, patch: list[Any], around: Mapping[str, Any], shape: Shape) -> list[Any]:
    current = before if isinstance(before, list) else []
    if "merge" not in shape.strategy:
        return copy.deepcopy(patch)
    deleted = around.get(_DELETE + name) or []
    order = around.get(_ORDER + name)
    if not shape.merge_key:
        left = [item for item in current if item not in deleted]
        merged = left + [item for item in patch if item not in left]
        return merged if order is None else _arrange(merged, current, order, lambda item: item)
    return _merge_keyed(current, patch, order, shape)


def _merge_keyed(current: list[Any], patch: list[Any], order: list[Any] | None, shape: Shape) -> list[Any]:
    key = shape.merge_key
    merged = list(current)
    if any(isinstance(item, Mapping) and item.get("$patch") == "replace" for item in patch):
        return [
            {k: v for k, v in item.items() if k != "$patch"}
            for item in copy.deepcopy(patch)
            if item.get("$patch") != "replace" or len(item) > 1
        ]
    for item in patch:
        if not isinstance(item, Mapping) or key not in item:
            raise bad_request(f"map: {go_text(item)} does not contain declared merge key: {key}")
        places = [i for i, old in enumerate(merged) if isinstance(old, Mapping) and old.get(key) == item[key]]
        match item.get("$patch"):
            case "delete":
                merged = [old for i, old in enumerate(merged) if i not in places]
            case None | "merge":
                if places:
                    merged[places[0]] = strategic_merge(merged[places[0]], item, shape.element)
                else:
                    merged.append(strategic_merge({}, item, shape.element))
            case unknown:
                raise bad_request(f"Unknown patch type found: {unknown}")
    if order is None:
        return merged
    wanted = [item.get(key) if isinstance(item, Mapping) else item for item in order]
    return _arrange(merged, current, wanted, lambda item: item.get(key))


def _arrange(merged: list[Any], current: list[Any], order: list[Any], key: Any) -> list[Any]:
    """Patched elements in the wanted order, the server's own ones where they were relative to them."""
    server = [key(item) for item in current]
    ours = sorted((item for item in merged if key(item) in order), key=lambda item: order.index(key(item)))
    theirs = [item for item in merged if key(item) not in order]
    result: list[Any] = []
    while ours and theirs:
        known = key(ours[0]) in server and key(theirs[0]) in server
        first = known and server.index(key(theirs[0])) < server.index(key(ours[0]))
        result.append(theirs.pop(0) if first else ours.pop(0))
    return result + ours + theirs


def go_text(item: Any) -> str:
    """A JSON value as Go prints it."""
    match item:
        case Mapping():
            return "map[" + " ".join(f"{key}:{go_text(value)}" for key, value in sorted(item.items())) + "]"
        case list():
            return "[" + " ".join(go_text(value) for value in item) + "]"
        case None:
            return "<nil>"
        case bool():
            return str(item).lower()
    return str(item)
