"""The twin's time: real time that can be moved forward.

Everything in the twin that waits, expires or stamps uses a :class:`Clock`, so "it works for an hour, then breaks" takes
a second. ``now()`` is wall-clock UTC, ``monotonic()`` never goes back; both include what ``advance`` skipped.

A jump plays every timer at its own moment, in order, and lets everything that follows from it happen before the next
one. Only what repeats itself and has nothing new to tell (a probe that passes, a lease renewed by its holder) asks
``pace`` when to come again, and comes about a dozen times in a long jump instead of thousands of times.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Sized
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["Clock", "ManualClock", "Timer", "timestamp"]

REPEATS: Final = 12
"""How often a jump plays what repeats itself and has nothing new to tell."""
_TURNS: Final = 500
"""Turns of the event loop after which what still runs at one moment is taken to run for ever."""


def timestamp(moment: datetime) -> str:
    """Kubernetes' ``metav1.Time`` form: RFC 3339 in UTC, whole seconds."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


class Timer:
    """A call that is due at ``due`` (clock seconds); ``cancel()`` forgets it."""

    __slots__ = ("callback", "cancelled", "due")

    def __init__(self, due: float, callback: Callable[[], object]) -> None:
        self.due = due
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Forget the call; harmless when it already happened."""
        self.cancelled = True


class Clock:
    """Real time plus an offset. Timers fire in the running asyncio loop, in the order they are due."""

    def __init__(self, *, offset: float = 0.0) -> None:
        self._offset = offset
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._wakeup: asyncio.TimerHandle | None = None
        self._armed = 0.0
        self._target: float | None = None
        self._stride = 0.0

    @property
    def offset(self) -> float:
        """Seconds by which this clock is ahead of the host's."""
        return self._offset

    def now(self) -> datetime:
        """The current moment, UTC."""
        return datetime.now(UTC) + timedelta(seconds=self._offset)

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        return time.monotonic() + self._offset

    def timestamp(self) -> str:
        """``now()`` as Kubernetes writes it."""
        return timestamp(self.now())

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call ``callback()`` in the event loop once ``delay`` seconds of this clock have passed."""
        timer = Timer(self.monotonic() + max(delay, 0.0), callback)
        heapq.heappush(self._heap, (timer.due, next(self._order), timer))
        if self._target is None and (self._wakeup is None or timer.due < self._armed):
            self._arm()
        return timer

    def pace(self, period: float) -> float:
        """Seconds until something that repeats every ``period`` seconds, and has nothing new to tell, should come
        again: ``period``, or in a long jump a multiple of it that does not pass the jump's end.
        """
        if self._target is None or period <= 0:
            return period
        left = self._target - self.monotonic()
        return period * max(1, min(int(self._stride / period), int(left / period)))

    async def sleep(self, delay: float) -> None:
        """Wait ``delay`` seconds of this clock."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay, lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            timer.cancel()

    async def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``; every timer that falls due on the way fires at its own moment, in order. One
        jump at a time.
        """
        if seconds < 0:
            raise ValueError(f"the clock only moves forward, not by {seconds} s")
        target = self.monotonic() + seconds
        self._target, self._stride = target, seconds / REPEATS
        try:
            while True:
                await _settle()
                due = self._next_due()
                if due is None or due > target:
                    break
                self._offset += max(due - self.monotonic(), 0.0)
                self._fire()
            self._offset += max(target - self.monotonic(), 0.0)
        finally:
            self._target = None
            self._arm()
        await _settle()

    async def leap(self, until: float) -> bool:
        """Go to the next timer, if it is due by ``until`` (as ``monotonic()``) and nothing but time is waited for; play
        what is due there. False when time has to pass by itself.
        """
        if not await _settle() or self._target is not None:
            return False
        due = self._next_due()
        if due is None or due > until:
            return False
        self._offset += max(due - self.monotonic(), 0.0)
        self._fire()
        return True

    def _next_due(self) -> float | None:
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _fire(self) -> None:
        if self._wakeup is not None:
            self._wakeup.cancel()
            self._wakeup = None
        now = self.monotonic()
        while (due := self._next_due()) is not None and due <= now:
            timer = heapq.heappop(self._heap)[2]
            timer.callback()
        if self._target is None:
            self._arm()

    def _arm(self) -> None:
        if self._wakeup is not None:
            self._wakeup.cancel()
            self._wakeup = None
        due = self._next_due()
        if due is not None:
            self._armed = due
            self._wakeup = asyncio.get_running_loop().call_later(max(due - self.monotonic(), 0.0), self._fire)


class ManualClock(Clock):
    """A clock for tests: it stands still until ``advance`` moves it."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        super().__init__()
        self._start = start

    def now(self) -> datetime:
        """``start`` plus what was advanced."""
        return self._start + timedelta(seconds=self._offset)

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._offset

    def _arm(self) -> None:
        """Nothing to arm: only ``advance`` moves this clock."""


async def _settle() -> bool:
    """Let everything that is ready to run, run, and what follows from it, until only time is waited for. False when
    something seems to run for ever.
    """
    ready: Sized | None = getattr(asyncio.get_running_loop(), "_ready", None)
    idle = 0
    for _ in range(_TURNS if ready is not None else 20):
        await asyncio.sleep(0)
        idle = idle + 1 if ready is not None and not ready else 0
        if idle == 2:  # a turn in between has asked the sockets, too
            return True
    return ready is None
