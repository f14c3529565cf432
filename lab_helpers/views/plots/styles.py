"""The one style of figures: readable on light and dark pages, without colour, the same bytes on every machine.

A figure is drawn in the light theme's colours on nothing. As SVG each of them becomes the custom property it stands for
(``--cl-ink`` …, see ``views/style/tokens.css``), so the same picture follows the page's theme. Lines differ by marker
and dash, bars by hatching, and all carry their numbers as text.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lab_helpers.views.display import View, cell_text, escape
from lab_helpers.views.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["INK", "PAPER", "Look", "Plot", "figure_style", "look", "svg"]

INK: Final = "#1f1f1f"
PAPER: Final = "#ffffff"
_TOKENS: Final = {
    INK: "--cl-ink",
    PAPER: "--cl-paper",
    "#17663a": "--cl-good",
    "#b3261e": "--cl-bad",
    "#8a4b00": "--cl-note",
    "#1f5f99": "--cl-way",
    "#595959": "--cl-none",
    "#6c4a9e": "--cl-alt",
    "#dedede": "--cl-hair",
}
"""Colours of the light theme, and the custom properties they become."""
_STYLE: Final = {
    "figure.figsize": (7.5, 3.2),
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": "#dedede",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "font.size": 10,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "hatch.linewidth": 0.6,
    "hatch.color": PAPER,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "svg.hashsalt": "cilium-labs",
    "svg.fonttype": "none",
}


class Look(NamedTuple):
    """How a series is told from others."""

    colour: str
    hatch: str
    marker: str
    dash: str


_LOOKS: Final = {
    "FORWARDED": Look("#17663a", "", "o", "-"),
    "DROPPED": Look("#b3261e", "xx", "X", "--"),
    "REDIRECTED": Look("#1f5f99", "//", "^", "-."),
    "AUDIT": Look("#8a4b00", "..", "s", ":"),
    "TRACED": Look("#595959", "--", "v", ":"),
    "TRANSLATED": Look("#6c4a9e", "\\\\", "D", "-."),
}
_OTHERS: Final = (
    Look("#1f5f99", "", "o", "-"),
    Look("#8a4b00", "//", "s", "--"),
    Look("#6c4a9e", "\\\\", "^", "-."),
    Look("#17663a", "..", "D", ":"),
    Look("#595959", "xx", "v", "-"),
)


def look(name: str, index: int) -> Look:
    """Of a verdict its own; of anything else that of its place."""
    return _LOOKS.get(name) or _OTHERS[index % len(_OTHERS)]


_drawing = threading.RLock()
"""Matplotlib's settings are the process's: two threads that change and restore them would leave each other's behind."""


@contextmanager
def figure_style() -> Iterator[None]:
    """Figures made and drawn inside have the course's look."""
    import matplotlib as mpl

    with _drawing:
        before = {name: mpl.rcParams[name] for name in _STYLE}  # not all: a cell may set others meanwhile
        mpl.rcParams.update(_STYLE)
        try:
            yield
        finally:
            mpl.rcParams.update(before)


def svg(figure: Figure) -> str:
    """A figure as an ``<svg>`` element in the theme's colours, the same bytes for the same figure."""
    buffer = io.StringIO()
    with figure_style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for colour, token in _TOKENS.items():
        text = text.replace(f": {colour}", f": var({token},{colour})")
        text = text.replace(f'fill="{colour}"', f'style="fill: var({token},{colour})"')
    return text


class Plot(View):
    """A figure and the numbers behind it. Subclasses draw on axes that are given."""

    title: str

    def caption(self) -> str:
        """What is counted or measured."""
        raise NotImplementedError

    def table(self) -> Table:
        """The numbers."""
        raise NotImplementedError

    def draw(self, axes: Any) -> None:
        """Put the numbers on the axes."""
        raise NotImplementedError

    def empty(self) -> bool:
        """Is there nothing to draw?"""
        raise NotImplementedError

    def text(self) -> str:
        """The numbers as a table."""
        return self.table().text()

    def body(self) -> str:
        """The figure, with the numbers as its description."""
        if self.empty():
            return self.table().body()
        label = f'role="img" aria-label="{escape(self.text())}"'
        drawing = svg(self.figure()).replace("<svg ", f'<svg {label} style="max-width:100%;height:auto" ', 1)
        caption = f'<figcaption class="cl-faint">{cell_text(self.caption())}</figcaption>'
        return f'<figure style="margin:0">{drawing}{caption}</figure>'

    def figure(self) -> Figure:
        """A matplotlib figure, to be changed further."""
        from matplotlib.figure import Figure

        with figure_style():
            figure = Figure(layout="constrained")
            axes: Any = figure.subplots()
            self.draw(axes)
            axes.set_title(self.title)
        return figure
