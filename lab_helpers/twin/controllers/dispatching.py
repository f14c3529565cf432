"""Work queues of the controllers (k8s.io/client-go util/workqueue), driven by the one asyncio loop.

A key waits at most once per controller, however often it is added. A reconcile function that fails is called again
with a growing delay; it never stops the others. Nothing polls: the queue runs when something was added or a delay of
the clock is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Protocol

from lab_helpers.twin.clock import Clock, Timer
from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.storage import Key

__all__ = ["Dispatcher", "Reconciler"]

log = logging.getLogger(__name__)

FIRST_RETRY = 0.01
LAST_RETRY = 60.0
SLICE = 0.008
"""Seconds of real time the queue runs before other parts of the twin get their turn."""


class Reconciler(Protocol):
    """Brings one object to its wished state. Called with the object's key; the object may be gone."""

    name: str

    def reconcile(self, key: Key) -> None:
        """Look at the object now, not at what changed; safe to call at any time."""


Work = tuple[Reconciler, Key]


class Dispatcher:
    """One first-in first-out queue for all controllers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue: deque[Work] = deque()
        self._waiting: set[Work] = set()
        self._timers: dict[Work, Timer] = {}
        self._failures: dict[Work, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.Handle | None = None

    def start(self) -> None:
        """Begin to work off what was added so far."""
        self._loop = asyncio.get_running_loop()
        self._wake()

    def stop(self) -> None:
        """Forget everything that waits."""
        self._loop = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._queue.clear()
        self._waiting.clear()
        self._failures.clear()

    @property
    def idle(self) -> bool:
        """Nothing waits to be done now (delays may still run)."""
        return not self._queue

    def add(self, reconciler: Reconciler, key: Key) -> None:
        """Have ``key`` reconciled soon."""
        work = (reconciler, key)
        if work in self._waiting:
            return
        self._waiting.add(work)
        self._queue.append(work)
        self._wake()

    def later(self, reconciler: Reconciler, key: Key, delay: float) -> None:
        """Have ``key`` reconciled after ``delay`` clock seconds; of several delays the shortest counts."""
        if delay <= 0:
            self.add(reconciler, key)
            return
        work = (reconciler, key)
        known = self._timers.get(work)
        if known is not None:
            if known.due <= self._clock.monotonic() + delay:
                return
            known.cancel()
        self._timers[work] = self._clock.call_later(delay, lambda: self._due(work))

    def _due(self, work: Work) -> None:
        self._timers.pop(work, None)
        if self._loop is not None:
            self.add(*work)

    def _wake(self) -> None:
        if self._handle is None and self._loop is not None and self._queue:
            self._handle = self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._handle = None
        end = time.perf_counter() + SLICE
        while self._queue and self._loop is not None:
            work = self._queue.popleft()
            self._waiting.discard(work)
            self._reconcile(work)
            if time.perf_counter() > end:
                break
        self._wake()

    def _reconcile(self, work: Work) -> None:
        reconciler, key = work
        try:
            reconciler.reconcile(key)
        except StatusError as error:
            if error.reason != "Conflict":
                log.warning("%s: %s/%s: %s", reconciler.name, key.namespace, key.name, error.message)
            self._retry(work)
        except Exception:
            log.exception("%s: cannot reconcile %s %s/%s", reconciler.name, key.resource, key.namespace, key.name)
            self._retry(work)
        else:
            self._failures.pop(work, None)

    def _retry(self, work: Work) -> None:
        failures = self._failures.get(work, 0)
        self._failures[work] = failures + 1
        self.later(*work, min(FIRST_RETRY * 2**failures, LAST_RETRY))
