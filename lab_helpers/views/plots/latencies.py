"""How long answers took: for each series the share of answers that were so quick, and the usual percentiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from lab_helpers.views.plots.styles import INK, Plot, look
from lab_helpers.views.tables import Table

__all__ = ["LatencyPlot", "percentile"]

_MARKS: Final = (50, 90, 99)


def percentile(ordered: tuple[float, ...], share: float) -> float:
    """The smallest value that ``share`` percent do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class LatencyPlot(Plot):
    """``series`` are (name, latencies in milliseconds, ascending)."""

    title: str
    series: tuple[tuple[str, tuple[float, ...]], ...]
    unit: str = "share of answers that took at most so long"

    def caption(self) -> str:
        """The unit."""
        return self.unit

    def empty(self) -> bool:
        """No answer?"""
        return not any(values for _, values in self.series)

    def table(self) -> Table:
        """Count and percentiles."""
        rows = tuple(
            (name, str(len(values)), *(f"{percentile(values, mark):.2f} ms" for mark in _MARKS), f"{values[-1]:.2f} ms")
            for name, values in self.series
            if values
        )
        heads = ("", "answers", *(f"p{mark}" for mark in _MARKS), "longest")
        return Table(
            heads, rows, self.title, "no HTTP answer seen (only what HTTP rules send through Envoy is seen as HTTP)"
        )

    def draw(self, axes: Any) -> None:
        """A step for each answer."""
        for index, (name, values) in enumerate(self.series):
            if not values:
                continue
            one = look(name, index)
            shares = [100 * (place + 1) / len(values) for place in range(len(values))]
            axes.plot(
                values, shares, drawstyle="steps-post", label=name, color=one.colour, linestyle=one.dash,
                marker=one.marker, markevery=max(1, len(values) // 12),
            )  # fmt: skip
        for mark in _MARKS[:2]:
            axes.axhline(mark, color=INK, linewidth=0.6, linestyle=":")
            place = ("axes fraction", "data")
            axes.annotate(f"p{mark}", (0, mark), (5, 1), xycoords=place, textcoords="offset points", va="bottom")
        axes.set_xscale("symlog", linthresh=1)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlim(left=0)
        axes.set_ylim(0, 101)
        axes.set_xlabel("milliseconds")
        axes.set_ylabel("% of answers")
        axes.grid(axis="x")
        axes.legend(loc="lower right")
