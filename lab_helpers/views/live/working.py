"""A widget's own thread: what is asked for often is done now and then, one piece at a time, beside everybody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lab_helpers.views.live.pacing import Pace

__all__ = ["Worker"]


class Worker:
    """Does ``work`` soon after it was woken; woken all the time, at its pace or half the time (see ``Pace``).

    With ``idle`` it works every so many seconds unasked, too, for as long as ``wanted()``. There is a thread only while
    there is something to do or to wait for. Everything here may be called from any thread.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        *,
        pace: float,
        idle: float = 0.0,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._name, self._work, self._pace, self._idle, self._wanted = name, work, Pace(pace), idle, wanted
        self._changed = threading.Condition()
        self._asked = self._ended = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is something to do."""
        with self._changed:
            self._asked = True
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._run, name=f"cilium-labs-{self._name}", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def end(self) -> None:
        """Do nothing any more; a piece of work that was begun is finished."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _run(self) -> None:
        while self._next():
            began = time.monotonic()
            try:
                self._work()
            except Exception:
                import logging

                logging.getLogger(__name__).exception("a live view failed")
            rest = self._pace.rest(began, time.monotonic() - began)
            with self._changed:
                self._changed.wait_for(lambda: self._ended, rest)

    def _next(self) -> bool:
        """Wait for the next piece of work; False when the thread is to end, which is decided under the lock: whoever
        wakes afterwards starts another.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._asked or self._ended, self._idle)
            if self._ended or not (self._asked or (self._idle and self._wanted())):
                self._thread = None
                return False
            self._asked = False
            return True
