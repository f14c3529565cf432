"""The repository: endpoints, identities, services and policies in; decisions out.

Three layers: :class:`~lab_helpers.policy.rosters.Roster` knows who there is,
:class:`~lab_helpers.policy.policy_tables.PolicyTable` what selects them, and :class:`Repository` answers. What nobody
asks for is not computed. Not thread-safe; no I/O; no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from lab_helpers.policy.configs import EnforcementMode, PolicyConfig
from lab_helpers.policy.deciding import Outcome, allowed_bits, deciding_rules, redirect_of, walk
from lab_helpers.policy.decisions import Decision, DropReason, Enforcement, MatchType, Why
from lab_helpers.policy.identities import Endpoint, NamedPort, runs_endpoint
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.policy_tables import PolicyTable
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.resolving import Resolved
from lab_helpers.policy.rosters import Party
from lab_helpers.policy.rules import Action, Direction, PolicyRef

__all__ = ["Party", "Repository", "SubjectView"]


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


class Repository(PolicyTable):
    """Policies and everything they talk about, ready to be asked."""

    def __init__(self, config: PolicyConfig | None = None) -> None:
        super().__init__(config or PolicyConfig())
        self._exemptions: dict[LabelSet, Why | None] = {}

    def reconfigure(self, config: PolicyConfig) -> int:
        """Decide by other settings from now on (``policy_mode``, ``audit_mode``; the rules were read with the others).
        Returns the new revision.
        """
        self.config = config
        self._exemptions.clear()
        self.revision += 1
        return self.revision

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
        ``audit`` overrides the configuration's audit mode for this endpoint. Parties met for the first time are
        remembered. Raises UnknownIdentity for a number that is not known.
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


def _authentication(outcome: Outcome) -> str:
    """The mode of the most specific rule that names one."""
    for hit in sorted(outcome.hits, key=lambda hit: (hit.length, hit.specific), reverse=True):
        mode = hit.item.state.rule.authentication
        if mode:
            return "" if mode == "disabled" else mode
    return ""
