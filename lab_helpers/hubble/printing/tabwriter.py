"""Columns as Go's text/tabwriter lays them out.

A cell ends at a tab; the last cell of a line belongs to no column. A column is a block of consecutive lines that have a
cell there; its width is that of its widest cell plus the padding. Widths count code points. ``\\v`` acts as a tab (and
is the cell separator inside of which padding cannot be discarded), ``\\f`` ends all columns, ``\\n`` ends a line.
"""

import re

_SPLIT = re.compile("([\t\v\n\f])")


class TabWriter:
    """Collects text and formats it: `minimum` cell width (padding included), `padding` blanks after each cell."""

    def __init__(self, minimum: int = 0, padding: int = 1) -> None:
        self.minimum = minimum
        self.padding = padding
        self._done: list[str] = []
        self._lines: list[list[str]] = [[]]
        self._cell = ""

    def write(self, text: str) -> None:
        """Add text."""
        for piece in _SPLIT.split(text):
            if piece in ("\t", "\v"):
                self._end_cell()
            elif piece in ("\n", "\f"):
                cells = len(self._lines[-1])
                self._end_cell()
                self._lines.append([])
                if piece == "\f" or cells == 0:
                    # a line of one cell ends every column, so what is there can be laid out
                    self._layout()
            else:
                self._cell += piece

    def flush(self) -> str:
        """Everything written so far, formatted; the writer is empty afterwards."""
        if self._cell:
            self._end_cell()
        self._layout()
        out, self._done = "".join(self._done), []
        return out

    def _end_cell(self) -> None:
        self._lines[-1].append(self._cell)
        self._cell = ""

    def _layout(self) -> None:
        lines, self._lines = self._lines, [[]]
        widths: list[list[int]] = [[] for _ in lines]
        self._measure(lines, widths, 0, len(lines), 0)
        last = len(lines) - 1
        for index, (cells, columns) in enumerate(zip(lines, widths, strict=True)):
            parts = [cell.ljust(columns[i]) if i < len(columns) else cell for i, cell in enumerate(cells)]
            self._done.append("".join(parts) + ("" if index == last else "\n"))

    def _measure(self, lines: list[list[str]], widths: list[list[int]], start: int, stop: int, column: int) -> None:
        index = start
        while index < stop:
            if column >= len(lines[index]) - 1:
                index += 1
                continue
            end, width, empty = index, self.minimum, True
            while end < stop and column < len(lines[end]) - 1:
                cell = lines[end][column]
                width = max(width, len(cell) + self.padding)
                empty = empty and not cell
                end += 1
            for row in range(index, end):
                widths[row].append(width)
            self._measure(lines, widths, index, end, column + 1)
            index = end
