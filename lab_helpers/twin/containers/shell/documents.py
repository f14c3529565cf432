"""Puts the bodies of here-documents in place once they have been read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.containers.shell.trees import Redirect, Script, Word

__all__ = ["place"]


def place(script: Script, bodies: Mapping[int, Word]) -> Script:
    """``script`` with each here-document redirect (found by the id of its object) carrying its body."""
    result = _walk(script, bodies)
    assert isinstance(result, Script)
    return result


def _walk(node: Any, bodies: Mapping[int, Word]) -> Any:
    if isinstance(node, Redirect):
        body = bodies.get(id(node))
        return node if body is None else Redirect(node.descriptor, node.operator, body)
    if isinstance(node, tuple):
        items = tuple(_walk(item, bodies) for item in node)
        return items if any(a is not b for a, b in zip(items, node, strict=True)) else node
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        changes = {}
        for one in dataclasses.fields(node):
            before = getattr(node, one.name)
            after = _walk(before, bodies)
            if after is not before:
                changes[one.name] = after
        return dataclasses.replace(node, **changes) if changes else node
    return node
