"""The repository: endpoints, identities, services and policies in; decisions out.

Everything is incremental. A policy costs the endpoints it selects, an endpoint the policies that select it; what
nobody asks for is not
computed. Not thread-safe; no I/O; no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Literal, NamedTuple

from lab_helpers.policy.addresses import address_labels
from lab_helpers.policy.configs import EnforcementMode, PolicyConfig
from lab_helpers.policy.deciding import Outcome, allowed_bits, deciding_rules, redirect_of, walk
from lab_helpers.policy.decisions import Decision, DropReason, Enforcement, MatchType, SelectorUse, Why
from lab_helpers.policy.identities import Endpoint, Identity, NamedPort, ReservedIdentity, runs_endpoint
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.matchpatterns import FQDNSelector
from lab_helpers.policy.populations import Population, positions_of
from lab_helpers.policy.prefixes import Prefix
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.resolving import Block, Resolved, RuleState
from lab_helpers.policy.rules import Action, CIDRGroup, Direction, ParsedPolicy, PolicyRef, Rule, Service
from lab_helpers.policy.selections import Selection, SelectionCache
from lab_helpers.policy.selectors import EntitySelector, LabelSelector, NameSelector, Operator, PrefixSelector, Selector
from lab_helpers.policy.services import service_peers

__all__ = ["Party", "Repository", "SubjectView"]

Party = Endpoint | Identity | int
"""Who takes part: an endpoint (its own named ports count), an identity, or the number of a known identity."""


class SubjectView(NamedTuple):
    """An endpoint in one direction: is policy enforced, and if not why; is it closed by default, but for the own
    host?
    """

    position: int
    enforced: bool
    exempt: Why | None
    default_deny: bool
    host_exempt: bool
    resolved: Resolved | None
    ports: tuple[NamedPort, ...]


_REMEMBERED = 65536
_DIRECTIONS = (Direction.INGRESS, Direction.EGRESS)


class Repository:
    """Policies and everything they talk about.

    ``revision`` starts at 1 and grows with every change of policies or services, as the agent's policy revision does.
    """

    def __init__(self, config: PolicyConfig | None = None) -> None:
        self.config = config or PolicyConfig()
        self.revision = 1
        self.population = Population()
        self._endpoints: dict[str, Endpoint] = {}
        self._holders: dict[int, int] = {}
        self._pinned: set[int] = set()
        self._policies: dict[PolicyRef, ParsedPolicy] = {}
        self._services: dict[tuple[str, str], Service] = {}
        self._groups: dict[str, CIDRGroup] = {}
        self._peers = SelectionCache(self.population)
        self._subjects = SelectionCache(self.population)
        self._blocks: dict[PolicyRef, dict[Direction, list[Block]]] = {}
        self._numbers = count(1)
        self._selecting: dict[Direction, dict[int, dict[int, Block]]] = {direction: {} for direction in _DIRECTIONS}
        self._resolved_at: dict[Direction, dict[int, Resolved]] = {direction: {} for direction in _DIRECTIONS}
        self._exemptions: dict[LabelSet, Why | None] = {}
        self._by_anchor: dict[tuple[str, str, str] | None, dict[int, tuple[Direction, Block]]] = {}
        self._classes: dict[Direction, dict[tuple[int, ...], Resolved]] = {direction: {} for direction in _DIRECTIONS}
        self._class_keys: dict[int, set[tuple[int, ...]]] = {}
        self._proxied: set[PolicyRef] = set()
        self._ports_generation = 0
        self._listeners: tuple[int, dict[tuple[str, int, int], int]] = (-1, {})
        self._named: dict[int, tuple[NamedPort, ...]] = {}
        self._holdings: dict[int, dict[str, tuple[NamedPort, ...]]] = {}

    # --- identities and endpoints
    # ---------------------------------------------------------------------------------------------

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
            self._unselect(position)
        position = population.add(identity)
        self._select(position, identity.labels)
        return position

    def _forget(self, numeric: int) -> None:
        if numeric in self._pinned or self._holders.get(numeric, 0) > 0:
            return
        self._holders.pop(numeric, None)
        self._holdings.pop(numeric, None)
        self._unselect(self.population.position(numeric))
        self.population.remove(numeric)

    def _select(self, position: int, labels: LabelSet) -> None:
        anchors: list[tuple[str, str, str] | None] = [None]
        for source, key, value in labels:
            anchors += [(source, key, value), ("any", key, value)]
        host = self.population.at(position).numeric == ReservedIdentity.HOST
        for anchor in anchors:
            for direction, block in self._by_anchor.get(anchor, {}).values():
                if block.rules[0].rule.node == host and block.subject.selector.matches(labels):
                    self._resolved_at[direction].pop(position, None)
                    self._selecting[direction].setdefault(position, {})[block.number] = block

    def _unselect(self, position: int) -> None:
        for direction in _DIRECTIONS:
            self._selecting[direction].pop(position, None)
            self._resolved_at[direction].pop(position, None)

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

    # --- policies, services, groups
    # -------------------------------------------------------------------------------------------

    def upsert(self, policy: ParsedPolicy) -> int:
        """Add a policy, or replace the object of that kind, namespace and name. Returns the new revision."""
        self._withdraw(policy.ref)
        self._policies[policy.ref] = policy
        if policy.cidr_group is not None:
            self._groups[policy.cidr_group.name] = policy.cidr_group
        self._install(policy)
        self.revision += 1
        return self.revision

    def remove(self, ref: PolicyRef) -> int:
        """Remove an object; unknown ones are ignored. Returns the revision."""
        policy = self._policies.pop(ref, None)
        if policy is None:
            return self.revision
        if policy.cidr_group is not None:
            self._groups.pop(policy.cidr_group.name, None)
        self._withdraw(ref)
        self.revision += 1
        return self.revision

    def policies(self) -> Iterator[ParsedPolicy]:
        """All objects, in the order they came."""
        return iter(self._policies.values())

    def cidr_groups(self) -> Iterator[CIDRGroup]:
        """All CiliumCIDRGroups."""
        return iter(self._groups.values())

    def upsert_service(self, service: Service) -> int:
        """Add or replace a Service; policies with ``toServices`` follow. Returns the revision."""
        if self._services.get((service.namespace, service.name)) != service:
            self._services[service.namespace, service.name] = service
            self._follow_services()
        return self.revision

    def remove_service(self, namespace: str, name: str) -> int:
        """Remove a Service; policies with ``toServices`` follow. Returns the revision."""
        if self._services.pop((namespace, name), None) is not None:
            self._follow_services()
        return self.revision

    def services(self) -> Iterator[Service]:
        """All Services."""
        return iter(self._services.values())

    def _follow_services(self) -> None:
        for policy in list(self._policies.values()):
            if any(rule.services for rule in policy.rules):
                self._withdraw(policy.ref)
                self._install(policy)
                self.revision += 1

    def _install(self, policy: ParsedPolicy) -> None:
        parts: dict[tuple[Direction, LabelSelector, bool], list[Rule]] = {}
        for rule in policy.rules:
            parts.setdefault((rule.direction, rule.subject, rule.node), []).append(rule)
        blocks: dict[Direction, list[Block]] = {direction: [] for direction in _DIRECTIONS}
        for (direction, subject, node), rules in parts.items():
            states = tuple(self._state(rule) for rule in rules)
            selection = self._subjects.acquire(subject, rules[0].ref)
            block = Block(next(self._numbers), selection, states)
            blocks[direction].append(block)
            self._by_anchor.setdefault(_anchor(subject), {})[block.number] = (direction, block)
            selecting = self._selecting[direction]
            for position in positions_of(self._subject_bits(selection, node)):
                selecting.setdefault(position, {})[block.number] = block
                self._resolved_at[direction].pop(position, None)
        self._blocks[policy.ref] = blocks
        if any(port.l7.parser for rule in policy.rules for port in rule.ports or ()):
            self._proxied.add(policy.ref)

    def _subject_bits(self, selection: Selection, node: bool) -> int:
        host = self.population.position(1) if self.population.knows(1) else None
        host_bit = 0 if host is None else 1 << host
        return selection.bits & host_bit if node else selection.bits & ~host_bit

    def _state(self, rule: Rule) -> RuleState:
        peers = rule.peers
        if rule.services:
            rule = replace(rule, peers=service_peers(rule, self._services.values(), self.config))
            peers = rule.peers
        selections = tuple(self._peers.acquire(selector, rule.ref) for selector in dict.fromkeys(peers))
        return RuleState(rule, selections, self.population)

    def _withdraw(self, ref: PolicyRef) -> None:
        self._proxied.discard(ref)
        for direction, blocks in self._blocks.pop(ref, {}).items():
            for block in blocks:
                del self._by_anchor[_anchor(block.subject.selector)][block.number]
                node = block.rules[0].rule.node
                for position in positions_of(self._subject_bits(block.subject, node)):
                    self._selecting[direction].get(position, {}).pop(block.number, None)
                    self._resolved_at[direction].pop(position, None)
                self._subjects.release(block.subject, block.rules[0].rule.ref)
                for state in block.rules:
                    for selection in state.peers:
                        self._peers.release(selection, state.rule.ref)
                for key in self._class_keys.pop(block.number, ()):
                    self._classes[direction].pop(key, None)

    # --- questions
    # ------------------------------------------------------------------------------------------------------------

    def resolved(self, direction: Direction, position: int) -> Resolved | None:
        """The policy of the endpoints at a position, shared with all that the same rules select; None when nothing
        selects them.
        """
        known = self._resolved_at[direction].get(position)
        if known is not None:
            return known
        selecting = self._selecting[direction].get(position)
        if not selecting:
            return None
        key = tuple(sorted(selecting))
        classes = self._classes[direction]
        found = classes.get(key)
        if found is None:
            found = Resolved([selecting[number] for number in key], merge_named_ports=self.config.merge_named_ports)
            classes[key] = found
            for number in key:
                self._class_keys.setdefault(number, set()).add(key)
        self._resolved_at[direction][position] = found
        return found

    def enforcement(self, subject: Party) -> Enforcement:
        """Is policy enforced for this endpoint, per direction, as ``cilium-dbg endpoint list`` shows it?"""
        position = self._position(subject)
        labels = self.population.at(position).labels
        return Enforcement(*(self._enforced(direction, position, labels) for direction in _DIRECTIONS))

    def _exempt(self, labels: LabelSet) -> Why | None:
        try:
            return self._exemptions[labels]
        except KeyError:
            if len(self._exemptions) > _REMEMBERED:
                self._exemptions.clear()
            found = self._exemptions[labels] = self._exemption(labels)
            return found

    def _exemption(self, labels: LabelSet) -> Why | None:
        if not runs_endpoint(labels, self.config.cluster_name):
            return Why.NOT_ENDPOINT
        if self.config.policy_mode is EnforcementMode.NEVER:
            return Why.NOT_ENFORCED
        if labels.reserved("host") and not self.config.host_firewall:
            return Why.NOT_ENFORCED
        return None

    def exempt(self, labels: LabelSet) -> bool:
        """Is policy never asked for endpoints with these labels (no endpoint of this cluster, mode never, host
        without firewall)?
        """
        return self._exempt(labels) is not None

    def _always_denies(self, labels: LabelSet) -> bool:
        return self.config.policy_mode is EnforcementMode.ALWAYS or labels.reserved("init")

    def _enforced(self, direction: Direction, position: int, labels: LabelSet) -> bool:
        if self._exempt(labels) is not None:
            return False
        return self._always_denies(labels) or bool(self._selecting[direction].get(position))

    def view(self, direction: Direction, subject: Party) -> SubjectView:
        """What holds for one endpoint before any rule is looked at."""
        position = self._position(subject)
        labels = self.population.at(position).labels
        ports = subject.named_ports if isinstance(subject, Endpoint) else self._ports(subject)
        exempt = self._exempt(labels)
        if exempt is not None:
            return SubjectView(position, False, exempt, False, False, None, ports)
        resolved = self.resolved(direction, position)
        always = self._always_denies(labels)
        denies = always or (resolved is not None and resolved.default_deny)
        host = resolved is not None and self.config.host_allowed and not labels.reserved("host")
        enforced = always or resolved is not None
        return SubjectView(position, enforced, None, denies, denies and host, resolved, ports)

    def decide(
        self,
        direction: Direction | Literal["ingress", "egress"],
        subject: Party,
        peer: Party,
        protocol: Protocol | int,
        port: int,
        *,
        audit: bool | None = None,
    ) -> Decision:
        """Judge a new connection at the endpoint that enforces (``subject``), which talks with ``peer``.

        ``port`` is the destination port on both sides, or the ICMP type. Service translation has already happened.
        ``audit`` overrides
        the configuration's audit mode for this endpoint. Parties met for the first time are remembered. Raises
        UnknownIdentity for
        a number that is not known.
        """
        direction = Direction(direction)
        position = self._position(subject)
        labels = self.population.at(position).labels
        exempt = self._exempt(labels)
        if exempt is not None:
            return Decision(direction, True, exempt, enforced=False)
        peer_position = self._position(peer)
        resolved = self.resolved(direction, position)
        conflict = self.conflict(position) if self._proxied else ""
        if resolved is None:
            if self._always_denies(labels):
                return self._refuse(direction, Why.DEFAULT_DENY, audit)
            return Decision(direction, True, Why.NOT_ENFORCED, enforced=False, conflict=conflict)
        listening = self.listening(direction, subject, peer)
        outcome = walk(resolved, self.population, direction, peer_position, int(protocol), port, listening)
        decision = self._conclude(direction, labels, peer_position, resolved, outcome, audit)
        return replace(decision, conflict=conflict) if conflict else decision

    def conflict(self, position: int) -> str:
        """Why Cilium cannot compute the policy of the endpoints at a position, "" when it can. Both directions
        count together.
        """
        for direction in _DIRECTIONS:
            resolved = self.resolved(direction, position)
            if resolved is not None and resolved.conflict:
                return f"{direction}: {resolved.conflict}"
        return ""

    def listening(self, direction: Direction, subject: Party, peer: Party) -> tuple[NamedPort, ...]:
        """The named ports of the side that listens: the subject's own on ingress, those of the peer's identity on
        egress.
        """
        if direction is Direction.EGRESS:
            return self._ports(peer)
        if isinstance(subject, Endpoint):
            return subject.named_ports
        return self._ports(subject)

    def _conclude(
        self,
        direction: Direction,
        labels: LabelSet,
        peer: int,
        resolved: Resolved,
        outcome: Outcome,
        audit: bool | None,
    ) -> Decision:
        hits = outcome.hits
        if outcome.action is Action.DENY:
            refused = self._refuse(direction, Why.DENY, audit)
            return replace(refused, match=hits[0].match_type, rules=deciding_rules(hits))
        if outcome.action is Action.ALLOW:
            rules = deciding_rules(hits)
            return Decision(
                direction,
                True,
                Why.ALLOW,
                match=hits[0].match_type,
                redirect=redirect_of(hits),
                rules=rules,
                authentication=_authentication(outcome),
                log=tuple(dict.fromkeys(hit.item.state.rule.log for hit in hits if hit.item.state.rule.log)),
            )
        if not (resolved.default_deny or self._always_denies(labels)):
            return Decision(direction, True, Why.DEFAULT_ALLOW, match=MatchType.ALL)
        if direction is Direction.INGRESS and self._host_exempt(labels, self.population.at(peer).labels):
            return Decision(direction, True, Why.LOCALHOST, match=MatchType.L3_ONLY)
        return self._refuse(direction, Why.DEFAULT_DENY, audit)

    def _host_exempt(self, subject: LabelSet, peer: LabelSet) -> bool:
        return self.config.host_allowed and peer.reserved("host") and not subject.reserved("host")

    def _refuse(self, direction: Direction, why: Why, audit: bool | None) -> Decision:
        audited = self.config.audit_mode if audit is None else audit
        reason = DropReason.POLICY_DENY if why is Why.DENY else DropReason.POLICY
        return Decision(direction, audited, why, drop_reason=DropReason.NONE if audited else reason, audited=audited)

    def permitted(
        self, direction: Direction, position: int, protocol: int, port: int, ports: Sequence[NamedPort] | None = None
    ) -> tuple[int, int]:
        """All peers at once: (allowed, redirected) bits for the endpoint at a position. ``ports``: its own named
        ports.
        """
        population = self.population
        identity = population.at(position)
        labels = identity.labels
        if self._exempt(labels) is not None:
            return population.everyone, 0
        resolved = self.resolved(direction, position)
        if resolved is None:
            return (0 if self._always_denies(labels) else population.everyone), 0
        allowed, undecided, redirected = allowed_bits(
            resolved,
            population,
            direction,
            protocol,
            port,
            subject_ports=self.named_ports(identity.numeric) if ports is None else ports,
            listeners=self.listeners() if direction is Direction.EGRESS else None,
        )
        if not (resolved.default_deny or self._always_denies(labels)):
            allowed |= undecided
        elif direction is Direction.INGRESS and self.config.host_allowed and not labels.reserved("host"):
            allowed |= undecided & population.carrying("reserved", "host")
        return allowed, redirected

    # --- what is in use
    # -------------------------------------------------------------------------------------------------------

    def selectors(self) -> tuple[SelectorUse, ...]:
        """The peer selectors in use, as ``cilium-dbg policy selectors`` lists them."""
        return self._uses(self._peers)

    def subject_selectors(self) -> tuple[SelectorUse, ...]:
        """The subject selectors in use, as ``cilium-dbg policy subject-selectors`` lists them."""
        return self._uses(self._subjects)

    def _uses(self, cache: Iterable[Selection]) -> tuple[SelectorUse, ...]:
        found: dict[str, SelectorUse] = {}
        for selection in cache:
            for selector in _alternatives(selection.selector):
                users = (
                    (*found[selector.text].users, *selection.users)
                    if selector.text in found
                    else tuple(selection.users)
                )
                numerics = self.population.numerics(self.population.select(selector))
                found[selector.text] = SelectorUse(selector.text, tuple(dict.fromkeys(users)), numerics)
        return tuple(found[text] for text in sorted(found))

    def fqdn_selectors(self) -> tuple[FQDNSelector, ...]:
        """The ``toFQDNs`` selectors in use; the DNS cache keeps addresses for them."""
        return tuple(s.selector.fqdn for s in self._peers if isinstance(s.selector, NameSelector))

    def prefixes(self) -> frozenset[Prefix]:
        """The prefixes that policies and groups name; each gets an identity on every node."""
        found: set[Prefix] = set()
        for selection in self._peers:
            if isinstance(selection.selector, PrefixSelector):
                if selection.selector.prefix is not None:
                    found.add(selection.selector.prefix)
                found.update(selection.selector.excluded)
        for group in self._groups.values():
            found.update(group.prefixes)
        return frozenset(found)

    def address_labels(self, address: str, names: Iterable[str] = ()) -> LabelSet:
        """The labels an address outside the cluster has under the policies in use. Raises ValueError."""
        return address_labels(
            address,
            prefixes=self.prefixes(),
            groups=self._groups.values(),
            names=names,
            selectors=self.fqdn_selectors(),
            config=self.config,
        )

    def copy(self, *, without: Iterable[PolicyRef] = ()) -> Repository:
        """A repository of its own with the same endpoints, identities, services and policies (but for ``without``)."""
        left_out = set(without)
        other = Repository(self.config)
        for identity in self.population:
            if identity.numeric in self._pinned or not self._holders.get(identity.numeric):
                other.upsert_identity(identity)
        for endpoint in self._endpoints.values():
            other.upsert_endpoint(endpoint)
        for service in self._services.values():
            other.upsert_service(service)
        for ref, policy in self._policies.items():
            if ref not in left_out:
                other.upsert(policy)
        return other


def _alternatives(selector: Selector) -> tuple[Selector, ...]:
    return selector.alternatives if isinstance(selector, EntitySelector) else (selector,)


def _anchor(selector: Selector) -> tuple[str, str, str] | None:
    """A label that whoever is selected must carry, so that others need not be compared; None when there is none."""
    assert isinstance(selector, LabelSelector)
    exact = [r for r in selector.requirements if r.operator is Operator.IN and len(r.values) == 1]
    if not exact:
        return None
    best = min(exact, key=lambda r: (r.key.startswith("io.cilium.k8s"), r.key.startswith("io.kubernetes")))
    return best.source, best.key, best.values[0]


def _authentication(outcome: Outcome) -> str:
    """The mode of the most specific rule that names one."""
    for hit in sorted(outcome.hits, key=lambda hit: (hit.length, hit.specific), reverse=True):
        mode = hit.item.state.rule.authentication
        if mode:
            return "" if mode == "disabled" else mode
    return ""
