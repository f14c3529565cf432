"""An eager clock: what everybody only waits for comes at once.

For runs that nobody watches. While somebody waits for the cluster (a command in a pod, a watch of kubectl) and nothing
in the twin has anything left to do, the clock goes to the next timer instead of waiting for it. Every timer still
happens at its own moment and in its order, so a refused connection takes its three seconds for everything that looks at
the clock, and a blink for the person. When nobody waits, time passes as it does everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from lab_helpers.twin.clock import Clock

__all__ = ["LONGEST", "Hurry"]

LONGEST: Final = 60.0
"""Seconds of the clock that one who waits may skip; from then on time passes by itself again."""
_BREATH: Final = 0.005
"""Real seconds between two leaps, for whoever is about to ask something."""


class Hurry:
    """Hurries one clock while somebody ``waits``. ``moved`` is called when the last of them has what it waited for."""

    def __init__(self, clock: Clock, moved: Callable[[], object] = lambda: None) -> None:
        self._clock = clock
        self._moved = moved
        self._limits: dict[object, float] = {}
        self._running: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def waiting(self, longest: float = LONGEST) -> Iterator[None]:
        """Somebody waits for at most ``longest`` seconds of the clock."""
        key = object()
        self._limits[key] = self._clock.monotonic() + longest
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
        try:
            yield
        finally:
            del self._limits[key]
            if not self._limits:
                self._running.cancel()
                self._running = None
                self._moved()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_BREATH)
            await self._clock.leap(max(self._limits.values()))
