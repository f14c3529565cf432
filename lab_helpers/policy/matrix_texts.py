"""A reachability matrix as text, JSON and HTML. Signs carry the meaning, colour only supports it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Final

from lab_helpers.policy.reachability import Changed, Matrix, Reach

__all__ = ["changes_text", "matrix_html", "matrix_json", "matrix_text"]

_SIGNS: Final = {Reach.ALLOWED: "✓", Reach.PROXIED: "↪", Reach.DENIED: "✗"}
_LEGEND: Final = "✓ allowed   ↪ allowed, each request judged by a proxy   ✗ denied"
_STYLE: Final = (
    "table{border-collapse:collapse;font:14px system-ui,sans-serif}"
    "th,td{border:1px solid #8888;padding:.25em .5em;text-align:center}"
    "th[scope=row]{text-align:left}td.allowed{background:#2a82}td.proxied{background:#28c2}td.denied{background:#c332}"
)


def matrix_text(matrix: Matrix) -> str:
    """One line per source, one column per target; the targets are numbered above."""
    lines = [f"[{number}] {target}" for number, target in enumerate(matrix.targets, start=1)]
    width = max((len(source) for source in matrix.sources), default=0)
    cell = len(str(len(matrix.targets))) + 2
    lines.append("")
    lines.append(" " * width + " " + "".join(f"[{n}]".rjust(cell) for n in range(1, len(matrix.targets) + 1)))
    for source, cells in zip(matrix.sources, matrix.cells, strict=True):
        lines.append(source.ljust(width) + " " + "".join(_SIGNS[reach].rjust(cell) for reach in cells))
    return "\n".join([*lines, "", _LEGEND])


def matrix_json(matrix: Matrix) -> dict[str, Any]:
    """``{"sources": […], "targets": [{"name", "protocol", "port"}], "verdicts": [[…]]}``, rows in the order of the
    sources.
    """
    return {
        "sources": list(matrix.sources),
        "targets": [{"name": t.name, "protocol": t.protocol.text, "port": t.port} for t in matrix.targets],
        "verdicts": [[str(reach) for reach in row] for row in matrix.cells],
    }


def matrix_html(matrix: Matrix, *, title: str = "Who reaches whom") -> str:
    """A page of its own."""
    head = "".join(f'<th scope="col">{html.escape(str(target))}</th>' for target in matrix.targets)
    rows = ""
    for source, cells in zip(matrix.sources, matrix.cells, strict=True):
        row = "".join(f'<td class="{reach}" title="{reach}">{_SIGNS[reach]}</td>' for reach in cells)
        rows += f'<tr><th scope="row">{html.escape(source)}</th>{row}</tr>\n'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>\n"
        f"<table><thead><tr><th>from \\ to</th>{head}"
        f"</tr></thead>\n<tbody>\n{rows}</tbody></table>\n<p>{_LEGEND}</p></body></html>\n"
    )


def changes_text(changes: Sequence[Changed]) -> str:
    """One line per connection that would fare otherwise."""
    lines = [
        f"{_SIGNS[c.before]} → {_SIGNS[c.after]}  {c.source} → {c.target}: {c.before} → {c.after}" for c in changes
    ]
    opened = sum(change.before is Reach.DENIED for change in changes)
    closed = sum(change.after is Reach.DENIED for change in changes)
    lines.append(
        f"{len(changes)} changed: {opened} opened, {closed} closed, {len(changes) - opened - closed} otherwise"
    )
    return "\n".join(lines)
