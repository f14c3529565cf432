"""A plot of live flows that draws itself anew, at most once a second, in a thread of the widget's own.

::

    plot = lab.plot("verdicts", "--namespace shop")
    plot.kind = "latency"      # the page follows
    plot.view()                # the plot of now, as a value
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lab_helpers.views.display import View
from lab_helpers.views.explorer.commands import everything, read_command
from lab_helpers.views.live.following import Batch, Follower
from lab_helpers.views.live.widgets import LiveWidget, module, stylesheet
from lab_helpers.views.plots.counting import drops_by_reason, http_latency, verdicts_over_time
from lab_helpers.views.plots.styles import Plot

if TYPE_CHECKING:
    from lab_helpers.hubble.protos.flow_pb2 import Flow

__all__ = ["KINDS", "LivePlot"]

_PACE: Final = 1.0
"""Seconds between two drawings."""
_SETTLING: Final = 5.0


class Kind(NamedTuple):
    """What can be plotted: the words of the choice, and how."""

    words: str
    make: Callable[[Iterable[Flow]], Plot]


KINDS: Final[Mapping[str, Kind]] = {
    "verdicts": Kind("verdicts over time", verdicts_over_time),
    "drops": Kind("drops by reason", drops_by_reason),
    "latency": Kind("HTTP latency", http_latency),
}


class LivePlot(LiveWidget):
    """See the module. ``command`` filters as ``hubble observe`` does."""

    _esm = module("plots")
    _css = stylesheet("plots")

    def __init__(
        self, follower: Follower, kind: str = "verdicts", command: str = "", *, settling: float = _SETTLING
    ) -> None:
        self._kind = self._own = _known(kind)
        self._command = read_command(command) if command else everything()
        if self._command.fault is not None:
            raise ValueError(self._command.fault.what)
        self._passes = self._command.predicate()
        self._paused: Plot | None = None
        self._choosing = threading.Lock()
        super().__init__(follower)
        self._drawing = self.worker(self._draw, pace=_PACE)
        follower.settle(settling)

    @property
    def kind(self) -> str:
        """What is plotted: one of ``KINDS``."""
        return self._kind

    @kind.setter
    def kind(self, kind: str) -> None:
        with self._choosing:
            self._kind = _known(kind)
            self._paused = None
        self._drawing.wake()

    def view(self) -> Plot:
        """The plot of now."""
        return self._view(self._kind)

    def static(self) -> View:
        """The plot, or why there is none."""
        status = self.follower.status
        return self.view() if status.live or self.follower.ring.end else status

    def _view(self, kind: str) -> Plot:
        _, records = self.follower.ring.window(0)
        return KINDS[kind].make(record.flow for record in records if self._passes(record))

    # --- the page ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> None:
        """The choices, with the picture."""
        self._drawing.wake()

    def on_flows(self, batch: Batch) -> None:
        """Something to draw, unless it is paused."""
        del batch
        if self._paused is None:
            self._drawing.wake()

    def on_kind(self, content: Mapping[str, Any]) -> None:
        """The page chose another plot."""
        self.kind = str(content.get("name", ""))

    def on_pause(self, content: Mapping[str, Any]) -> None:
        """The page holds the picture, or lets it go on."""
        held = self.view() if content.get("on") else None
        with self._choosing:
            self._paused = held
        self._drawing.wake()

    def _draw(self) -> None:
        with self._choosing:
            kind, held = self._kind, self._paused
        plot = held or self._view(kind)
        self.tell(
            "plot",
            chosen=kind,
            own=self._own,
            kinds=[[name, kind.words] for name, kind in KINDS.items()],
            command=self._command.shell,
            paused=held is not None,
            picture=plot.body(),
            numbers=plot.text(),
        )


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f'there is no plot "{kind}"; one of: {", ".join(KINDS)}')
    return kind
