"""Why a connection passes or not: the walk of the engine as data, and in words.

Nothing here decides; it asks the repository and shows what it looked at. Where the configured version of Cilium is
known to differ from its documentation, the explanation says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab_helpers.policy.deciding import Hit, walk
from lab_helpers.policy.decisions import Decision, MatchType, Why
from lab_helpers.policy.identities import Endpoint
from lab_helpers.policy.protocols import PortMatch, Protocol
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.requests import HTTPRequest, L7Parser, dns_allows, http_allows, server_name_allows
from lab_helpers.policy.resolving import Item, Level, RuleState, covers_named
from lab_helpers.policy.rules import Action, Direction, PolicyRef, RuleRef
from lab_helpers.policy.versions import Fault, faults_of

__all__ = ["Explanation", "Layer7", "Match", "Miss", "Question", "Side", "explain"]


@dataclass(frozen=True, slots=True)
class Question:
    """A connection, and perhaps what is said over it."""

    source: Endpoint
    target: Endpoint
    protocol: Protocol
    port: int
    http: HTTPRequest | None = None
    dns: str = ""
    server_name: str = ""

    @property
    def where(self) -> str:
        """The destination port, or the ICMP type."""
        if self.protocol in (Protocol.ICMP, Protocol.ICMPV6):
            return f"{self.protocol.text} type {self.port}"
        return f"{self.port}/{self.protocol.text}"


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that matches. ``peer`` and ``ports`` are the parts of it that did; ``decides``: it is behind the
    verdict.
    """

    ref: RuleRef
    action: Action
    peer: str
    ports: str
    parser: L7Parser
    decides: bool
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Miss:
    """A rule of a policy that selects the endpoint, and why it does not match."""

    ref: RuleRef
    action: Action
    reason: str
    faults: tuple[Fault, ...] = ()
    """Why it may match on a real cluster all the same."""


@dataclass(frozen=True, slots=True)
class Layer7:
    """What the proxy says to the request. ``judged`` False: no request was given, or the proxy is not asked."""

    parser: L7Parser
    judged: bool
    allowed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Side:
    """One direction, at the endpoint that enforces it."""

    direction: Direction
    subject: Endpoint
    peer: Endpoint
    decision: Decision
    closed_by: tuple[RuleRef, ...]
    """The rules that switch default deny on."""
    selected_by: tuple[PolicyRef, ...]
    matches: tuple[Match, ...]
    misses: tuple[Miss, ...]
    layer7: Layer7 | None
    map_key: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Both sides. ``allowed`` counts the request too, when one was given."""

    question: Question
    egress: Side
    ingress: Side

    @property
    def connected(self) -> bool:
        """Do both sides let the connection through?"""
        return self.egress.decision.allowed and self.ingress.decision.allowed

    @property
    def allowed(self) -> bool:
        """Does the connection, and the request if there is one, get through?"""
        layers = [side.layer7 for side in (self.egress, self.ingress)]
        return self.connected and all(layer is None or layer.allowed for layer in layers)


def explain(repository: Repository, question: Question) -> Explanation:
    """Explain a connection. Raises RegexError when a request meets a pattern Envoy would refuse."""
    egress = _side(repository, Direction.EGRESS, question)
    return Explanation(question, egress, _side(repository, Direction.INGRESS, question))


def _side(repository: Repository, direction: Direction, question: Question) -> Side:
    egress = direction is Direction.EGRESS
    subject, peer = (question.source, question.target) if egress else (question.target, question.source)
    decision = repository.decide(direction, subject, peer, question.protocol, question.port)
    view = repository.view(direction, subject)
    repository.view(direction, peer)
    matches: tuple[Match, ...] = ()
    misses: tuple[Miss, ...] = ()
    closed: tuple[RuleRef, ...] = ()
    selected: tuple[PolicyRef, ...] = ()
    if view.resolved is not None and view.exempt is None:
        resolved = view.resolved
        position = repository.population.position(peer.identity.numeric)
        listening = repository.listening(direction, subject, peer)
        outcome = walk(
            resolved, repository.population, direction, position, int(question.protocol), question.port, listening
        )
        hits = (*outcome.passed, *outcome.hits)
        matches = tuple(_match(hit, peer, decision, repository) for hit in hits)
        states = [state for block in resolved.blocks for state in block.rules]
        matched = {match.ref for match in matches}
        misses = tuple(
            _miss(state, peer, question, repository, direction) for state in states if state.rule.ref not in matched
        )
        closed = tuple(dict.fromkeys(state.rule.ref for state in states if state.rule.default_deny))
        selected = tuple(dict.fromkeys(state.rule.ref.policy for state in states))
    layer7 = _layer7(decision, question)
    return Side(
        direction,
        subject,
        peer,
        decision,
        closed,
        selected,
        matches,
        misses,
        layer7,
        _map_key(decision, peer, question),
    )


def _match(hit: Hit, peer: Endpoint, decision: Decision, repository: Repository) -> Match:
    state, l7 = hit.item
    return Match(
        state.rule.ref,
        state.rule.action,
        _peer_text(state, peer),
        _ports_text(hit.item, hit.level),
        l7.parser,
        state.rule.ref in decision.rules,
        faults_of(state.rule, repository.config),
    )


def _peer_text(state: RuleState, peer: Endpoint) -> str:
    for selection in state.peers:
        if selection.wildcard:
            return "everybody"
        if selection.selector.matches(peer.identity.labels):
            return str(selection.selector)
    return "nobody"


def _ports_text(item: Item, level: Level) -> str:
    shown = [str(match) for match, group in level.groups.items() if item in group.items]
    return "every port" if "ANY" in shown else ", ".join(shown)


def _miss(state: RuleState, peer: Endpoint, question: Question, repository: Repository, direction: Direction) -> Miss:
    rule = state.rule
    faults = faults_of(rule, repository.config)
    if not state.peers:
        return Miss(rule.ref, rule.action, "it names nobody (an empty list, or no peer at all)")
    reasons = []
    if not state.wildcard and not state.bits >> repository.population.position(peer.identity.numeric) & 1:
        wanted = "; or ".join(str(selection.selector) for selection in state.peers[:3])
        more = f"; and {len(state.peers) - 3} more" if len(state.peers) > 3 else ""
        reasons.append(f"the peer is not {wanted}{more}")
    if rule.ports is not None and not any(_covers(port.match, question, repository, direction) for port in rule.ports):
        wanted = ", ".join(dict.fromkeys(str(port.match) for port in rule.ports)) or "no port at all"
        reasons.append(f"it is about {wanted}, not {question.where}")
    return Miss(rule.ref, rule.action, " and ".join(reasons) or "an earlier tier decided", faults)


def _covers(match: PortMatch, question: Question, repository: Repository, direction: Direction) -> bool:
    if not match.name:
        return match.covers(question.protocol, question.port)
    ingress = direction is Direction.INGRESS
    ports = repository.listening(direction, *_ends(question, ingress=ingress))
    return covers_named(match, question.protocol, question.port, ports, ranges=ingress)


def _ends(question: Question, *, ingress: bool) -> tuple[Endpoint, Endpoint]:
    return (question.target, question.source) if ingress else (question.source, question.target)


def _layer7(decision: Decision, question: Question) -> Layer7 | None:
    redirect = decision.redirect
    if redirect is None:
        return None
    if redirect.unrestricted:
        return Layer7(
            redirect.parser, True, True, "another rule allows the port without L7 rules, so every request passes"
        )
    if redirect.parser is L7Parser.HTTP and question.http is not None:
        request = question.http
        allowed = http_allows(redirect.http, request)
        shown = f"{request.method} {request.path}"
        return Layer7(
            redirect.parser,
            True,
            allowed,
            f"{shown} matches a rule" if allowed else f"{shown} matches no rule: Envoy answers 403 Access denied",
        )
    if redirect.parser is L7Parser.DNS and question.dns:
        allowed = dns_allows(redirect.dns, question.dns)
        tail = "matches a rule" if allowed else "matches no rule: the DNS proxy answers REFUSED"
        return Layer7(redirect.parser, True, allowed, f"{question.dns} {tail}")
    if redirect.parser is L7Parser.TLS and question.server_name:
        allowed = server_name_allows(redirect.server_names, question.server_name)
        tail = "is a listed server name" if allowed else "is no listed server name: the proxy resets the connection"
        return Layer7(redirect.parser, True, allowed, f"{question.server_name} {tail}")
    return Layer7(redirect.parser, False, True, "the proxy judges each request")


def _map_key(decision: Decision, peer: Endpoint, question: Question) -> str:
    if decision.why in (Why.NOT_ENDPOINT, Why.NOT_ENFORCED):
        return ""
    if decision.match is MatchType.NONE:
        return "no entry"
    specific = decision.match in (MatchType.L3_ONLY, MatchType.L3_L4, MatchType.L3_PROTO)
    identity = str(peer.identity.numeric) if specific else "ANY"
    if decision.match in (MatchType.L3_ONLY, MatchType.ALL):
        where = "ANY"
    elif decision.match in (MatchType.L3_PROTO, MatchType.PROTO_ONLY):
        where = f"ANY/{question.protocol.text}"
    else:
        where = question.where
    return f"{decision.direction} identity={identity} {where}"
