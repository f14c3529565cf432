"""Here-documents: their bodies are read after the line that announces them, then put in place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lab_helpers.twin.containers.shell.cursors import Cursor
from lab_helpers.twin.containers.shell.errors import Unfinished
from lab_helpers.twin.containers.shell.trees import Redirect, Script, Word

__all__ = ["Announced", "bodies", "place"]


class Announced(NamedTuple):
    """``<<delimiter``. ``quoted``: nothing in the body is expanded."""

    redirect: Redirect
    delimiter: str
    quoted: bool


def bodies(cursor: Cursor, announced: Sequence[Announced]) -> Iterator[tuple[Announced, str]]:
    """Read the bodies where the cursor is, at the beginning of a line. Raises Unfinished."""
    for one in announced:
        lines: list[str] = []
        while True:
            if cursor.position >= len(cursor.text):
                raise Unfinished(f'here-document is not ended by "{one.delimiter}"')
            end = cursor.text.find("\n", cursor.position)
            line = cursor.text[cursor.position :] if end < 0 else cursor.text[cursor.position : end]
            cursor.position = len(cursor.text) if end < 0 else end + 1
            if one.redirect.operator == "<<-":
                line = line.lstrip("\t")
            if line == one.delimiter:
                break
            lines.append(line + "\n")
        yield one, "".join(lines)


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
