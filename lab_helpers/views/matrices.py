"""Who reaches whom: a matrix of outcomes, and what changed between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab_helpers.views.display import Tone, View, badge, cell_text, escape
from lab_helpers.views.tables import columns
from lab_helpers.views.verdicts import Outcome

__all__ = ["Matrix"]

_CHANGED = Tone("⇄", "cl-note")


@dataclass(frozen=True, slots=True)
class Matrix(View):
    """``cells`` maps (source, target) to an outcome. With ``before``, changed cells are marked with both outcomes."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    cells: Mapping[tuple[str, str], Outcome] = field(hash=False)
    title: str = ""
    before: Matrix | None = None

    def changed(self) -> tuple[tuple[str, str], ...]:
        """The pairs that had another outcome before."""
        if self.before is None:
            return ()
        was = self.before.cells
        return tuple(pair for pair in self._pairs() if pair in was and was[pair] is not self.cells[pair])

    def since(self, before: Matrix) -> Matrix:
        """This matrix, marked with what changed since ``before``."""
        return Matrix(self.sources, self.targets, self.cells, self.title, before)

    def text(self) -> str:
        """A table of icons and words, and the changes as lines."""
        rows = [("from \\ to", *self.targets)]
        rows += [(source, *(self._word((source, target)) for target in self.targets)) for source in self.sources]
        lines = [self.title] if self.title else []
        lines.append(columns(rows))
        if self.before is not None:
            lines.append(self._summary())
        return "\n".join(lines)

    def body(self) -> str:
        """A table with row and column headers."""
        title = f"<h4>{cell_text(self.title)}</h4>" if self.title else ""
        head = "".join(f'<th scope="col">{escape(target)}</th>' for target in self.targets)
        rows = ""
        for source in self.sources:
            cells = "".join(f"<td>{self._cell((source, target))}</td>" for target in self.targets)
            rows += f'<tr><th scope="row">{escape(source)}</th>{cells}</tr>'
        summary = f"<p>{cell_text(self._summary())}</p>" if self.before is not None else ""
        corner = "<th>from \\ to</th>"
        return f"{title}<table><thead><tr>{corner}{head}</tr></thead><tbody>{rows}</tbody></table>{summary}"

    def _pairs(self) -> tuple[tuple[str, str], ...]:
        return tuple((source, target) for source in self.sources for target in self.targets)

    def _word(self, pair: tuple[str, str]) -> str:
        outcome = self.cells[pair]
        word = f"{outcome.tone.icon} {outcome.value}"
        if pair in self.changed() and self.before is not None:
            word = f"{_CHANGED.icon} {self.before.cells[pair].value} → {word}"
        return word

    def _cell(self, pair: tuple[str, str]) -> str:
        outcome = self.cells[pair]
        shown = badge(outcome.tone, outcome.value)
        if pair in self.changed() and self.before is not None:
            shown = f"{escape(self.before.cells[pair].value)} → {shown}"
        return shown

    def _summary(self) -> str:
        changed = self.changed()
        if not changed:
            return "Nothing changed."
        pairs = "; ".join(f"{source} to {target}" for source, target in changed)
        return f"{len(changed)} of {len(self._pairs())} changed: {pairs}."
