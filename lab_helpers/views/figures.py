"""One style for all figures: readable on light and dark pages, without colour, and the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["HATCHES", "VERDICT_COLOURS", "figure_style", "stacked_bars"]

VERDICT_COLOURS = {
    "FORWARDED": "#1b7f4b",
    "REDIRECTED": "#2f6f9f",
    "DROPPED": "#c0392b",
    "AUDIT": "#b9770e",
    "TRACED": "#7f8c8d",
    "TRANSLATED": "#8e7cc3",
}
HATCHES = {"DROPPED": "xx", "REDIRECTED": "//", "AUDIT": "..", "TRANSLATED": "\\\\", "TRACED": "--"}
"""Patterns carry the meaning where colour cannot."""

_STYLE = {
    "figure.figsize": (7.5, 3.2),
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "cilium-labs",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Figures made inside have the course's look."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def stacked_bars(
    bars: Sequence[str], parts: Sequence[tuple[str, Sequence[int]]], *, title: str, unit: str = "flows"
) -> Figure:
    """Horizontal bars: ``parts`` are (name, one count per bar), stacked; numbers are written into them."""
    from matplotlib.figure import Figure

    with figure_style():
        figure = Figure(layout="constrained")
        figure.set_figheight(1.2 + 0.45 * max(1, len(bars)))
        axes: Any = figure.subplots()
        left = [0] * len(bars)
        for name, counts in parts:
            colour = VERDICT_COLOURS.get(name, "#607d8b")
            drawn = axes.barh(bars, counts, left=left, label=name, color=colour, edgecolor="white")
            for patch in drawn:
                patch.set_hatch(HATCHES.get(name, ""))
            axes.bar_label(drawn, [str(count) if count else "" for count in counts], label_type="center", color="white")
            left = [base + count for base, count in zip(left, counts, strict=True)]
        axes.invert_yaxis()
        axes.set_xlabel(unit)
        axes.set_title(title)
        if parts:
            axes.legend(loc="lower right", ncols=min(4, len(parts)))
        return figure
