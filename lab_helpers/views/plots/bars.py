"""Counts by one thing, split by another, as horizontal stacked bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab_helpers.views.plots.styles import PAPER, Plot, look
from lab_helpers.views.tables import Table

__all__ = ["BarChart"]


@dataclass(frozen=True, slots=True)
class BarChart(Plot):
    """``parts`` are (name, one count per bar). Numbers and patterns carry what colour says."""

    title: str
    bars: tuple[str, ...]
    parts: tuple[tuple[str, tuple[int, ...]], ...]
    unit: str = "flows"

    def caption(self) -> str:
        """The unit."""
        return self.unit

    def empty(self) -> bool:
        """No bar?"""
        return not self.bars

    def table(self) -> Table:
        """The numbers."""
        rows = tuple((bar, *(str(counts[index]) for _, counts in self.parts)) for index, bar in enumerate(self.bars))
        return Table(("", *(name for name, _ in self.parts)), rows, self.title)

    def draw(self, axes: Any) -> None:
        """Largest on top."""
        axes.figure.set_figheight(1.3 + 0.42 * len(self.bars))
        left = [0] * len(self.bars)
        for index, (name, counts) in enumerate(self.parts):
            one = look(name, index)
            drawn = axes.barh(self.bars, counts, left=left, label=name, color=one.colour, hatch=one.hatch)
            left = _stack(axes, drawn, left, counts)
        axes.invert_yaxis()
        axes.set_xlim(0, max([1, *left]) * 1.02)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=min(4, len(self.parts)))


def _stack(axes: Any, drawn: Any, left: Sequence[int], counts: Sequence[int]) -> list[int]:
    labels = [str(count) if count else "" for count in counts]
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.2}
    for text in axes.bar_label(drawn, labels, label_type="center"):
        if text.get_text():
            text.set_bbox(box)
    return [base + count for base, count in zip(left, counts, strict=True)]
