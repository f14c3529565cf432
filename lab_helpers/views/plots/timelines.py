"""What happened when: counts in equal spans of time, as stacked columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lab_helpers.views.plots.styles import Plot, look
from lab_helpers.views.tables import Table

__all__ = ["Timeline"]

_TICKS = 7


@dataclass(frozen=True, slots=True)
class Timeline(Plot):
    """``parts`` are (name, one count per span); the spans are ``span`` seconds long, the first begins at ``start``."""

    title: str
    start: datetime
    span: float
    parts: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def spans(self) -> int:
        """How many there are."""
        return len(self.parts[0][1]) if self.parts else 0

    def caption(self) -> str:
        """What a column counts."""
        return f"flows per {self.span:g} s (UTC)"

    def empty(self) -> bool:
        """No span?"""
        return not self.spans

    def labels(self) -> tuple[str, ...]:
        """The beginning of each span."""
        form = "%H:%M:%S" if self.span >= 1 else "%H:%M:%S.%f"
        return tuple((self.start + timedelta(seconds=self.span * n)).strftime(form)[:10] for n in range(self.spans))

    def table(self) -> Table:
        """The numbers; spans in which nothing happened are left out."""
        names = tuple(name for name, _ in self.parts)
        rows = tuple(
            (label, *(str(counts[index]) for _, counts in self.parts))
            for index, label in enumerate(self.labels())
            if any(counts[index] for _, counts in self.parts)
        )
        return Table(("from", *names), rows, self.title, "no flow seen")

    def draw(self, axes: Any) -> None:
        """One column per span."""
        base = [0] * self.spans
        places = range(self.spans)
        for index, (name, counts) in enumerate(self.parts):
            one = look(name, index)
            axes.bar(places, counts, bottom=base, width=0.9, label=name, color=one.colour, hatch=one.hatch)
            base = [low + count for low, count in zip(base, counts, strict=True)]
        labels = self.labels()
        step = max(1, -(-self.spans // _TICKS))
        axes.set_xticks(list(places)[::step], labels[::step])
        axes.set_ylim(0, max([1, *base]) * 1.05)
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=min(4, len(self.parts)))
