"""The walk through a resolved policy: which rule decides, and how the datapath would report it.

The result equals that of two lookups in the policy map (identity, then any) with Cilium's precedence: among everything
that matches on the first level that says something, deny beats redirect beats plain allow, then the longer port prefix
wins, then the specific identity. Follows Cilium bpf/lib/policy.h and pkg/policy/types/entry.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from lab_helpers.policy.decisions import MatchType, Redirect
from lab_helpers.policy.identities import NamedPort
from lab_helpers.policy.populations import Population
from lab_helpers.policy.requests import L7Parser, L7Rules
from lab_helpers.policy.resolving import Group, Item, Level, Resolved, covers_named
from lab_helpers.policy.rules import Action, Direction, RuleRef

__all__ = [
    "Hit",
    "Outcome",
    "allowed_bits",
    "deciding_rules",
    "hits_of",
    "port_prefix_bits",
    "precedence_byte",
    "redirect_of",
    "walk",
]

_DEFAULT_PRIORITY = {
    L7Parser.HTTP: 101,
    L7Parser.KAFKA: 106,
    L7Parser.TLS: 116,
    L7Parser.DNS: 121,
    L7Parser.CRD: 126,
}


def precedence_byte(action: Action, l7: L7Rules) -> int:
    """The low byte of a map entry's precedence: 255 deny, 129–254 redirect, 1 plain allow, 0 pass."""
    if action is Action.DENY:
        return 255
    if action is Action.PASS:
        return 0
    if not l7.parser:
        return 1
    return 255 - (l7.listener_priority or _DEFAULT_PRIORITY[l7.parser])


def port_prefix_bits(first: int, last: int, port: int) -> int:
    """How long the prefix is that covers ``port`` when the range is cut into as few prefixes as possible: 0 to 16."""
    low = first
    while low <= last:
        size = low & -low if low else 1 << 16
        while low + size - 1 > last:
            size >>= 1
        if low <= port < low + size:
            return 17 - size.bit_length()
        low += size
    return 16


class Hit(NamedTuple):
    """A rule that matches a connection. ``specific``: by the peer's own identity, not by a wildcard. Larger
    ``rank`` wins.
    """

    item: Item
    level: Level
    specific: bool
    length: int
    """Bits of the map key that count: 0 none, 8 the protocol, up to 24 with the port."""
    precedence: int

    @property
    def rank(self) -> tuple[int, int, bool]:
        """What the datapath compares."""
        return self.precedence, self.length, self.specific

    @property
    def match_type(self) -> MatchType:
        """How a policy-verdict event calls it."""
        if self.length > 8:
            return MatchType.L3_L4 if self.specific else MatchType.L4_ONLY
        if self.length == 8:
            return MatchType.L3_PROTO if self.specific else MatchType.PROTO_ONLY
        return MatchType.L3_ONLY if self.specific else MatchType.ALL


class Outcome(NamedTuple):
    """What the rules say: ALLOW or DENY with the hits of the deciding level, best first; or None when nothing
    matched.
    """

    action: Action | None
    hits: tuple[Hit, ...] = ()
    passed: tuple[Hit, ...] = ()
    """Hits that said PASS on the way."""


def _length(group: Group, port: int, first: int, last: int) -> int:
    match = group.match
    if not match.protocol:
        return 0
    if not match.name and match.first == 0:
        return 8
    return 8 + port_prefix_bits(first, last, port)


def hits_of(level: Level, group: Group, position: int, port: int, span: tuple[int, int]) -> Iterator[Hit]:
    """The rules of a group that match the peer at a position. ``span``: the ports the group covers."""
    length = _length(group, port, *span)
    bit = 1 << position
    for item in group.items:
        state, l7 = item
        if state.wildcard:
            yield Hit(item, level, False, length, precedence_byte(state.rule.action, l7))
        elif state.bits & bit:
            yield Hit(item, level, True, length, precedence_byte(state.rule.action, l7))


def _span(group: Group, port: int, ports: Iterable[NamedPort], direction: Direction) -> tuple[int, int]:
    match = group.match
    if not match.name:
        return match.first, match.last
    if direction is Direction.INGRESS:
        for named in ports:
            if named.name == match.name and named.port <= port <= max(match.last, named.port):
                return named.port, max(match.last, named.port)
    return port, port


def walk(
    resolved: Resolved,
    population: Population,
    direction: Direction,
    peer: int,
    protocol: int,
    port: int,
    listening: Sequence[NamedPort],
) -> Outcome:
    """Find the deciding level. ``peer`` is a position; ``listening`` are the named ports of the side that listens."""
    skipped: int | None = None
    passed: list[Hit] = []
    for level in resolved.levels:
        if level.tier == skipped:
            continue
        groups = list(level.matching(protocol, port))
        ranges = direction is Direction.INGRESS
        groups.extend(
            group for group in level.named if covers_named(group.match, protocol, port, listening, ranges=ranges)
        )
        hits: list[Hit] = []
        for group in groups:
            deny, allow, _, passing = group.bits(population)
            if (deny | allow | passing) >> peer & 1:
                hits.extend(hits_of(level, group, peer, port, _span(group, port, listening, direction)))
        if not hits:
            continue
        hits.sort(key=lambda hit: hit.rank, reverse=True)
        best = hits[0].item.state.rule.action
        if best is Action.PASS:
            skipped = int(level.tier)
            passed.extend(hits)
            continue
        return Outcome(best, tuple(hits), tuple(passed))
    return Outcome(None, (), tuple(passed))


def allowed_bits(
    resolved: Resolved,
    population: Population,
    direction: Direction,
    protocol: int,
    port: int,
    *,
    subject_ports: Sequence[NamedPort] = (),
    listeners: dict[tuple[str, int, int], int] | None = None,
) -> tuple[int, int, int]:
    """Whom the rules allow, deny or redirect at one port, for all peers at once: (allowed, undecided, redirected) bits.

    ``listeners`` gives, for egress, who listens: (port name, protocol, port) → bits.
    """
    undecided = population.everyone
    allowed = redirected = 0
    tier: int | None = None
    active = undecided
    for level in resolved.levels:
        if level.tier != tier:
            tier, active = int(level.tier), undecided
        deny = allow = redirect = passing = 0
        for group in level.matching(protocol, port):
            bits = group.bits(population)
            deny |= bits.deny
            allow |= bits.allow
            redirect |= bits.redirect
            passing |= bits.passing
        for group in level.named:
            if direction is Direction.INGRESS:
                who = -1 if covers_named(group.match, protocol, port, subject_ports, ranges=True) else 0
            elif group.match.protocol in (0, protocol):
                who = (listeners or {}).get((group.match.name, protocol, port), 0)
            else:
                who = 0
            if who:
                bits = group.bits(population)
                deny |= bits.deny & who
                allow |= bits.allow & who
                redirect |= bits.redirect & who
                passing |= bits.passing & who
        deny &= active
        allow &= active & ~deny
        allowed |= allow
        redirected |= redirect & allow
        decided = deny | allow
        undecided &= ~decided
        active &= ~(decided | passing)
    return allowed, undecided, redirected


def redirect_of(hits: Sequence[Hit]) -> Redirect | None:
    """The proxy's instructions, from the hits of an allowing level; None when the best hit does not redirect."""
    best = hits[0].item.l7
    if not best.parser:
        return None
    same = [hit for hit in hits if hit.item.l7.parser is best.parser]
    plain = any(
        hit.item.state.rule.action is Action.ALLOW and (not hit.item.l7.parser or _opens(hit.item.l7)) for hit in hits
    )
    watched = any(not hit.item.state.rule.default_deny for hit in same)
    rules = [hit.item.l7 for hit in same]
    return Redirect(
        best.parser,
        http=tuple(dict.fromkeys(rule for l7 in rules for rule in l7.http)),
        dns=tuple(dict.fromkeys(rule for l7 in rules for rule in l7.dns)),
        kafka=tuple(dict.fromkeys(rule for l7 in rules for rule in l7.kafka)),
        server_names=tuple(dict.fromkeys(name for l7 in rules for name in l7.server_names)),
        listener=best.listener,
        priority=best.listener_priority or _DEFAULT_PRIORITY[best.parser],
        unrestricted=plain or watched,
    )


def _opens(l7: L7Rules) -> bool:
    """A redirect that asks nothing of a request (a listener, TLS without rules) – its proxy decides for itself."""
    return l7.parser is L7Parser.TLS and not l7.server_names and not l7.http


def deciding_rules(hits: Sequence[Hit]) -> tuple[RuleRef, ...]:
    """The rules that lead to the verdict, the one behind the reported map entry first, without repetition."""
    if not hits:
        return ()
    best = hits[0].precedence
    return tuple(dict.fromkeys(hit.item.state.rule.ref for hit in hits if hit.precedence == best))
