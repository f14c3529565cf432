"""Who reaches whom: for all pairs at once, as a table, and what changes between two tables.

Works on bits: one class of endpoints costs one pass over its rules, and the ingress half is turned around by text
slicing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from lab_helpers.policy.identities import Endpoint, NamedPort
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.rules import Direction

__all__ = ["Changed", "Matrix", "Reach", "Target", "difference", "full_matrix", "reachability", "transposed"]


class Reach(StrEnum):
    """How a connection fares. PROXIED: it is allowed, and each request is judged by a proxy."""

    ALLOWED = "allowed"
    PROXIED = "proxied"
    DENIED = "denied"


class Target(NamedTuple):
    """A place to connect to."""

    name: str
    protocol: Protocol
    port: int

    def __str__(self) -> str:
        if self.protocol in (Protocol.ICMP, Protocol.ICMPV6):
            return f"{self.name} {self.protocol.text} type {self.port}"
        return f"{self.name}:{self.port}/{self.protocol.text}"


def transposed(rows: Sequence[int], width: int) -> list[int]:
    """Rows of ``width`` bits, turned around: bit ``i`` of row ``j`` becomes bit ``j`` of row ``i``."""
    if not rows or not width:
        return [0] * width
    text = "".join(format(row, f"0{width}b") for row in reversed(rows))
    return [int(text[width - 1 - column :: width], 2) for column in range(width)]


def _halves(repository: Repository, direction: Direction, protocol: int, port: int) -> tuple[list[int], list[int]]:
    """Per position, whom it may talk with in one direction: (allowed, redirected) rows. Positions without identity
    are 0.
    """
    population = repository.population
    width = population.everyone.bit_length()
    allowed, redirected = [0] * width, [0] * width
    known: dict[tuple[int, bool, tuple[NamedPort, ...]], tuple[int, int]] = {}
    for identity in population:
        position = population.position(identity.numeric)
        resolved = repository.resolved(direction, position)
        ports = repository.named_ports(identity.numeric) if direction is Direction.INGRESS else ()
        special = bool(identity.labels.of("reserved")) or not identity.labels.of("k8s")
        if special or resolved is None:
            allowed[position], redirected[position] = repository.permitted(direction, position, protocol, port)
            continue
        key = (id(resolved), repository.exempt(identity.labels), ports)
        rows = known.get(key)
        if rows is None:
            rows = known[key] = repository.permitted(direction, position, protocol, port)
        allowed[position], redirected[position] = rows
    return allowed, redirected


def full_matrix(repository: Repository, protocol: Protocol, port: int) -> list[int]:
    """Every identity against every other at one port: per source position, the bits of the destinations it reaches."""
    outward, _ = _halves(repository, Direction.EGRESS, protocol, port)
    inward, _ = _halves(repository, Direction.INGRESS, protocol, port)
    turned = transposed(inward, len(outward))
    return [out & back for out, back in zip(outward, turned, strict=True)]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows are sources, columns targets, both by name."""

    sources: tuple[str, ...]
    targets: tuple[Target, ...]
    cells: tuple[tuple[Reach, ...], ...]

    def at(self, source: str, target: Target) -> Reach:
        """One cell. Raises ValueError for names that are not there."""
        return self.cells[self.sources.index(source)][self.targets.index(target)]


def reachability(
    repository: Repository, sources: Iterable[Endpoint], targets: Iterable[tuple[Endpoint, Target]]
) -> Matrix:
    """Judge every source against every target."""
    rows, columns = tuple(sources), tuple(targets)
    for endpoint in (*rows, *(endpoint for endpoint, _ in columns)):
        repository.view(Direction.INGRESS, endpoint)
    cells = tuple(tuple(_reach(repository, source, target, where) for target, where in columns) for source in rows)
    return Matrix(tuple(row.name for row in rows), tuple(where for _, where in columns), cells)


def _reach(repository: Repository, source: Endpoint, target: Endpoint, where: Target) -> Reach:
    egress = repository.decide(Direction.EGRESS, source, target, where.protocol, where.port)
    ingress = repository.decide(Direction.INGRESS, target, source, where.protocol, where.port)
    if not (egress.allowed and ingress.allowed):
        return Reach.DENIED
    return Reach.PROXIED if egress.redirect or ingress.redirect else Reach.ALLOWED


class Changed(NamedTuple):
    """A cell that differs."""

    source: str
    target: Target
    before: Reach
    after: Reach


def difference(before: Matrix, after: Matrix) -> tuple[Changed, ...]:
    """The cells of both matrices that differ, in the order of ``before``. Rows and columns that only one of them
    has are left out.
    """
    rows = {name: number for number, name in enumerate(after.sources)}
    columns = {target: number for number, target in enumerate(after.targets)}
    found = []
    for source, cells in zip(before.sources, before.cells, strict=True):
        for target, cell in zip(before.targets, cells, strict=True):
            if source in rows and target in columns:
                now = after.cells[rows[source]][columns[target]]
                if now is not cell:
                    found.append(Changed(source, target, cell, now))
    return tuple(found)
