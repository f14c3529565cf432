"""What the kubelet remembers about one incarnation of a pod, and how long it waits before it tries something again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_helpers.twin.interfaces import PodKey

__all__ = ["BackOff", "PodRecord", "Waiting"]

FIRST_DELAY = 10.0
LAST_DELAY = 300.0
FORGOTTEN_AFTER = 600.0


@dataclass(slots=True)
class BackOff:
    """A delay that doubles from 10 s to 5 min and starts again after 10 quiet minutes (client-go util/flowcontrol
    backoff.go)."""

    delay: float = 0.0
    since: float = 0.0

    def blocked_for(self, event: float, now: float) -> float:
        """Seconds left of the delay that counts from ``event``; 0.0 when it is over or there is none."""
        if not self.delay or now - self.since > FORGOTTEN_AFTER:
            return 0.0
        return max(self.delay - (now - event), 0.0)

    def next(self, now: float) -> None:
        """It happened again: double."""
        fresh = not self.delay or now - self.since > FORGOTTEN_AFTER
        self.delay = FIRST_DELAY if fresh else min(self.delay * 2, LAST_DELAY)
        self.since = now


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run, as ``state.waiting`` shows it."""

    reason: str
    message: str = ""


@dataclass(slots=True)
class PodRecord:
    """The kubelet's memory of a pod. ``ip`` is set once it has its sandbox; the other fields are by container name."""

    key: PodKey
    ip: str = ""
    restarts: dict[str, int] = field(default_factory=dict)
    last: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    crashes: dict[str, BackOff] = field(default_factory=dict)
    pulls: dict[str, BackOff] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    """Container ids whose end was dealt with by a restart."""
    announced: set[str] = field(default_factory=set)
    """Container ids whose start was told in an event."""
    retry_at: float = 0.0
    """No new attempt at the sandbox before this moment of the clock."""
    stopping: asyncio.Task[None] | None = None
    stopped: bool = False
