"""The twin's time: real time that can be moved forward.

Everything in the twin that waits, expires or stamps uses a :class:`Clock`, so "it works for an hour, then breaks" takes
a second. ``now()`` is wall-clock UTC, ``monotonic()`` never goes back; both include what ``advance`` skipped.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["Clock", "ManualClock", "Timer", "timestamp"]


def timestamp(moment: datetime) -> str:
    """Kubernetes' ``metav1.Time`` form: RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
        self._arm()
        return timer

    async def sleep(self, delay: float) -> None:
        """Wait ``delay`` seconds of this clock."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay, lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            timer.cancel()

    async def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``; every timer that falls due on the way fires at its own moment, in order."""
        if seconds < 0:
            raise ValueError(f"the clock only moves forward, not by {seconds} s")
        target = self.monotonic() + seconds
        while True:
            await _settle()
            due = self._next_due()
            if due is None or due > target:
                break
            self._offset += max(due - self.monotonic(), 0.0)
            self._fire()
        self._offset += max(target - self.monotonic(), 0.0)
        self._arm()
        await _settle()

    def _next_due(self) -> float | None:
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _fire(self) -> None:
        self._wakeup = None
        now = self.monotonic()
        while (due := self._next_due()) is not None and due <= now:
            timer = heapq.heappop(self._heap)[2]
            timer.callback()
        self._arm()

    def _arm(self) -> None:
        if self._wakeup is not None:
            self._wakeup.cancel()
            self._wakeup = None
        due = self._next_due()
        if due is not None:
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


async def _settle() -> None:
    """Let everything that is ready to run, run (a bounded number of loop turns)."""
    for _ in range(20):
        await asyncio.sleep(0)
