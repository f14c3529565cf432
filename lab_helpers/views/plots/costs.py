"""What one lookup costs as a table grows: the straight line of a list against the level one of a hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab_helpers.views.plots.styles import Plot, look
from lab_helpers.views.tables import Table

__all__ = ["CostPlot"]


@dataclass(frozen=True, slots=True)
class CostPlot(Plot):
    """``sizes`` ascend (Services); ``series`` are (name, microseconds of one lookup at each size)."""

    title: str
    sizes: tuple[int, ...]
    series: tuple[tuple[str, tuple[float, ...]], ...]
    unit: str = "one lookup, both axes logarithmic"
    what: str = "Services"

    def caption(self) -> str:
        """The unit."""
        return self.unit

    def empty(self) -> bool:
        """Nothing measured?"""
        return not self.sizes

    def table(self) -> Table:
        """The numbers."""
        rows = tuple(
            (f"{size:,}", *(f"{values[index]:.2f} µs" for _, values in self.series))
            for index, size in enumerate(self.sizes)
        )
        return Table((self.what, *(name for name, _ in self.series)), rows, self.title, "nothing measured")

    def draw(self, axes: Any) -> None:
        """A line each."""
        for index, (name, values) in enumerate(self.series):
            one = look(name, index)
            axes.plot(self.sizes, values, label=name, color=one.colour, linestyle=one.dash, marker=one.marker)
            end, label = (self.sizes[-1], values[-1]), f"{values[-1]:.3g} µs"
            axes.annotate(label, end, (7, 0), textcoords="offset points", va="center")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel(self.what)
        axes.set_ylabel("microseconds")
        axes.grid(which="major")
        axes.margins(x=0.12)
        axes.legend(loc="upper left")
