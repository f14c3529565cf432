"""All identities there are, one bit each, so that a selector's answer is one integer.

An inverted index (label → bits) makes the cost of a selector independent of the number of identities, but for the width
of the integers. Positions of removed identities are used again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab_helpers.policy.errors import UnknownIdentity
from lab_helpers.policy.identities import Identity
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.prefixes import Prefix, prefix_of_label
from lab_helpers.policy.selectors import (
    EntitySelector,
    LabelSelector,
    NameSelector,
    Operator,
    PrefixSelector,
    Requirement,
    Selector,
)

__all__ = ["Population", "positions_of"]

_WORLDS = ("world", "world-ipv4", "world-ipv6")


def positions_of(bits: int) -> Iterator[int]:
    """The positions of the bits that are set, ascending."""
    if bits.bit_count() * 24 < bits.bit_length():
        while bits:
            low = bits & -bits
            yield low.bit_length() - 1
            bits ^= low
    else:
        text = format(bits, "b")[::-1]
        found = text.find("1")
        while found >= 0:
            yield found
            found = text.find("1", found + 1)


class Population:
    """Identities by position. ``generation`` grows with every change; ``prefix_generation`` with those that matter
    to CIDR rules.
    """

    __slots__ = (
        "_free",
        "_identities",
        "_index",
        "_positions",
        "_prefixes",
        "everyone",
        "generation",
        "prefix_generation",
    )

    def __init__(self) -> None:
        self._identities: list[Identity | None] = []
        self._positions: dict[int, int] = {}
        self._free: list[int] = []
        self._index: dict[tuple[str, ...], int] = {}
        self._prefixes: dict[Prefix, int] = {}
        self.everyone = 0
        self.generation = 0
        self.prefix_generation = 0

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[Identity]:
        return (identity for identity in self._identities if identity is not None)

    def add(self, identity: Identity) -> int:
        """Make an identity known and return its position. One with the same number but other labels is replaced."""
        known = self._positions.get(identity.numeric)
        if known is not None:
            present = self._identities[known]
            if present is not None and present.labels == identity.labels:
                return known
            self.remove(identity.numeric)
        if self._free:
            position = self._free.pop()
            self._identities[position] = identity
        else:
            position = len(self._identities)
            self._identities.append(identity)
        self._positions[identity.numeric] = position
        self._write(identity.labels, 1 << position)
        return position

    def remove(self, numeric: int) -> int:
        """Forget an identity and return the position it had. Raises UnknownIdentity."""
        position = self.position(numeric)
        identity = self._identities[position]
        assert identity is not None
        del self._positions[numeric]
        self._identities[position] = None
        self._free.append(position)
        self._write(identity.labels, 1 << position, present=False)
        return position

    def _write(self, labels: LabelSet, bit: int, *, present: bool = True) -> None:
        self.generation += 1
        self.everyone = self.everyone | bit if present else self.everyone & ~bit
        index = self._index
        for source, key, value in labels:
            for entry in ((source, key), ("any", key), (source, key, value), ("any", key, value)):
                index[entry] = index.get(entry, 0) | bit if present else index.get(entry, 0) & ~bit
            if source == "cidr" and (prefix := prefix_of_label(key)) is not None:
                bits = self._prefixes.get(prefix, 0)
                self._prefixes[prefix] = bits | bit if present else bits & ~bit
                self.prefix_generation += 1
            elif source in ("reserved", "cidrgroup"):
                self.prefix_generation += 1

    def knows(self, numeric: int) -> bool:
        """Is there an identity of that number?"""
        return numeric in self._positions

    def position(self, numeric: int) -> int:
        """The position of an identity. Raises UnknownIdentity."""
        try:
            return self._positions[numeric]
        except KeyError:
            raise UnknownIdentity(numeric) from None

    def at(self, position: int) -> Identity:
        """The identity at a position that is in use."""
        identity = self._identities[position]
        assert identity is not None
        return identity

    def numerics(self, bits: int) -> tuple[int, ...]:
        """The numbers of the identities whose bits are set, ascending."""
        return tuple(sorted(self.at(position).numeric for position in positions_of(bits)))

    def carrying(self, source: str, key: str) -> int:
        """The bits of the identities with a label of that source (or of any) and key."""
        return self._index.get((source, key), 0)

    def select(self, selector: Selector) -> int:
        """The bits of the identities a selector selects."""
        if isinstance(selector, LabelSelector):
            return self._all_of(selector.requirements)
        if isinstance(selector, EntitySelector):
            bits = 0
            for alternative in selector.alternatives:
                bits |= self._all_of(alternative.requirements)
            return bits
        if isinstance(selector, NameSelector):
            key = selector.fqdn.label.key
            return self.carrying("fqdn", key) if key else 0
        return self._within(selector)

    def _all_of(self, requirements: Iterable[Requirement]) -> int:
        bits = self.everyone
        index = self._index
        for source, key, operator, values in requirements:
            if operator is Operator.IN:
                hit = 0
                for value in values:
                    hit |= index.get((source, key, value), 0)
                bits &= hit
            elif operator is Operator.EXISTS:
                bits &= index.get((source, key), 0)
            elif operator is Operator.NOT_IN:
                for value in values:
                    bits &= ~index.get((source, key, value), 0)
            else:
                bits &= ~index.get((source, key), 0)
            if not bits:
                return 0
        return bits

    def _contained(self, prefix: Prefix) -> int:
        bits = 0
        for candidate, carriers in self._prefixes.items():
            if prefix.contains(candidate):
                bits |= carriers
        return bits

    def _reserved(self, names: Iterable[str]) -> int:
        bits = 0
        for name in names:
            bits |= self.carrying("reserved", name)
        return bits

    def _within(self, selector: PrefixSelector) -> int:
        if selector.group is not None:
            bits = self._all_of(selector.group.requirements)
        elif selector.prefix is None:
            return 0
        elif selector.prefix.length == 0:
            bits = self._reserved(selector.world)
            if selector.pods:
                bits |= self._contained(selector.prefix) & self.carrying("k8s", "io.kubernetes.pod.namespace")
        else:
            bits = self._contained(selector.prefix)
            if bits:
                bits &= self._admitted(selector)
        for excluded in selector.excluded:
            if not bits:
                return 0
            bits &= ~self._contained(excluded)
            if excluded.length == 0:
                bits &= ~self._reserved(selector.world)
        return bits

    def _admitted(self, selector: PrefixSelector) -> int:
        bits = self._reserved(_WORLDS)
        if selector.nodes:
            bits |= self._reserved(("remote-node", "host"))
        if selector.pods:
            bits |= self.carrying("k8s", "io.kubernetes.pod.namespace")
        return bits
