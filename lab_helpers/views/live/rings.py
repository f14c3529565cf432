"""The newest flows, numbered from the first that was ever received. Safe to use from several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from lab_helpers.hubble.records import Record
from lab_helpers.hubble.rings import Ring

__all__ = ["CAPACITY", "FlowRing"]

CAPACITY: Final = 100_000


class FlowRing:
    """At most ``capacity`` records; readable are ``oldest`` ≤ n < ``end``."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._ring: Ring[Record] = Ring(capacity)
        self._lock = threading.Lock()

    @property
    def end(self) -> int:
        """The number the next flow will have."""
        return self._ring.end

    @property
    def oldest(self) -> int:
        """The number of the oldest flow that is still here."""
        return self._ring.oldest

    def extend(self, records: Iterable[Record]) -> int:
        """Write records; the number of the first of them."""
        with self._lock:
            first = self._ring.end
            for record in records:
                self._ring.append(record.time, record)
            return first

    def window(self, start: int, stop: int | None = None) -> tuple[int, list[Record]]:
        """The records start ≤ n < stop that are still here, oldest first, and the number of the first of them."""
        with self._lock:
            first = max(start, self._ring.oldest)
            return first, [entry.event for entry in self._ring.window(start, stop)]

    def at(self, number: int) -> Record | None:
        """One record; None when it is no longer (or not yet) here."""
        with self._lock:
            found = self._ring.window(number, number + 1) if number >= self._ring.oldest else []
        return found[0].event if found else None
