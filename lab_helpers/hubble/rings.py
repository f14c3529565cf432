"""The ring buffer of events: a fixed number of the newest, numbered from the first ever written.

A ring belongs to one event loop: `append` and the readers run in its thread. Readers that fall behind by more than the
capacity learn how many events they lost. Follows Cilium ``pkg/hubble/container`` (whose newest entry stays unreadable
until the next is written; here it is readable at once).
"""

import asyncio
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
DEFAULT_CAPACITY = 4095
"""Cilium's default: a power of two less one."""


class Entry(NamedTuple, Generic[T]):
    """An event, and its moment in nanoseconds since 1970."""

    time: int
    event: T


class Ring(Generic[T]):
    """`capacity` newest entries. `oldest` and `end` are sequence numbers: readable are oldest ≤ n < end."""

    __slots__ = ("_entries", "_listeners", "capacity", "end")

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"a ring holds at least one event, not {capacity}")
        self.capacity = capacity
        self.end = 0
        self._entries: list[Entry[T]] = []
        self._listeners: set[asyncio.Event] = set()

    @property
    def oldest(self) -> int:
        """Sequence number of the oldest entry still here."""
        return max(0, self.end - self.capacity)

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, time: int, event: T) -> None:
        """Write an event and wake whoever waits."""
        entry = Entry(time, event)
        if self.end < self.capacity:
            self._entries.append(entry)
        else:
            self._entries[self.end % self.capacity] = entry
        self.end += 1
        for listener in self._listeners:
            listener.set()

    def window(self, start: int, stop: int | None = None) -> list[Entry[T]]:
        """Entries start ≤ n < stop that are still here, oldest first."""
        stop = self.end if stop is None else min(stop, self.end)
        start = max(start, self.oldest)
        if start >= stop:
            return []
        low, high = start % self.capacity, stop % self.capacity
        if low < high:
            return self._entries[low:high]
        return self._entries[low:] + self._entries[:high]

    def listen(self, listener: asyncio.Event) -> None:
        """Set `listener` on every append."""
        self._listeners.add(listener)

    def leave(self, listener: asyncio.Event) -> None:
        """Stop that."""
        self._listeners.discard(listener)
