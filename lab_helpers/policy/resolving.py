"""From rules to the policy of one class of endpoints in one direction.

Endpoints that the same rules select form a class and share one :class:`Resolved`. It holds, per tier and priority, the
rules grouped by protocol and port; whom a group allows, denies or redirects is a set of bits, merged when first asked
for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from lab_helpers.policy.identities import NamedPort
from lab_helpers.policy.populations import Population
from lab_helpers.policy.protocols import PortMatch, Protocol
from lab_helpers.policy.requests import L7Parser, L7Rules
from lab_helpers.policy.rules import Action, Rule, Tier
from lab_helpers.policy.selections import Selection

__all__ = ["Block", "Group", "GroupBits", "Item", "Level", "Resolved", "RuleState", "covers_named", "parser_conflict"]

_NO_L7 = L7Rules()
_EVERYTHING = PortMatch(Protocol.ANY)


class RuleState:
    """A rule with its live peers. Two states are equal only when they are the same."""

    __slots__ = ("_bits", "_generation", "_population", "peers", "rule", "wildcard")

    def __init__(self, rule: Rule, peers: tuple[Selection, ...], population: Population) -> None:
        self.rule = rule
        self.peers = peers
        self.wildcard = any(peer.wildcard for peer in peers)
        self._population = population
        self._generation = -1
        self._bits = 0

    @property
    def bits(self) -> int:
        """Everybody the rule is about."""
        generation = self._population.generation
        if generation != self._generation:
            bits = 0
            for peer in self.peers:
                bits |= peer.bits
            self._bits = bits
            self._generation = generation
        return self._bits


class Block:
    """The rules of one object that share subject and direction: selected together or not at all."""

    __slots__ = ("default_deny", "number", "rules", "subject")

    def __init__(self, number: int, subject: Selection, rules: tuple[RuleState, ...]) -> None:
        self.number = number
        self.subject = subject
        self.rules = rules
        self.default_deny = any(state.rule.default_deny for state in rules)


class Item(NamedTuple):
    """One rule at one protocol and port."""

    state: RuleState
    l7: L7Rules


class GroupBits(NamedTuple):
    """Whom a group says what about. ``redirect`` is part of ``allow``."""

    deny: int
    allow: int
    redirect: int
    passing: int


class Group:
    """All rules of one level for the same protocol and ports."""

    __slots__ = ("_bits", "_generation", "items", "match")

    def __init__(self, match: PortMatch) -> None:
        self.match = match
        self.items: list[Item] = []
        self._generation = -1
        self._bits = GroupBits(0, 0, 0, 0)

    def bits(self, population: Population) -> GroupBits:
        """The merged peers, computed once per generation of the population."""
        if self._generation != population.generation:
            deny = allow = redirect = passing = 0
            for state, l7 in self.items:
                action = state.rule.action
                peers = state.bits
                if action is Action.DENY:
                    deny |= peers
                elif action is Action.ALLOW:
                    allow |= peers
                    if l7.parser:
                        redirect |= peers
                else:
                    passing |= peers
            self._bits = GroupBits(deny, allow, redirect, passing)
            self._generation = population.generation
        return self._bits


class Level:
    """One tier and priority. Groups are found by protocol and port without walking all of them."""

    __slots__ = ("_any", "_exact", "_named", "_ranges", "_wide", "groups", "priority", "tier")

    def __init__(self, tier: Tier, priority: float) -> None:
        self.tier = tier
        self.priority = priority
        self.groups: dict[PortMatch, Group] = {}
        self._any: Group | None = None
        self._wide: dict[int, Group] = {}
        self._exact: dict[tuple[int, int], Group] = {}
        self._ranges: dict[int, list[Group]] = {}
        self._named: list[Group] = []

    def add(self, match: PortMatch, item: Item) -> None:
        """Put a rule in its group."""
        group = self.groups.get(match)
        if group is None:
            group = self.groups[match] = Group(match)
            if match.name:
                self._named.append(group)
            elif match.protocol is Protocol.ANY:
                self._any = group
            elif match.first == 0:
                self._wide[match.protocol] = group
            elif match.first == match.last:
                self._exact[match.protocol, match.first] = group
            else:
                self._ranges.setdefault(match.protocol, []).append(group)
        group.items.append(item)

    def matching(self, protocol: int, port: int) -> Iterator[Group]:
        """The groups with numbers that cover a port."""
        if self._any is not None:
            yield self._any
        wide = self._wide.get(protocol)
        if wide is not None:
            yield wide
        exact = self._exact.get((protocol, port))
        if exact is not None:
            yield exact
        for group in self._ranges.get(protocol, ()):
            if group.match.first <= port <= group.match.last:
                yield group

    @property
    def named(self) -> Sequence[Group]:
        """The groups that ask for a port by name."""
        return self._named


def covers_named(match: PortMatch, protocol: int, port: int, ports: Iterable[NamedPort], *, ranges: bool) -> bool:
    """Does a match by name cover a port, given the names of the pod that listens? ``ranges``: does ``endPort``
    count (ingress)?
    """
    if match.protocol not in (Protocol.ANY, protocol):
        return False
    wanted = Protocol(protocol).name
    for named in ports:
        if named.name == match.name and named.protocol.upper() == wanted:
            last = match.last if ranges and match.last > named.port else named.port
            if named.port <= port <= last:
                return True
    return False


_PARSERS_PROMOTED_FROM_TLS = frozenset({L7Parser.HTTP, L7Parser.KAFKA})


def parser_conflict(first: L7Parser, second: L7Parser) -> bool:
    """Can two parsers not be merged for one selector and port? Nothing gives way to anything, TLS to HTTP."""
    if first is second or not first or not second:
        return False
    pair = {first, second}
    return not (L7Parser.TLS in pair and pair & _PARSERS_PROMOTED_FROM_TLS)


class Resolved:
    """The policy of a class of endpoints in one direction."""

    __slots__ = ("blocks", "conflict", "default_deny", "levels")

    def __init__(self, blocks: Sequence[Block], *, merge_named_ports: bool = False) -> None:
        self.blocks = tuple(blocks)
        self.default_deny = any(block.default_deny for block in blocks)
        levels: dict[tuple[int, float], Level] = {}
        first_range: dict[tuple[int, float, int, str], int] = {}
        for block in blocks:
            for state in block.rules:
                rule = state.rule
                if not state.peers or rule.ports == ():
                    continue
                key = (int(rule.tier), rule.priority)
                level = levels.get(key)
                if level is None:
                    level = levels[key] = Level(rule.tier, rule.priority)
                if rule.ports is None:
                    level.add(_EVERYTHING, Item(state, _NO_L7))
                    continue
                for match, l7 in rule.ports:
                    if match.name and merge_named_ports:
                        last = first_range.setdefault((*key, match.protocol, match.name), match.last)
                        level.add(match._replace(last=last), Item(state, l7))
                    else:
                        level.add(match, Item(state, l7))
        self.levels = tuple(levels[key] for key in sorted(levels))
        self.conflict = self._conflict()

    def _conflict(self) -> str:
        for level in self.levels:
            for group in level.groups.values():
                seen: dict[Selection, L7Parser] = {}
                for state, l7 in group.items:
                    if not l7.parser:
                        continue
                    for peer in state.peers:
                        before = seen.setdefault(peer, l7.parser)
                        if parser_conflict(before, l7.parser):
                            return f"cannot merge conflicting L7 parsers ({before}/{l7.parser})"
        return ""
