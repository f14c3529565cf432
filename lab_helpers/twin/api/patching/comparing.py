"""What differs between two states of an object, as field sets (structured-merge-diff ``TypedValue.Compare``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lab_helpers.twin.api.patching.field_sets import FieldSet, Path, element_key
from lab_helpers.twin.api.schemas.shapes import Shape

__all__ = ["Comparison", "compare"]

_MISSING: Any = object()


class Comparison(NamedTuple):
    """Paths that appeared, changed and vanished."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet


class _Differences:
    def __init__(self) -> None:
        self.added: set[Path] = set()
        self.modified: set[Path] = set()
        self.removed: set[Path] = set()

    def walk(self, before: Any, after: Any, shape: Shape, path: Path) -> None:
        if before is not _MISSING and after is not _MISSING and before == after:
            return
        old, new = _children(before, shape), _children(after, shape)
        if old is None or new is None or (not old and not new):
            self._leaf(before, after, path)
            return
        for element in {**old, **new}:
            was, inner = old.get(element, (_MISSING, None))
            now, other = new.get(element, (_MISSING, None))
            below = inner or other
            assert below is not None
            self.walk(was, now, below, (*path, element))
        if before is _MISSING:
            self.added.add(path)
        elif after is _MISSING:
            self.removed.add(path)

    def _leaf(self, before: Any, after: Any, path: Path) -> None:
        if before is _MISSING:
            self.added.add(path)
        elif after is _MISSING:
            self.removed.add(path)
        else:
            self.modified.add(path)


def _children(value: Any, shape: Shape) -> Mapping[str, tuple[Any, Shape]] | None:
    """The parts a value is compared by, None when it is compared as a whole."""
    if value is _MISSING:
        return {}
    if isinstance(value, Mapping) and not shape.atomic:
        if shape.kind in ("struct", "map"):
            return {f"f:{key}": (item, shape.at(key)) for key, item in value.items()}
        if shape.kind == "any":
            return {f"f:{key}": (item, shape) for key, item in value.items()}
    if shape.kind == "list" and shape.list_type in ("map", "set") and isinstance(value, list):
        return {element_key(item, shape): (item, shape.element) for item in value}
    return None


def compare(before: Mapping[str, Any], after: Mapping[str, Any], shape: Shape) -> Comparison:
    """The differences, leaves and everything around new or removed parts alike."""
    found = _Differences()
    found.walk(before, after, shape, ())
    for paths in (found.added, found.modified, found.removed):
        paths.discard(())
    return Comparison(frozenset(found.added), frozenset(found.modified), frozenset(found.removed))
