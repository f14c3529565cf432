"""Who there is: endpoints, their identities, and the names of their ports.

The layer below the repository: it knows nothing of policies, but tells the layer above when an identity appears or
changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from lab_helpers.policy.identities import Endpoint, Identity, NamedPort
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.populations import Population
from lab_helpers.policy.protocols import Protocol

__all__ = ["Party", "Roster"]

Party = Endpoint | Identity | int
"""Who takes part: an endpoint (its own named ports count), an identity, or the number of a known identity."""


class Roster:
    """Endpoints by name and identities by number. An identity stays while an endpoint carries it or somebody asked for
    it."""

    def __init__(self) -> None:
        self.population = Population()
        self._endpoints: dict[str, Endpoint] = {}
        self._holders: dict[int, int] = {}
        self._pinned: set[int] = set()
        self._ports_generation = 0
        self._listeners: tuple[int, dict[tuple[str, int, int], int]] = (-1, {})
        self._named: dict[int, tuple[NamedPort, ...]] = {}
        self._holdings: dict[int, dict[str, tuple[NamedPort, ...]]] = {}

    def _appeared(self, position: int, labels: LabelSet) -> None:
        """An identity is at a position now; the layer above says here what selects it."""

    def _vanished(self, position: int) -> None:
        """Nobody is at a position any more."""

    def upsert_identity(self, identity: Identity) -> None:
        """Make an identity known (an address, a node, a pod elsewhere). It stays until ``remove_identity``."""
        self._pinned.add(identity.numeric)
        self._learn(identity)

    def remove_identity(self, numeric: int) -> None:
        """Undo ``upsert_identity``; endpoints that carry it keep it known. Raises UnknownIdentity."""
        self.population.position(numeric)
        self._pinned.discard(numeric)
        self._forget(numeric)

    def upsert_endpoint(self, endpoint: Endpoint) -> None:
        """Add an endpoint, or replace the one of that name."""
        known = self._endpoints.get(endpoint.name)
        if known == endpoint:
            return
        if known is not None:
            self.remove_endpoint(endpoint.name)
        self._endpoints[endpoint.name] = endpoint
        numeric = endpoint.identity.numeric
        self._holders[numeric] = self._holders.get(numeric, 0) + 1
        self._learn(endpoint.identity)
        if endpoint.named_ports:
            self._holdings.setdefault(numeric, {})[endpoint.name] = endpoint.named_ports
            self._named.pop(numeric, None)
            self._ports_generation += 1

    def remove_endpoint(self, name: str) -> None:
        """Forget an endpoint, and its identity when nobody else carries it. Unknown names are ignored."""
        endpoint = self._endpoints.pop(name, None)
        if endpoint is None:
            return
        numeric = endpoint.identity.numeric
        self._holders[numeric] -= 1
        if self._holdings.get(numeric, {}).pop(name, None) is not None:
            self._named.pop(numeric, None)
            self._ports_generation += 1
        self._forget(numeric)

    def endpoints(self) -> Iterator[Endpoint]:
        """All endpoints, in the order they came."""
        return iter(self._endpoints.values())

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name. Raises KeyError."""
        return self._endpoints[name]

    def _learn(self, identity: Identity) -> int:
        population = self.population
        if population.knows(identity.numeric):
            position = population.position(identity.numeric)
            if population.at(position).labels == identity.labels:
                return position
            self._vanished(position)
        position = population.add(identity)
        self._appeared(position, identity.labels)
        return position

    def _forget(self, numeric: int) -> None:
        if numeric in self._pinned or self._holders.get(numeric, 0) > 0:
            return
        self._holders.pop(numeric, None)
        self._holdings.pop(numeric, None)
        self._vanished(self.population.position(numeric))
        self.population.remove(numeric)

    def _position(self, party: Party) -> int:
        if isinstance(party, int):
            return self.population.position(party)
        identity = party.identity if isinstance(party, Endpoint) else party
        return self._learn(identity)

    def _ports(self, party: Party) -> tuple[NamedPort, ...]:
        """The names a party's pods listen under. A name on which pods of one identity disagree is left out."""
        if isinstance(party, Endpoint):
            numeric = party.identity.numeric
            if party.name not in self._endpoints:
                return party.named_ports
        else:
            numeric = party if isinstance(party, int) else party.numeric
        return self.named_ports(numeric)

    def named_ports(self, numeric: int) -> tuple[NamedPort, ...]:
        """The named ports of an identity: those on which all its endpoints agree."""
        known = self._named.get(numeric)
        if known is None:
            holdings = self._holdings.get(numeric)
            if not holdings:
                return ()
            numbers: dict[tuple[str, str], set[int]] = {}
            for ports in holdings.values():
                for named in ports:
                    numbers.setdefault((named.name, named.protocol.upper()), set()).add(named.port)
            known = tuple(
                NamedPort(name, next(iter(found)), protocol)
                for (name, protocol), found in sorted(numbers.items())
                if len(found) == 1
            )
            self._named[numeric] = known
        return known

    def listeners(self) -> dict[tuple[str, int, int], int]:
        """Who listens under a name: (name, protocol, port) → bits."""
        generation, table = self._listeners
        now = self._ports_generation * (1 << 40) + self.population.generation
        if generation != now:
            table = {}
            for numeric in self._holdings:
                bit = 1 << self.population.position(numeric)
                for named in self.named_ports(numeric):
                    key = (named.name, int(Protocol[named.protocol.upper()]), named.port)
                    table[key] = table.get(key, 0) | bit
            self._listeners = (now, table)
        return table
