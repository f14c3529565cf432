"""The policy map of an endpoint, entry by entry, as ``cilium-dbg bpf policy get`` shows it.

The engine itself decides without these entries; they are for looking at. Entries that another one of the same or higher
precedence covers are left out, as Cilium does. Follows Cilium pkg/policy/mapstate.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lab_helpers.policy.deciding import precedence_byte
from lab_helpers.policy.decisions import MapEntry
from lab_helpers.policy.identities import NamedPort
from lab_helpers.policy.populations import positions_of
from lab_helpers.policy.protocols import PortMatch, Protocol
from lab_helpers.policy.repositories import Party, Repository
from lab_helpers.policy.requests import L7Parser, L7Rules
from lab_helpers.policy.resolving import Resolved
from lab_helpers.policy.rules import Action, Direction, RuleRef

__all__ = ["policy_map", "port_prefixes"]

_LOWEST = (1 << 24) - 1
_NO_L7 = L7Rules()


class _Key(NamedTuple):
    identity: int
    protocol: Protocol
    port: int
    bits: int

    @property
    def length(self) -> int:
        if self.protocol is Protocol.ANY:
            return 0
        return 8 + self.bits

    def covers(self, other: _Key) -> bool:
        if self.identity not in (0, other.identity) or self.length > other.length:
            return False
        if self.protocol is Protocol.ANY:
            return True
        return self.protocol is other.protocol and (
            self.bits == 0 or self.port >> (16 - self.bits) == other.port >> (16 - self.bits)
        )


class _Value(NamedTuple):
    precedence: int
    action: Action
    l7: L7Rules
    authentication: str
    rules: tuple[RuleRef, ...]


def port_prefixes(first: int, last: int) -> Iterator[tuple[int, int]]:
    """A range of ports as the fewest prefixes: (port, bits)."""
    while first <= last:
        size = first & -first if first else 1 << 16
        while first + size - 1 > last:
            size >>= 1
        yield first, 17 - size.bit_length()
        first += size


def _spans(
    match: PortMatch, listening: Sequence[NamedPort], direction: Direction
) -> Iterator[tuple[Protocol, int, int]]:
    if match.protocol is Protocol.ANY:
        yield Protocol.ANY, 0, 0
    elif not match.name:
        if match.first == 0:
            yield match.protocol, 0, 0
        else:
            for port, bits in port_prefixes(match.first, match.last):
                yield match.protocol, port, bits
    else:
        for named in listening:
            if named.name == match.name and named.protocol.upper() == match.protocol.name:
                last = max(match.last, named.port) if direction is Direction.INGRESS else named.port
                for port, bits in port_prefixes(named.port, last):
                    yield match.protocol, port, bits


def _written(
    repository: Repository, resolved: Resolved, direction: Direction, subject_ports: Sequence[NamedPort]
) -> dict[_Key, _Value]:
    table: dict[_Key, _Value] = {}
    for rank, level in enumerate(resolved.levels):
        for group in level.groups.values():
            for state, l7 in group.items:
                rule = state.rule
                precedence = ((_LOWEST - rank) << 8) | precedence_byte(rule.action, l7)
                value = _Value(precedence, rule.action, l7, rule.authentication, (rule.ref,))
                identities = [0] if state.wildcard else repository.population.numerics(state.bits)
                for numeric in identities:
                    ports = subject_ports if direction is Direction.INGRESS else repository.named_ports(numeric)
                    for protocol, port, bits in _spans(group.match, ports, direction):
                        _put(table, _Key(numeric, protocol, port, bits), value)
                if state.wildcard and group.match.name and direction is Direction.EGRESS:
                    _named_everywhere(repository, table, group.match, value)
    return table


def _named_everywhere(repository: Repository, table: dict[_Key, _Value], match: PortMatch, value: _Value) -> None:
    """A port name on egress means another number for each destination, so that even everybody becomes single
    identities.
    """
    for (name, protocol, port), bits in repository.listeners().items():
        if name == match.name and protocol == match.protocol:
            for position in positions_of(bits):
                numeric = repository.population.at(position).numeric
                _put(table, _Key(numeric, match.protocol, port, 16), value)


def _put(table: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    present = table.get(key)
    if present is None or present.precedence < value.precedence:
        table[key] = value
    elif present.precedence == value.precedence and value.rules[0] not in present.rules:
        table[key] = present._replace(rules=(*present.rules, *value.rules))


def _covered(key: _Key, value: _Value, table: dict[_Key, _Value]) -> bool:
    lengths = range(key.bits + 1) if key.protocol is not Protocol.ANY else (0,)
    for identity in {0, key.identity}:
        candidates = [_Key(identity, Protocol.ANY, 0, 0)]
        for bits in lengths:
            port = key.port >> (16 - bits) << (16 - bits) if bits else 0
            candidates.append(_Key(identity, key.protocol, port, bits))
        for candidate in candidates:
            other = table.get(candidate)
            if other is None or candidate == key or not candidate.covers(key):
                continue
            if other.precedence > value.precedence and (identity == key.identity or other.action is Action.DENY):
                return True
    return False


def policy_map(
    repository: Repository, subject: Party, *, ports: Sequence[NamedPort] | None = None
) -> tuple[MapEntry, ...]:
    """The entries of an endpoint's policy map, ingress first, then by identity, protocol and port.

    Where a direction is not enforced the map allows everything. ``ports``: the endpoint's own named ports, if they are
    not those of its identity.
    """
    found: list[MapEntry] = []
    for direction in (Direction.INGRESS, Direction.EGRESS):
        view = repository.view(direction, subject)
        own = view.ports if ports is None else tuple(ports)
        table: dict[_Key, _Value] = {}
        if view.resolved is not None and view.enforced:
            table = _written(repository, view.resolved, direction, own)
        if not view.default_deny:
            _put(table, _Key(0, Protocol.ANY, 0, 0), _Value(1, Action.ALLOW, _NO_L7, "", ()))
        elif direction is Direction.INGRESS and view.host_exempt:
            host = [identity.numeric for identity in repository.population if identity.labels.reserved("host")]
            for numeric in host or [1]:
                _put(table, _Key(numeric, Protocol.ANY, 0, 0), _Value(1, Action.ALLOW, _NO_L7, "", ()))
        found.extend(
            MapEntry(
                direction,
                key.identity,
                key.protocol,
                key.port,
                key.bits,
                value.action is Action.DENY,
                value.l7.parser if value.action is Action.ALLOW else L7Parser.NONE,
                "" if value.authentication == "disabled" else value.authentication,
                value.precedence,
                key.length,
                value.rules,
            )
            for key, value in sorted(table.items(), key=lambda item: item[0])
            if value.action is not Action.PASS and not _covered(key, value, table)
        )
    return tuple(found)
