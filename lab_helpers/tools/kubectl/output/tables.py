"""Columns aligned by spaces, as kubectl's tabwriter does it (minimum width 6, padding 3)."""

from collections.abc import Iterable, Sequence
from typing import TextIO


class Tabwriter:
    """Rows whose cells, except the last, are padded to the widest of their column; widths outlive flushes."""

    def __init__(self, out: TextIO, *, minimum: int = 6, padding: int = 3) -> None:
        self._out = out
        self._minimum = minimum
        self._padding = padding
        self._widths: list[int] = []
        self._rows: list[Sequence[str]] = []

    def row(self, cells: Sequence[str]) -> None:
        """Add a row."""
        self._rows.append(cells)

    def flush(self) -> None:
        """Write the rows added so far."""
        for cells in self._rows:
            for index, cell in enumerate(cells[:-1]):
                width = max(self._minimum, len(cell) + self._padding)
                if index == len(self._widths):
                    self._widths.append(width)
                elif width > self._widths[index]:
                    self._widths[index] = width
        lines = []
        for cells in self._rows:
            padded = [cell.ljust(self._widths[index]) for index, cell in enumerate(cells[:-1])]
            lines.append("".join(padded) + (cells[-1] if cells else "") + "\n")
        self._out.write("".join(lines))
        self._rows.clear()

    def forget(self) -> None:
        """Forget the widths: a new table begins."""
        self._widths.clear()


def aligned(rows: Iterable[Sequence[str]], *, minimum: int = 0, padding: int = 2) -> list[str]:
    """Rows as lines in the manner of text/tabwriter: a column is a run of adjacent rows that have that cell followed
    by a tab.
    """
    table = [list(row) for row in rows]
    widths: list[list[int]] = [[0] * max(len(row) - 1, 0) for row in table]
    deepest = max((len(row) - 1 for row in table), default=0)
    for column in range(deepest):
        start = 0
        while start < len(table):
            if len(table[start]) - 1 <= column:
                start += 1
                continue
            end = start
            while end < len(table) and len(table[end]) - 1 > column:
                end += 1
            width = max(len(table[index][column]) for index in range(start, end))
            width = max(minimum, width + padding)
            for index in range(start, end):
                widths[index][column] = width
            start = end
    return [
        "".join(cell.ljust(width) for cell, width in zip(row, sizes, strict=False)) + (row[-1] if row else "")
        for row, sizes in zip(table, widths, strict=True)
    ]
