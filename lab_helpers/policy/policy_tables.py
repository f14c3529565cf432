"""Which policies there are, whom they select, and which selectors are in use.

Everything is incremental: a policy costs the endpoints it selects, an endpoint the policies that select it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

from lab_helpers.policy.addresses import address_labels
from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.decisions import SelectorUse
from lab_helpers.policy.identities import ReservedIdentity
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.matchpatterns import FQDNSelector
from lab_helpers.policy.populations import positions_of
from lab_helpers.policy.prefixes import Prefix
from lab_helpers.policy.resolving import Block, Resolved, RuleState
from lab_helpers.policy.rosters import Roster
from lab_helpers.policy.rules import CIDRGroup, Direction, ParsedPolicy, PolicyRef, Rule, Service
from lab_helpers.policy.selections import Selection, SelectionCache
from lab_helpers.policy.selectors import EntitySelector, LabelSelector, NameSelector, Operator, PrefixSelector, Selector
from lab_helpers.policy.services import service_peers

__all__ = ["PolicyTable"]

_DIRECTIONS = (Direction.INGRESS, Direction.EGRESS)


class PolicyTable(Roster):
    """Policies, the Services and CIDR groups they refer to, and the endpoints they select.

    ``revision`` starts at 1 and grows with every change of policies or services, as the agent's policy revision does.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        self.revision = 1
        self._policies: dict[PolicyRef, ParsedPolicy] = {}
        self._services: dict[tuple[str, str], Service] = {}
        self._groups: dict[str, CIDRGroup] = {}
        self._peers = SelectionCache(self.population)
        self._subjects = SelectionCache(self.population)
        self._blocks: dict[PolicyRef, dict[Direction, list[Block]]] = {}
        self._numbers = count(1)
        self._selecting: dict[Direction, dict[int, dict[int, Block]]] = {direction: {} for direction in _DIRECTIONS}
        self._resolved_at: dict[Direction, dict[int, Resolved]] = {direction: {} for direction in _DIRECTIONS}
        self._by_anchor: dict[tuple[str, str, str] | None, dict[int, tuple[Direction, Block]]] = {}
        self._classes: dict[Direction, dict[tuple[int, ...], Resolved]] = {direction: {} for direction in _DIRECTIONS}
        self._class_keys: dict[int, set[tuple[int, ...]]] = {}
        self._proxied: set[PolicyRef] = set()

    def _appeared(self, position: int, labels: LabelSet) -> None:
        anchors: list[tuple[str, str, str] | None] = [None]
        for source, key, value in labels:
            anchors += [(source, key, value), ("any", key, value)]
        host = self.population.at(position).numeric == ReservedIdentity.HOST
        for anchor in anchors:
            for direction, block in self._by_anchor.get(anchor, {}).values():
                if block.rules[0].rule.node == host and block.subject.selector.matches(labels):
                    self._resolved_at[direction].pop(position, None)
                    self._selecting[direction].setdefault(position, {})[block.number] = block

    def _vanished(self, position: int) -> None:
        for direction in _DIRECTIONS:
            self._selecting[direction].pop(position, None)
            self._resolved_at[direction].pop(position, None)

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
