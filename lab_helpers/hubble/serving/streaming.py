"""Streams of entries: what is there, then what comes, from one log or from several merged in time."""

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.hubble.rings import Entry, Ring
from lab_helpers.hubble.selections import Selection, select

Matches = Callable[[Any], bool]
_time = itemgetter(0)
_SENT_AT_ONCE = 64
_READ_AHEAD = 100_000
"""A stream looks at the rings after every few events it hands on and keeps what it finds, so that a client (or a
machine) that is slow for a while loses nothing; only beyond this many does the ring overtake it."""
_NODES_ASKED = 1.0
"""After so many seconds of silence the relay looks for nodes that joined: without a ring they cannot wake it."""


@dataclass(slots=True)
class Source:
    """A ring to read from, by the node's name, and how far it has been read."""

    name: str
    ring: Ring[Any]
    next: int = 0
    done: bool = False


def is_lost(event: Any) -> bool:
    """Whether an entry is a notice of lost events."""
    return event.__class__ is flow_pb2.LostEvent


def never_lost(_event: Any) -> bool:
    """For rings that hold no such notices."""
    return False


async def stream(
    sources: Callable[[], Iterable[Source]],
    selection: Selection,
    matches: Matches,
    lost: Callable[[Any], bool] = is_lost,
    joined: Callable[[list[str]], Any] | None = None,
    wake: asyncio.Event | None = None,
) -> AsyncIterator[tuple[str, int, Any]]:
    """Node name, moment and event of what `selection` wants from each source, merged by time.

    `sources` is asked again on every wake-up while following, so nodes may come and go; `joined` turns the names of new
    ones into an event that is sent first. With several sources `number` counts per source. Whoever sets `wake` has
    `sources` asked at once.
    """
    known: dict[str, Source] = {}
    wake = wake or asyncio.Event()
    try:
        backlogs = []
        for source in sources():
            known[source.name] = source
            source.ring.listen(wake)
            backlog = select(source.ring, selection, matches, lost)
            source.next, source.done = backlog.next, backlog.done
            backlogs.append([(entry.time, source.name, entry.event) for entry in backlog.entries])
            await asyncio.sleep(0)
        merged = backlogs[0] if len(backlogs) == 1 else heapq.merge(*backlogs, key=_time)
        for moment, name, event in merged:
            yield name, moment, event
        pending: deque[tuple[int, str, Any]] = deque()
        while selection.follow:
            if len(pending) < _READ_AHEAD:
                wake.clear()
                batch: list[tuple[int, str, Any]] = []
                _refresh(known, sources(), wake, batch, joined)
                for source in known.values():
                    _read(source, selection, matches, lost, batch)
                if len(known) > 1:
                    batch.sort(key=_time)
                pending.extend(batch)
            for _ in range(min(_SENT_AT_ONCE, len(pending))):
                moment, name, event = pending.popleft()
                yield name, moment, event
            if not pending:
                if _all_done(known):
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), None if joined is None else _NODES_ASKED)
    finally:
        for source in known.values():
            source.ring.leave(wake)


def _all_done(known: dict[str, Source]) -> bool:
    return bool(known) and all(source.done for source in known.values())


def _refresh(
    known: dict[str, Source],
    current: Iterable[Source],
    wake: asyncio.Event,
    batch: list[tuple[int, str, Any]],
    joined: Callable[[list[str]], Any] | None,
) -> None:
    """Take up new sources from their first event on, drop those that are gone."""
    names, new = set(), []
    for source in current:
        names.add(source.name)
        if source.name not in known or known[source.name].ring is not source.ring:
            if source.name in known:
                known[source.name].ring.leave(wake)
            source.next = source.ring.oldest
            source.ring.listen(wake)
            known[source.name] = source
            new.append(source.name)
    for name in known.keys() - names:
        known.pop(name).ring.leave(wake)
    if new and joined:
        batch.append((0, "", joined(sorted(new))))


def _read(
    source: Source,
    selection: Selection,
    matches: Matches,
    lost: Callable[[Any], bool],
    batch: list[tuple[int, str, Any]],
) -> None:
    """Add what `source` has got since it was last read."""
    ring = source.ring
    if source.done or source.next == ring.end:
        return
    if source.next < ring.oldest:
        missed = flow_pb2.LostEvent(source=flow_pb2.HUBBLE_RING_BUFFER, num_events_lost=ring.oldest - source.next)
        batch.append((ring.window(ring.oldest, ring.oldest + 1)[0].time, source.name, missed))
    entries: list[Entry[Any]] = ring.window(source.next)
    source.next = ring.end
    for moment, event in entries:
        if lost(event):
            batch.append((moment, source.name, event))
            continue
        if selection.until is not None and moment > selection.until:
            source.done = True
            return
        if (selection.since is None or moment >= selection.since) and matches(event):
            batch.append((moment, source.name, event))
