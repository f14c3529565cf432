"""Counting sightings until they are a service map.

A tally is fed with flows in batches and asked for the map now and then; both cost little, and memory is bounded
whatever the cluster does: connections are remembered for telling packets from connections, the oldest forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from lab_helpers.views.map.maps import Edge, Node, ServiceMap, Use
from lab_helpers.views.map.places import Place, PlaceKind
from lab_helpers.views.map.sightings import Asked, Connection, Line, Sighting, dns_names, sighting

if TYPE_CHECKING:
    from lab_helpers.hubble.protos.flow_pb2 import Flow
    from lab_helpers.hubble.records import Record

__all__ = ["Tally"]

_K = TypeVar("_K")
_V = TypeVar("_V")

_SECOND: Final = 1_000_000_000
_TRACE: Final = 4
_REMEMBERED_CONNECTIONS: Final = 20_000
_REMEMBERED_NAMES: Final = 4_000
_USES: Final = 40
"""Different requests kept apart per edge; what comes beyond counts as "other requests"."""
_RECENT: Final = 12
"""Flows kept per edge, to be shown when it is opened."""
_MEMBERS: Final = 60
_LINES: Final = 1_500
"""Edges counted; those not seen for longest are forgotten first."""


@dataclass(slots=True)
class _Count:
    """What is known of one line. ``beats`` are (second, connections, requests) within the window."""

    connections: int = 0
    requests: int = 0
    last: int = 0
    uses: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    policies: dict[str, None] = field(default_factory=dict)
    reasons: dict[str, None] = field(default_factory=dict)
    beats: deque[list[int]] = field(default_factory=deque)
    recent: deque[Flow] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def beat(self, time: int, connections: int, requests: int) -> None:
        """Count in the second of ``time``."""
        self.connections += connections
        self.requests += requests
        second = time // _SECOND
        if not self.beats or self.beats[-1][0] < second:
            self.beats.append([second, 0, 0])
        for beat in reversed(self.beats):
            if beat[0] <= second:
                beat[1] += connections
                beat[2] += requests
                return

    def rates(self, until: int, window: float) -> tuple[float, float]:
        """Connections and requests per second over the window that ends at ``until``; older beats are let go."""
        begin = until // _SECOND - int(window)
        while self.beats and self.beats[0][0] <= begin:
            self.beats.popleft()
        return sum(beat[1] for beat in self.beats) / window, sum(beat[2] for beat in self.beats) / window

    def ask(self, asked: Asked) -> None:
        """Count a request, or replace one open request by its answer."""
        key = (asked.kind, asked.what)
        if key not in self.uses and len(self.uses) >= _USES:
            key = (asked.kind, "other requests")
        answers = self.uses.setdefault(key, {})
        answers[asked.answer] = answers.get(asked.answer, 0) + 1
        if asked.answer and answers.get(""):
            answers[""] -= 1


@dataclass(slots=True)
class _Members:
    """Who stands behind a place. The newest of each are kept."""

    identities: OrderedDict[int, None] = field(default_factory=OrderedDict)
    pods: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def add(self, identity: int, pod: str) -> None:
        """One more, or one again."""
        _remember(self.identities, identity, None, _MEMBERS)
        _remember(self.pods, pod, None, _MEMBERS)


class Tally:
    """Counts. Not thread-safe: one thread feeds and asks."""

    def __init__(self, window: float = 60.0) -> None:
        self.window = window
        self.flows = 0
        self.until = 0
        self._lines: OrderedDict[Line, _Count] = OrderedDict()
        self._members: OrderedDict[Place, _Members] = OrderedDict()
        self._connections: OrderedDict[tuple[Connection, str], None] = OrderedDict()
        self._refused: OrderedDict[Connection, Line] = OrderedDict()
        self._packets: OrderedDict[Connection, _Count] = OrderedDict()
        self._names: OrderedDict[str, str] = OrderedDict()

    def add(self, flows: Iterable[Flow]) -> None:
        """Count a batch, in any order."""
        for flow in flows:
            self.flows += 1
            for address, name in dns_names(flow).items():
                _remember(self._names, address, name, _REMEMBERED_NAMES)
            seen = sighting(flow, self._names)
            if seen is not None:
                self._count(seen, flow)

    def repeats(self, record: Record) -> bool:
        """Count a further packet of a connection that is known, without reading all of it; False for all else."""
        if record.event_type != _TRACE or record.is_reply is not False:
            return False
        key = Connection(
            record.source_ip, record.source_port, record.destination_ip, record.destination_port, record.protocol
        )
        count = self._packets.get(key)
        if count is None:
            return False
        self.flows += 1
        self.until = max(self.until, record.time)
        count.last = max(count.last, record.time)
        return True

    def _count(self, seen: Sighting, flow: Flow) -> None:
        line = seen.line
        if seen.asked is not None:
            if seen.asked.answer:  # the proxy's own 403 comes as FORWARDED, but belongs to what it refused
                line = self._refused.pop(seen.connection, line)
            elif line.verdict == "DROPPED":
                _remember(self._refused, seen.connection, line, _REMEMBERED_NAMES)
        count = self._lines.get(line) or _Count()
        _remember(self._lines, line, count, _LINES)
        self.until = max(self.until, seen.time)
        count.last = max(count.last, seen.time)
        count.recent.append(flow)
        for place, pod, identity in zip((line.source, line.target), seen.pods, seen.identities, strict=True):
            members = self._members.get(place) or _Members()
            _remember(self._members, place, members, 2 * _LINES)  # every line that is kept has both ends
            members.add(identity, pod)
        for policy in seen.policies:
            count.policies[policy] = None
        if seen.reason:
            count.reasons[seen.reason] = None
        fresh = 0
        if seen.counts:
            key = (seen.connection, line.verdict)
            fresh = int(key not in self._connections)
            _remember(self._connections, key, None, _REMEMBERED_CONNECTIONS)
            if flow.event_type.type == _TRACE:
                _remember(self._packets, seen.connection, count, _REMEMBERED_CONNECTIONS)
        request = int(seen.asked is not None and not seen.asked.answer)
        if seen.asked is not None:
            count.ask(seen.asked)
        if fresh or request:
            count.beat(seen.time, fresh, request)

    def namespaces(self) -> tuple[str, ...]:
        """Those of the workloads that were met, by name."""
        return tuple(sorted({place.group for place in self._members if place.kind is PlaceKind.WORKLOAD}))

    def recent(self, line: Line) -> tuple[Flow, ...]:
        """The last flows of a line, oldest first."""
        count = self._lines.get(line)
        return tuple(count.recent) if count else ()

    def map(self, until: int = 0, note: str = "") -> ServiceMap:
        """The map as of now. ``until``: nanoseconds since 1970 at which the window ends (default: the newest flow)."""
        end = max(until, self.until)
        edges = []
        for line in sorted(self._lines):
            count = self._lines[line]
            if not (count.connections or count.requests):
                continue  # a policy's verdict alone, or an answer without its request: the rest is still to come
            rate, request_rate = count.rates(end, self.window)
            edges.append(
                Edge(
                    line,
                    count.connections,
                    count.requests,
                    rate,
                    request_rate,
                    count.last,
                    bool(count.uses),
                    _uses(count.uses),
                    tuple(sorted(count.policies)),
                    tuple(sorted(count.reasons)),
                )
            )
        places = sorted({place for edge in edges for place in (edge.line.source, edge.line.target)})
        nodes = tuple(self._node(place) for place in places)
        return ServiceMap(nodes, tuple(edges), self.window, end, self.flows, note)

    def _node(self, place: Place) -> Node:
        members = self._members.get(place) or _Members()
        return Node(place, tuple(sorted(members.identities)), tuple(sorted(members.pods)))


def _uses(uses: dict[tuple[str, str], dict[str, int]]) -> tuple[Use, ...]:
    found = [
        Use(kind, what, answer, number)
        for (kind, what), answers in uses.items()
        for answer, number in answers.items()
        if number > 0
    ]
    return tuple(sorted(found, key=lambda use: (-use.times, use)))


def _remember(known: OrderedDict[_K, _V], key: _K, value: _V, most: int) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > most:
        known.popitem(last=False)
