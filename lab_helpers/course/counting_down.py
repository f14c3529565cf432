"""How a wait on a real cluster looks: a bar that fills in its place, or lines of text where nothing can be redrawn."""

from __future__ import annotations

import sys
from typing import Final, TextIO

from lab_helpers.course import notebooks
from lab_helpers.views.panels import Panel

__all__ = ["Countdown"]

_WIDTH: Final = 20
_LINES: Final = 10


class Countdown:
    """``tick(seconds left)`` as often as one likes. In a notebook each call redraws the bar; elsewhere there are eleven
    lines at most, on ``stream`` (standard error).
    """

    def __init__(self, title: str, seconds: float, *, stream: TextIO | None = None) -> None:
        self._title = title
        self._seconds = seconds
        self._stream = stream
        self._place = notebooks.place()
        self._said = -1

    def tick(self, left: float) -> None:
        """Show how long it still takes."""
        if notebooks.redraws():
            self._place.show(Panel(self._title, mark="waiting", lines=(self.line(left),)))
            return
        tenth = int(_LINES * self._done(left))
        if tenth > self._said:
            self._said = tenth
            print(f"{self._title}: {self.line(left)}", file=self._stream or sys.stderr, flush=True)

    def line(self, left: float) -> str:
        """The bar, and the time left in seconds or minutes."""
        full = int(_WIDTH * self._done(left))
        minutes, seconds = divmod(round(left), 60)
        words = f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
        return f"{'█' * full}{'·' * (_WIDTH - full)} {words} to go"

    def _done(self, left: float) -> float:
        return 1 - min(max(left / self._seconds, 0.0), 1.0) if self._seconds > 0 else 1.0
