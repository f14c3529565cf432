"""The realized policy of an endpoint: what its policy map would hold, asked entry by entry.

The engine resolves lazily, so a regeneration is cheap: it only starts a new set of answers at the current revision.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab_helpers.policy.decisions import Decision, Enforcement, MapEntry
from lab_helpers.policy.errors import UnknownIdentity
from lab_helpers.policy.identities import Endpoint, Identity
from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.policymaps import policy_map
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.datapath.tables import PolicyName

__all__ = ["RealizedPolicy"]

_CACHE = 16384
"""Policy maps hold this many entries (``bpf-policy-map-max``); beyond, answers are worked out again."""


class RealizedPolicy:
    """Implements ``datapath.tables.EndpointPolicy``."""

    __slots__ = ("_answers", "_basis", "_repository", "audit", "revision", "subject")

    def __init__(self, repository: Repository, subject: Endpoint, audit: bool | None) -> None:
        self._repository = repository
        self.subject = subject
        self.audit = audit
        self.revision = repository.revision
        self._answers: dict[tuple[Direction, int, int, int], Decision] = {}
        self._basis = self._resolved()

    def _resolved(self) -> tuple[object, object]:
        repository = self._repository
        numeric = self.subject.identity.numeric
        if not repository.population.knows(numeric):
            repository.upsert_identity(self.subject.identity)
        position = repository.population.position(numeric)
        return repository.resolved(Direction.INGRESS, position), repository.resolved(Direction.EGRESS, position)

    def confirm(self) -> bool:
        """Do the same rules hold at the repository's revision? Then this policy is realized for it too."""
        now = self._resolved()
        if any(before is not after for before, after in zip(self._basis, now, strict=True)):
            return False
        self.revision = self._repository.revision
        return True

    def decide(self, direction: Direction, peer: int, protocol: int, port: int) -> Decision:
        """Judge a packet; a peer nobody has heard of has no labels."""
        key = (direction, peer, protocol, port)
        found = self._answers.get(key)
        if found is None:
            found = self._ask(direction, peer, Protocol(protocol), port)
            if len(self._answers) >= _CACHE:
                self._answers.clear()
            self._answers[key] = found
        return found

    def _ask(self, direction: Direction, peer: int, protocol: Protocol, port: int) -> Decision:
        ask = self._repository.decide
        try:
            return ask(direction, self.subject, peer, protocol, port, audit=self.audit)
        except UnknownIdentity:
            return ask(direction, self.subject, Identity(peer, LabelSet()), protocol, port, audit=self.audit)

    @property
    def enforcement(self) -> Enforcement:
        """Is policy enforced, per direction?"""
        return self._repository.enforcement(self.subject)

    def entries(self) -> tuple[MapEntry, ...]:
        """The policy map, as ``cilium-dbg bpf policy get`` shows it."""
        return policy_map(self._repository, self.subject)

    def names(self, decision: Decision) -> Sequence[PolicyName]:
        """The policies behind a decision, each once; none for a default deny."""
        found: dict[object, PolicyName] = {}
        for rule in decision.rules:
            ref = rule.policy
            if ref not in found:
                labels = tuple(sorted(map(str, rule.labels)))
                found[ref] = PolicyName(ref.kind, ref.namespace, ref.name, labels, self.revision)
        return tuple(found.values())
