"""Tables: aligned columns as text, ``<table>`` as HTML."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from lab_helpers.views.display import Tone, View, badge, cell_text, escape

__all__ = ["Cell", "Marked", "Table", "columns", "width"]


@dataclass(frozen=True, slots=True)
class Marked:
    """A cell with a mark: icon and word."""

    tone: Tone
    word: str

    def __str__(self) -> str:
        return f"{self.tone.icon} {self.word}"


Cell = str | Marked


def width(text: str) -> int:
    """Columns ``text`` takes on a terminal: wide characters count twice, combining ones not at all."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def columns(rows: Sequence[Sequence[str]], gap: int = 3) -> str:
    """Rows of equal length as aligned text; blanks at the end of a line are dropped."""
    if not rows:
        return ""
    widths = [max(width(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        (" " * gap).join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class Table(View):
    """``header`` and ``rows`` of the same length; ``empty`` is shown instead of no rows at all."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    empty: str = "nothing to show"

    def text(self) -> str:
        """Title, header in capitals, rows."""
        if not self.rows:
            return f"{self.title}: {self.empty}" if self.title else self.empty
        lines = [tuple(name.upper() for name in self.header), *(tuple(map(str, row)) for row in self.rows)]
        table = columns(lines)
        return f"{self.title}\n{table}" if self.title else table

    def body(self) -> str:
        """``<table>`` with a caption, in a frame that makes it closer where the page is narrow, and scrolls it then."""
        title = f"<h4>{cell_text(self.title)}</h4>" if self.title else ""
        if not self.rows:
            return f'{title}<p class="cl-faint">{cell_text(self.empty)}</p>'
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.header)
        rows = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in self.rows)
        return f'{title}<div class="cl-wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(cell: Cell) -> str:
    return badge(cell.tone, cell.word) if isinstance(cell, Marked) else cell_text(cell)
