"""One order for the flows of all nodes."""

from __future__ import annotations

from datetime import UTC, datetime

from lab_helpers.twin.clock import Clock

__all__ = ["FlowOrder"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FlowOrder:
    """Gives every flow of the cluster its own moment, so that merging by time keeps cause before effect."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, clock: Clock) -> int:
        """Nanoseconds since 1970, later than all before."""
        delta = clock.now() - _EPOCH
        nanos = (delta.days * 86400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000
        self._last = nanos if nanos > self._last else self._last + 1000
        return self._last
