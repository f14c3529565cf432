"""Waiting with an end, on the twin's clock (``asyncio.timeout`` knows only the host's time)."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from lab_helpers.twin.clock import Clock, Timer
from lab_helpers.twin.containers.errors import Deadline

__all__ = ["within"]


class within:  # noqa: N801 - reads as a statement: ``async with within(clock, 3):``
    """Raise :class:`Deadline` out of the block once ``seconds`` of the clock have passed. None: no end.

    Works like ``asyncio.timeout``: the current task is cancelled and the cancellation turned into ``Deadline``, unless
    somebody else cancelled it as well.
    """

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._timer: Timer | None = None
        self._task: asyncio.Task[object] | None = None
        self._expired = False
        self._cancelling = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        if self._seconds is not None:
            self._timer = self._clock.call_later(self._seconds, self._expire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._expired:
            return
        assert self._task is not None
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise Deadline(f"{self._seconds} s passed") from error

    def _expire(self) -> None:
        assert self._task is not None
        self._expired = True
        self._task.cancel()
