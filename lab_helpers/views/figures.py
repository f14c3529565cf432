"""Figures by matplotlib in one style: readable on light and dark pages, without colour, the same on every machine."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.views.display import View, cell_text, escape
from lab_helpers.views.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BarChart", "figure_style", "svg"]

_COLOURS: Final = {
    "FORWARDED": "#1b7f4b",
    "REDIRECTED": "#2f6f9f",
    "DROPPED": "#b03a2e",
    "AUDIT": "#9c640c",
    "TRACED": "#616a6b",
    "TRANSLATED": "#6c4a9e",
}
_OTHER_COLOURS: Final = ("#2f6f9f", "#9c640c", "#6c4a9e", "#1b7f4b", "#616a6b")
_HATCHES: Final = {"DROPPED": "xx", "REDIRECTED": "//", "AUDIT": "..", "TRANSLATED": "\\\\", "TRACED": "--"}
_STYLE: Final = {
    "figure.figsize": (7.5, 3.2),
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "font.size": 10,
    "legend.frameon": False,
    "hatch.linewidth": 0.5,
    "hatch.color": "#ffffff",
    "svg.hashsalt": "cilium-labs",
    "svg.fonttype": "none",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Figures made and drawn inside have the course's look."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def svg(figure: Figure) -> str:
    """A figure as an ``<svg>`` element, the same bytes for the same figure."""
    buffer = io.StringIO()
    with figure_style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


@dataclass(frozen=True, slots=True)
class BarChart(View):
    """Horizontal stacked bars: ``parts`` are (name, one count per bar). Numbers and patterns carry what colour says."""

    title: str
    bars: tuple[str, ...]
    parts: tuple[tuple[str, tuple[int, ...]], ...]
    unit: str = "flows"

    def table(self) -> Table:
        """The numbers."""
        rows = tuple((bar, *(str(counts[index]) for _, counts in self.parts)) for index, bar in enumerate(self.bars))
        return Table(("", *(name for name, _ in self.parts)), rows, self.title)

    def text(self) -> str:
        """The numbers as a table."""
        return self.table().text()

    def body(self) -> str:
        """The figure, with the numbers as its description."""
        if not self.bars:
            return self.table().body()
        label = f'role="img" aria-label="{escape(self.text())}"'
        drawing = svg(self.figure()).replace("<svg ", f'<svg {label} style="max-width:100%;height:auto" ', 1)
        caption = f'<figcaption class="cl-faint">{cell_text(self.unit)}</figcaption>'
        return f'<figure style="margin:0">{drawing}{caption}</figure>'

    def figure(self) -> Figure:
        """A matplotlib figure, to be changed further."""
        from matplotlib.figure import Figure

        with figure_style():
            figure = Figure(layout="constrained")
            figure.set_figheight(1.3 + 0.42 * len(self.bars))
            axes: Any = figure.subplots()
            left = [0] * len(self.bars)
            for index, (name, counts) in enumerate(self.parts):
                colour = _COLOURS.get(name, _OTHER_COLOURS[index % len(_OTHER_COLOURS)])
                drawn = axes.barh(self.bars, counts, left=left, label=name, color=colour, hatch=_HATCHES.get(name, ""))
                left = _stack(axes, drawn, left, counts)
            axes.invert_yaxis()
            axes.set_title(self.title)
            axes.set_xlim(0, max([1, *left]) * 1.02)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=min(4, len(self.parts)))
        return figure


def _stack(axes: Any, drawn: Any, left: Sequence[int], counts: Sequence[int]) -> list[int]:
    labels = [str(count) if count else "" for count in counts]
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
    for text in axes.bar_label(drawn, labels, label_type="center"):
        if text.get_text():
            text.set_bbox(box)
    return [base + count for base, count in zip(left, counts, strict=True)]
