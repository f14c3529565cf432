"""What a node's agent learned from DNS: lookups per endpoint, zombies, and the labels that follow for addresses.

Follows Cilium pkg/fqdn (cache.go, namemanager). Entries live for the answer's TTL (at least ``tofqdns-min-ttl``);
the garbage collector runs every minute, turns expired ones into zombies, and lets a zombie die at the next run
unless its endpoint still has a connection to the address, or to another zombie of the same name. Times are clock
seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from lab_helpers.policy.labels import Label
from lab_helpers.policy.matchpatterns import FQDNSelector, name_matches
from lab_helpers.twin.clock import Clock

__all__ = ["GC_INTERVAL", "NameCache", "Row"]

GC_INTERVAL: Final = 60.0
SYNTHETIC_TTL: Final = 2 * GC_INTERVAL


class Row(NamedTuple):
    """One line of ``cilium-dbg fqdn cache list``."""

    endpoint: int
    source: str
    name: str
    ttl: int
    expiration: str
    ips: tuple[str, ...]
    looked_up: str


@dataclass(slots=True)
class _Lookup:
    at: float
    ttl: int

    @property
    def expires(self) -> float:
        return self.at + self.ttl


@dataclass(slots=True)
class _Zombie:
    names: set[str]
    since: float
    """When one of its names expired last."""
    alive_at: float = -1.0

    @property
    def held(self) -> float:
        """The grace period counts from here."""
        return max(self.alive_at, self.since)

    @property
    def importance(self) -> tuple[float, float, int]:
        """What is least goes first where there are too many."""
        return self.alive_at, self.since, len(self.names)


@dataclass(slots=True)
class _History:
    """Of one endpoint."""

    lookups: dict[str, dict[str, _Lookup]] = field(default_factory=dict)
    zombies: dict[str, _Zombie] = field(default_factory=dict)


class NameCache:
    """``limits()`` gives (min TTL, addresses per name, idle grace seconds, deferred deletes) as configured now;
    ``connections()`` the pairs (source, destination) that are alive in conntrack; ``address(endpoint id)`` its own
    address; ``changed()`` is called when the names of some address changed.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        limits: Callable[[], tuple[int, int, float, int]],
        connections: Callable[[], set[tuple[str, str]]],
        address: Callable[[int], str],
        changed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._connections = connections
        self._address = address
        self._changed = changed
        self._histories: dict[int, _History] = {}
        self._synthetic: dict[tuple[str, str], float] = {}
        """(name, address) → when an entry made for a live connection expires."""
        self.deletions = 0

    def learn(self, endpoint: int, name: str, ips: Sequence[str], ttl: int) -> bool:
        """An answer for ``name`` (as asked) reached the endpoint. True when some address is new for some name."""
        minimum, most, _, _ = self._limits()
        now = self._clock.monotonic()
        name = _dotted(name)
        history = self._histories.setdefault(endpoint, _History())
        known = history.lookups.setdefault(name, {})
        fresh = False
        for ip in ips:
            fresh = fresh or not self._carries(ip, name)
            known[ip] = _Lookup(now, max(ttl, minimum))
            zombie = history.zombies.get(ip)
            if zombie is not None:
                zombie.names.discard(name)
                if not zombie.names:
                    del history.zombies[ip]
        while len(known) > most:
            oldest = min(known, key=lambda ip: known[ip].expires)
            del known[oldest]
            self._bury(history, oldest, name, now)
        if fresh:
            self._changed()
        return fresh

    def forget(self, endpoint: int) -> None:
        """The endpoint is gone."""
        if self._histories.pop(endpoint, None) is not None:
            self._changed()

    def clean(self, pattern: str) -> None:
        """Forget the names that match."""
        for history in self._histories.values():
            for name in [name for name in history.lookups if name_matches(pattern, name)]:
                del history.lookups[name]
            for ip, zombie in list(history.zombies.items()):
                zombie.names = {name for name in zombie.names if not name_matches(pattern, name)}
                if not zombie.names:
                    del history.zombies[ip]
        self._synthetic = {key: until for key, until in self._synthetic.items() if not name_matches(pattern, key[0])}
        self._changed()

    def collect(self) -> int:
        """One run of the garbage collector; returns how many names of addresses died."""
        now = self._clock.monotonic()
        limits = self._limits()
        live = self._connections()
        dead = 0
        for endpoint, history in self._histories.items():
            own = self._address(endpoint)
            dead += self._collect_zombies(history, own, live, now, limits)
            for name, known in list(history.lookups.items()):
                for ip in [ip for ip, lookup in known.items() if lookup.expires <= now]:
                    del known[ip]
                    self._bury(history, ip, name, now)
                if not known:
                    del history.lookups[name]
        self._synthetic = {key: until for key, until in self._synthetic.items() if until > now}
        self.deletions += dead
        self._changed()
        return dead

    def _collect_zombies(
        self, history: _History, own: str, live: set[tuple[str, str]], now: float, limits: tuple[int, int, float, int]
    ) -> int:
        """Keep zombies with a live connection, and those that share a name with one; the others die. Limits take the
        least important ones all the same.
        """
        _, per_name, grace, most = limits
        zombies = history.zombies
        for ip, zombie in zombies.items():
            if (own, ip) in live:
                zombie.alive_at = now
        connected = {ip for ip, one in zombies.items() if one.alive_at == now or now - one.held < grace}
        groups: dict[str, list[str]] = {name: [] for ip in connected for name in zombies[ip].names}
        for ip, zombie in zombies.items():
            for name in zombie.names & groups.keys():
                groups[name].append(ip)
        kept = connected.union(*groups.values())
        for group in groups.values():
            kept -= set(sorted(group, key=lambda ip: zombies[ip].importance)[: max(len(group) - per_name, 0)])
        kept -= set(sorted(kept, key=lambda ip: zombies[ip].importance)[: max(len(kept) - most, 0)])
        for ip in kept:
            for name in zombies[ip].names:
                self._synthetic[name, ip] = now + SYNTHETIC_TTL
        return sum(len(zombies.pop(ip).names) for ip in [ip for ip in zombies if ip not in kept])

    @staticmethod
    def _bury(history: _History, ip: str, name: str, now: float) -> None:
        zombie = history.zombies.setdefault(ip, _Zombie(set(), now))
        zombie.names.add(name)
        zombie.since = now

    def _carries(self, ip: str, name: str) -> bool:
        return any(
            ip in history.lookups.get(name, {}) or (ip in history.zombies and name in history.zombies[ip].names)
            for history in self._histories.values()
        )

    def addresses(self) -> dict[str, set[str]]:
        """Address → names, over all endpoints of the node: what policies of every endpoint see."""
        found: dict[str, set[str]] = {}
        for history in self._histories.values():
            for name, known in history.lookups.items():
                for ip in known:
                    found.setdefault(ip, set()).add(name)
            for ip, zombie in history.zombies.items():
                found.setdefault(ip, set()).update(zombie.names)
        for name, ip in self._synthetic:
            found.setdefault(ip, set()).add(name)
        return found

    def labels(self, selectors: Iterable[FQDNSelector]) -> dict[str, set[Label]]:
        """Address → ``fqdn:`` labels of the selectors that match one of its names."""
        wanted = tuple(selectors)
        matching: dict[str, set[Label]] = {}
        found: dict[str, set[Label]] = {}
        for ip, names in self.addresses().items():
            for name in names:
                if name not in matching:
                    matching[name] = {selector.label for selector in wanted if selector.matches(name)}
                if matching[name]:
                    found.setdefault(ip, set()).update(matching[name])
        return found

    def names_of(self, endpoint: int, ip: str) -> tuple[str, ...]:
        """The names by which an endpoint knows an address, without the final dot, for flows."""
        history = self._histories.get(endpoint)
        if history is None:
            return ()
        names = {name for name, known in history.lookups.items() if ip in known}
        if ip in history.zombies:
            names |= history.zombies[ip].names
        return tuple(sorted(name.removesuffix(".") for name in names))

    def rows(self) -> Iterator[Row]:
        """The cache, endpoint by endpoint."""
        now = self._clock.monotonic()
        for endpoint in sorted(self._histories):
            history = self._histories[endpoint]
            for name in sorted(history.lookups):
                groups: dict[tuple[float, int], list[str]] = {}
                for ip, lookup in history.lookups[name].items():
                    groups.setdefault((lookup.at, lookup.ttl), []).append(ip)
                for (at, ttl), ips in groups.items():
                    yield Row(
                        endpoint, "lookup", name, ttl, self._moment(at + ttl - now), tuple(ips), self._moment(at - now)
                    )
            for ip, zombie in history.zombies.items():
                for name in sorted(zombie.names):
                    ends = self._moment(zombie.held + SYNTHETIC_TTL - now)
                    yield Row(endpoint, "connection", name, 0, ends, (ip,), self._moment(zombie.since - now))

    def _moment(self, delta: float) -> str:
        moment: datetime = self._clock.now() + timedelta(seconds=delta)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dotted(name: str) -> str:
    return name.lower().rstrip(".") + "."
