"""How often something is shown: what begins after a quiet time soon, what goes on at the usual pace."""

from __future__ import annotations

from typing import Final

__all__ = ["FIRST", "Pace"]

FIRST: Final = 0.02
"""Seconds from the first time to the second: all flows of a connection come within a few of them."""


class Pace:
    """From one time to the next: ``FIRST`` after a quiet time, then each twice the one before, ``usual`` at most. It is
    quiet when nothing was done for ``usual`` seconds in which it might have been.

    What takes long is followed by a rest as long as it took, once the usual pace is reached; before, by a part of it.
    """

    def __init__(self, usual: float) -> None:
        self._usual = usual
        self._step = 0.0
        self._due = float("-inf")

    def rest(self, began: float, took: float = 0.0) -> float:
        """Something began (seconds of a steady clock) and took so long: seconds to rest before the next time."""
        quiet = began - self._due > self._usual
        self._step = min(self._usual, FIRST if quiet else 2 * self._step)
        share = self._step / self._usual if self._usual else 1.0
        rest = max(self._step - took, share * took)
        self._due = began + took + rest
        return rest
