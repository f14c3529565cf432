"""Column definitions and the printer of one kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

__all__ = ["Cells", "Column", "Printer", "columns"]

Cells = list[Any]


class Column(NamedTuple):
    """One column; priority 1 is shown by ``-o wide`` only."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    def definition(self) -> dict[str, Any]:
        """``TableColumnDefinition``."""
        return dict(self._asdict())


class Printer(NamedTuple):
    """The columns of a kind and the cells of one object at a moment; ``conditions`` marks finished rows."""

    columns: tuple[Column, ...]
    cells: Callable[[Mapping[str, Any], datetime], Cells]
    conditions: Callable[[Mapping[str, Any]], list[dict[str, str]]] | None = None


def columns(text: str) -> tuple[Column, ...]:
    """Columns from ``"Name Ready Restarts:integer | IP Node"``.

    Words, ``_`` for a space, wide columns after the bar.
    """
    found = []
    for priority, part in enumerate(text.split("|")):
        for word in part.split():
            name, _, kind = word.partition(":")
            found.append(Column(name.replace("_", " "), kind or "string", "name" if name == "Name" else "", priority))
    return tuple(found)
