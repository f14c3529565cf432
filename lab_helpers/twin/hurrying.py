"""An eager clock: what everybody only waits for comes at once.

For runs that nobody watches. While somebody waits for the cluster (a command in a pod, a watch of kubectl, helm or
cilium asking the same again and again) and nothing in the twin has anything left to do, the clock goes to the next
timer instead of waiting for it. Every timer still happens at its own moment and in its order, so a refused connection
takes its three seconds for everything that looks at the clock, and a blink for the person. When nobody waits, time
passes as it does everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from lab_helpers.twin.clock import Clock

__all__ = ["LONGEST", "Hurry", "Polls"]

LONGEST: Final = 60.0
"""Seconds of the clock that one who waits may skip; from then on time passes by itself again."""
_BREATH: Final = 0.005
"""Real seconds between two leaps, for whoever is about to ask something."""
_SOON: Final = 3.0
"""Real seconds within which a question that is asked again is the same wait; helm and cilium look every two."""
_TIMES: Final = 3
"""How often the same is asked by one who waits; twice is also asked by one who only looks."""
_LOOK: Final = 0.2
"""Real seconds of hurry between two looks."""
_STEP: Final = 5.0
"""Seconds of the clock that may pass between two looks: what comes then is found soon after it came."""


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


@dataclass(slots=True)
class _Poll:
    """The same question, asked so many ``times``, ``last`` at this real moment; no leaps beyond ``limit`` (clock)."""

    limit: float
    times: int = 0
    last: float = field(default=float("-inf"))


class Polls:
    """Finds those who wait by asking: the third time the same is asked, the clock hurries until the next time."""

    def __init__(self, hurry: Hurry, clock: Clock) -> None:
        self._hurry = hurry
        self._clock = clock
        self._known: dict[object, _Poll] = {}

    def asked(self, question: object) -> None:
        """Somebody asks this, who may have asked it before. Called in the event loop."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._known = {key: poll for key, poll in self._known.items() if now - poll.last <= _SOON}
        poll = self._known.setdefault(question, _Poll(self._clock.monotonic() + LONGEST))
        poll.times, poll.last = poll.times + 1, now
        step = min(_STEP, poll.limit - self._clock.monotonic())
        if poll.times >= _TIMES and step > 0:
            waiting = contextlib.ExitStack()
            waiting.enter_context(self._hurry.waiting(step))
            loop.call_later(_LOOK, waiting.close)
