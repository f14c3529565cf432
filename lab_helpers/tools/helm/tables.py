"""Tables as helm prints them (github.com/gosuri/uitable): padded columns with tabs between, long cells cut."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["table"]


def table(rows: Sequence[Sequence[str]], *, widest: int = 80) -> str:
    """``rows`` (the header first) as lines."""
    cut = [[_cut(cell, widest) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cut) for column in range(len(cut[0]))]
    return "".join("\t".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + "\n" for row in cut)


def _cut(cell: str, widest: int) -> str:
    return cell if len(cell) <= widest else cell[: widest - 3] + "..."
