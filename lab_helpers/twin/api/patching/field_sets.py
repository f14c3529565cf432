"""Sets of field paths and their wire form ``FieldsV1`` (sigs.k8s.io/structured-merge-diff fieldpath).

A path is a tuple of elements: ``f:name`` for a field or map key, ``k:{"name":"x"}`` for an element of a keyed list,
``v:"x"`` for an element of a set. A set is a frozenset of paths.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lab_helpers.twin.api.schemas.shapes import Shape

__all__ = [
    "FieldSet",
    "Path",
    "element_key",
    "fields_of",
    "from_fields_v1",
    "path_text",
    "to_fields_v1",
    "with_parents",
]

Path = tuple[str, ...]
FieldSet = frozenset[Path]


def fields_of(value: Any, shape: Shape) -> FieldSet:
    """The paths that an applied configuration states."""
    return frozenset(_walk(value, shape, ()))


def _walk(value: Any, shape: Shape, path: Path) -> Iterator[Path]:
    if shape.kind in ("struct", "map") and isinstance(value, Mapping):
        if shape.atomic:
            yield path
            return
        for key, item in value.items():
            inner = (*path, f"f:{key}")
            below = shape.at(key)
            yield from _walk(item, below, inner)
            if item is None or item == {} or shape.kind == "map":
                yield inner
    elif shape.kind == "any" and isinstance(value, Mapping) and not shape.atomic:
        for key, item in value.items():
            inner = (*path, f"f:{key}")
            yield from _walk(item, shape, inner)
            yield inner
    elif shape.kind == "list" and shape.list_type in ("map", "set") and isinstance(value, list):
        if not value:
            yield path
        for item in value:
            inner = (*path, element_key(item, shape))
            yield from _walk(item, shape.element, inner)
            yield inner
    elif path:
        yield path


def element_key(item: Any, shape: Shape) -> str:
    """The path element of one element of an associative list."""
    if shape.list_type == "set":
        return "v:" + _compact(item)
    defaults = shape.key_defaults
    keys = {key: item.get(key, defaults.get(key)) for key in shape.keys} if isinstance(item, Mapping) else {}
    return "k:" + _compact({key: value for key, value in sorted(keys.items()) if value is not None})


def with_parents(paths: Iterable[Path]) -> set[Path]:
    """The paths and everything above them."""
    return {path[:length] for path in paths for length in range(1, len(path) + 1)}


def to_fields_v1(paths: FieldSet) -> dict[str, Any]:
    """The wire form; ``"."`` marks a path that is a member itself and has members below."""
    root: dict[str, Any] = {}
    members = set(paths)
    for path in sorted(paths):
        node = root
        for depth, element in enumerate(path, 1):
            if element not in node:
                node[element] = {}
            node = node[element]
            if path[:depth] in members and depth < len(path):
                node.setdefault(".", {})
    return root


def from_fields_v1(fields: Mapping[str, Any]) -> FieldSet:
    """The set of a wire form."""
    return frozenset(_read(fields, ()))


def _read(node: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for element, below in node.items():
        if element == ".":
            yield path
        elif below:
            yield from _read(below, (*path, element))
        else:
            yield (*path, element)


def path_text(path: Path) -> str:
    """How conflicts name a path: ``.spec.containers[name="web"].image``."""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        match kind:
            case "f":
                text += f".{rest}"
            case "k":
                pairs = json.loads(rest)
                text += "[" + ",".join(f"{key}={_compact(value)}" for key, value in sorted(pairs.items())) + "]"
            case "v":
                text += f"[={rest}]"
            case _:
                text += f"[{rest}]"
    return text


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
