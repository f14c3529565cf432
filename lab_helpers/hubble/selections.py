"""Which entries of a ring a request gets: number, first, since, until, follow.

The rules are those of Hubble's server: `number` counts matching flows from the newest backwards, or with `first` from
the oldest onwards; with `since` the walk back ends at that moment and `number` takes the *first* ones after it; the
walk does not look at `until`. Notices of lost events pass filters and times and are not counted. Follows Cilium
``pkg/hubble/observer/local_observer.go``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab_helpers.hubble import times
from lab_helpers.hubble.errors import RequestError
from lab_helpers.hubble.rings import Entry, Ring


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a request that selects by position and time; moments in nanoseconds, None where unset."""

    number: int = 0
    first: bool = False
    follow: bool = False
    since: int | None = None
    until: int | None = None

    @classmethod
    def of(cls, request: Any) -> "Selection":
        """From a GetFlowsRequest, GetAgentEventsRequest or GetDebugEventsRequest. Raises RequestError."""
        if request.first and request.follow:
            raise RequestError("first cannot be specified with follow")
        return cls(
            request.number,
            request.first,
            request.follow,
            times.moment(request.since) if request.HasField("since") else None,
            times.moment(request.until) if request.HasField("until") else None,
        )


@dataclass(slots=True)
class Backlog:
    """What a request gets at once: entries, where to go on reading, and whether the stream is over."""

    entries: list[Entry[Any]]
    next: int
    done: bool


def select(
    ring: Ring[Any], selection: Selection, matches: Callable[[Any], bool], is_lost: Callable[[Any], bool]
) -> Backlog:
    """The backlog of `ring`. Each entry is tested at most once."""
    number, since, until = selection.number, selection.since, selection.until
    if selection.follow and number == 0 and since is None:
        return Backlog([], ring.end, done=False)
    entries = ring.window(ring.oldest)
    if selection.first and since is None:
        chosen = _forward(entries, selection, matches, is_lost)
    else:
        chosen = _backward(entries, number if since is None else 0, since, matches, is_lost)
    return _cut(chosen, ring.end, number if not selection.follow else 0, since, until, is_lost, selection.follow)


def _forward(
    entries: list[Entry[Any]], selection: Selection, matches: Callable[[Any], bool], is_lost: Callable[[Any], bool]
) -> list[Entry[Any]]:
    out, count, number, until = [], 0, selection.number, selection.until
    for entry in entries:
        if number and count >= number:
            break
        if is_lost(entry.event):
            out.append(entry)
            continue
        if until is not None and entry.time > until:
            break
        if matches(entry.event):
            out.append(entry)
            count += 1
    return out


def _backward(
    entries: list[Entry[Any]],
    number: int,
    since: int | None,
    matches: Callable[[Any], bool],
    is_lost: Callable[[Any], bool],
) -> list[Entry[Any]]:
    """Matching entries from where the walk back ends, oldest first."""
    out: list[Entry[Any]] = []
    pending: list[Entry[Any]] = []
    count = 0
    for entry in reversed(entries):
        event = entry.event
        if is_lost(event):
            pending.append(entry)
            continue
        if not matches(event):
            continue
        if since is not None and entry.time < since:
            break
        out += pending
        pending.clear()
        out.append(entry)
        count += 1
        if number and count == number:
            break
    else:
        out += pending
    out.reverse()
    return out


def _cut(
    chosen: list[Entry[Any]],
    end: int,
    number: int,
    since: int | None,
    until: int | None,
    is_lost: Callable[[Any], bool],
    follow: bool,
) -> Backlog:
    out: list[Entry[Any]] = []
    count = 0
    for entry in chosen:
        if number and count >= number:
            return Backlog(out, end, done=True)
        if is_lost(entry.event):
            out.append(entry)
            continue
        if until is not None and entry.time > until:
            return Backlog(out, end, done=True)
        if since is not None and entry.time < since:
            continue
        out.append(entry)
        count += 1
    return Backlog(out, end, done=not follow)
