"""Who held which address with which identity, and when.

A history is a value; ``seen`` and ``gone`` give the next one. Times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from lab_helpers.views.identities.catalogues import shown_labels

__all__ = ["History", "Line", "Sight", "Span", "Tenure", "sight_of"]

_MOST: Final = 600
"""Tenures kept; the oldest that ended are forgotten first."""


class Sight(NamedTuple):
    """An endpoint as it is now."""

    pod: str
    address: str
    numeric: int
    labels: tuple[str, ...]
    node: str
    since: float


@dataclass(frozen=True, slots=True)
class Tenure:
    """``pod`` held ``address`` with identity ``numeric`` from ``begin`` to ``end`` (None: it still does)."""

    pod: str
    address: str
    numeric: int
    labels: tuple[str, ...]
    node: str
    begin: float
    end: float | None = None

    def sentence(self) -> str:
        """In words."""
        until = "still does" if self.end is None else f"until {_clock(self.end)}"
        labels = ", ".join(shown_labels(self.labels))
        return f"{self.address}: {self.pod} as identity {self.numeric} ({labels}) from {_clock(self.begin)}, {until}"


class Span(NamedTuple):
    """A tenure on the time axis: where it begins and how long it is, in hundredths of the axis."""

    tenure: Tenure
    left: float
    width: float


class Line(NamedTuple):
    """The tenures of one address. ``reused``: several pods had it. ``relabelled``: one pod had several identities."""

    address: str
    spans: tuple[Span, ...]
    reused: bool
    relabelled: bool


@dataclass(frozen=True, slots=True)
class History:
    """Tenures, oldest first. ``until`` is the moment of the last event."""

    tenures: tuple[Tenure, ...] = ()
    until: float = 0.0

    def seen(self, sight: Sight, now: float) -> History:
        """An endpoint appeared or changed. Nothing new is told when it is as before."""
        current = self._current(sight.pod)
        if current and (current.address, current.numeric) == (sight.address, sight.numeric):
            return self
        begin = min(sight.since, now) if current is None else now
        rest = self._ended(lambda tenure: tenure.pod == sight.pod, now)
        fresh = Tenure(sight.pod, sight.address, sight.numeric, sight.labels, sight.node, begin)
        return History(_bounded((*rest, fresh)), max(self.until, now))

    def gone(self, pod: str, now: float) -> History:
        """A pod's endpoint was deleted."""
        if self._current(pod) is None:
            return self
        return History(self._ended(lambda tenure: tenure.pod == pod, now), max(self.until, now))

    def as_of(self, sights: Iterable[Sight], now: float) -> History:
        """After a pause in watching: what is there now, and nothing else."""
        found: History = self
        present = {sight.pod: sight for sight in sights}
        for tenure in self.tenures:
            if tenure.end is None and tenure.pod not in present:
                found = found.gone(tenure.pod, now)
        for sight in sorted(present.values(), key=lambda sight: (sight.since, sight.pod)):
            found = found.seen(sight, now)
        return History(found.tenures, max(found.until, now))

    def lines(self, now: float, *namespaces: str) -> tuple[Line, ...]:
        """One line per address, those with a story first; the axis reaches from the first tenure to ``now``."""
        shown = [t for t in self.tenures if not namespaces or t.pod.partition("/")[0] in namespaces]
        if not shown:
            return ()
        begin = min(tenure.begin for tenure in shown)
        length = max(now - begin, 1.0)
        by_address: dict[str, list[Tenure]] = {}
        for tenure in shown:
            by_address.setdefault(tenure.address, []).append(tenure)
        lines = []
        for address, tenures in by_address.items():
            tenures.sort(key=lambda tenure: tenure.begin)
            spans = tuple(_span(tenure, begin, length, now) for tenure in tenures)
            pods = {tenure.pod for tenure in tenures}
            lines.append(Line(address, spans, len(pods) > 1, len({(t.pod, t.numeric) for t in tenures}) > len(pods)))
        return tuple(sorted(lines, key=lambda line: (not line.reused, not line.relabelled, _numbers(line.address))))

    def _current(self, pod: str) -> Tenure | None:
        return next((tenure for tenure in reversed(self.tenures) if tenure.pod == pod and tenure.end is None), None)

    def _ended(self, whose: Any, now: float) -> tuple[Tenure, ...]:
        return tuple(replace(t, end=max(now, t.begin)) if t.end is None and whose(t) else t for t in self.tenures)


def sight_of(endpoint: Mapping[str, Any], nodes: Mapping[str, str] | None = None) -> Sight | None:
    """A CiliumEndpoint object as a sight; None while it has no identity or address yet. ``nodes``: names by address."""
    status = endpoint.get("status") or {}
    identity = status.get("identity") or {}
    networking = status.get("networking") or {}
    pairs = networking.get("addressing") or [{}]
    address = str(pairs[0].get("ipv4") or pairs[0].get("ipv6") or "")
    if not identity.get("id") or not address:
        return None
    metadata = endpoint["metadata"]
    node = str(networking.get("node") or "")
    return Sight(
        f"{metadata.get('namespace', '')}/{metadata['name']}",
        address,
        int(identity["id"]),
        tuple(sorted(map(str, identity.get("labels") or ()))),
        (nodes or {}).get(node, node),
        _seconds(str(metadata.get("creationTimestamp") or "")),
    )


def _seconds(stamp: str) -> float:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return 0.0


def _span(tenure: Tenure, begin: float, length: float, now: float) -> Span:
    end = now if tenure.end is None else tenure.end
    left = 100 * (tenure.begin - begin) / length
    return Span(tenure, round(left, 2), round(max(0.4, 100 * (end - tenure.begin) / length), 2))


def _bounded(tenures: tuple[Tenure, ...]) -> tuple[Tenure, ...]:
    spare = len(tenures) - _MOST
    kept = []
    for tenure in tenures:
        if spare > 0 and tenure.end is not None:
            spare -= 1
        else:
            kept.append(tenure)
    return tuple(kept)


def _numbers(address: str) -> tuple[int, ...]:
    parts = address.split(".")
    return tuple(int(part) if part.isdigit() else 0 for part in parts)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
