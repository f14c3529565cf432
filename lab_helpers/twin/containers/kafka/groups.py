"""Consumer groups of a broker: who is a member, who has which partitions, and how far each group has read.

Follows Kafka's classic group protocol: members join, the first of them is the leader and assigns partitions, all of
them synchronise, then say by heartbeats that they are there. A member that comes or goes makes all of them join anew.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field

from lab_helpers.twin.clock import Clock, Timer
from lab_helpers.twin.containers.kafka.messages import ErrorCode

__all__ = ["Group", "Groups", "Joined", "Synced"]


@dataclass(frozen=True, slots=True)
class Joined:
    """What a member learns that joined. ``members`` (id and metadata) only for the leader."""

    error: ErrorCode
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    member: str = ""
    members: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Synced:
    """What a member is to read, in the words of its own protocol."""

    error: ErrorCode
    assignment: bytes = b""


@dataclass(slots=True)
class _Member:
    protocol: str
    metadata: bytes
    session: float
    joining: asyncio.Future[Joined] | None = None
    syncing: asyncio.Future[Synced] | None = None
    expiry: Timer | None = None


@dataclass(slots=True)
class Group:
    """One group."""

    name: str
    clock: Clock
    generation: int = 0
    stable: bool = False
    leader: str = ""
    members: dict[str, _Member] = field(default_factory=dict)
    assignments: dict[str, bytes] | None = None
    offsets: dict[tuple[str, int], tuple[int, str | None]] = field(default_factory=dict)
    """Committed offset and its metadata by topic and partition."""
    _patience: Timer | None = None

    async def join(
        self, member: str, client: str, protocol: str, metadata: bytes, *, session: float, rebalance: float
    ) -> Joined:
        """Become (or stay) a member; answers when all members have joined, or the slow ones were given up."""
        if member and member not in self.members:
            return Joined(ErrorCode.UNKNOWN_MEMBER_ID, member=member)
        name = member or f"{client}-{uuid.uuid4()}"
        joined = self.members.setdefault(name, _Member(protocol, metadata, session))
        joined.protocol, joined.metadata, joined.session = protocol, metadata, session
        joined.joining = asyncio.get_running_loop().create_future()
        self._alive(name)
        self.stable = False
        if self._patience is None:
            self._patience = self.clock.call_later(rebalance, self._give_up_waiting)
        waiting = joined.joining
        self._complete()
        return await waiting

    def _give_up_waiting(self) -> None:
        for name in [name for name, member in self.members.items() if member.joining is None]:
            self._drop(name)
        self._complete()

    def _complete(self) -> None:
        if not self.members or any(member.joining is None for member in self.members.values()):
            return
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self.generation += 1
        self.stable, self.assignments = True, None
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        protocol = self.members[self.leader].protocol
        everyone = tuple((name, member.metadata) for name, member in self.members.items())
        for name, member in self.members.items():
            waiting, member.joining = member.joining, None
            told = everyone if name == self.leader else ()
            if waiting is not None and not waiting.done():
                waiting.set_result(Joined(ErrorCode.NONE, self.generation, protocol, self.leader, name, told))

    async def sync(self, member: str, generation: int, assignments: dict[str, bytes]) -> Synced:
        """The leader brings the assignments, the others wait for theirs."""
        if problem := self.problem(member, generation):
            return Synced(problem)
        known = self.members[member]
        self._alive(member)
        if member == self.leader:
            self.assignments = assignments
            for name, other in self.members.items():
                if other.syncing is not None and not other.syncing.done():
                    other.syncing.set_result(Synced(ErrorCode.NONE, assignments.get(name, b"")))
        if self.assignments is not None:
            return Synced(ErrorCode.NONE, self.assignments.get(member, b""))
        known.syncing = asyncio.get_running_loop().create_future()
        return await known.syncing

    def problem(self, member: str, generation: int) -> ErrorCode:
        """Is this a member of the present generation? Then it is alive."""
        if member not in self.members:
            return ErrorCode.UNKNOWN_MEMBER_ID
        self._alive(member)
        if generation != self.generation:
            return ErrorCode.ILLEGAL_GENERATION
        return ErrorCode.NONE if self.stable else ErrorCode.REBALANCE_IN_PROGRESS

    def leave(self, member: str) -> ErrorCode:
        """A member goes; the others join anew."""
        if member not in self.members:
            return ErrorCode.UNKNOWN_MEMBER_ID
        self._drop(member)
        return ErrorCode.NONE

    def _alive(self, name: str) -> None:
        member = self.members[name]
        if member.expiry is not None:
            member.expiry.cancel()
        member.expiry = self.clock.call_later(member.session, lambda: self._drop(name))

    def _drop(self, name: str) -> None:
        member = self.members.pop(name, None)
        if member is None:
            return
        if member.expiry is not None:
            member.expiry.cancel()
        for waiting in (member.joining, member.syncing):
            if waiting is not None and not waiting.done():
                waiting.cancel()
        self.stable = False
        self._complete()


class Groups:
    """All groups by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[str, Group] = {}

    def __getitem__(self, name: str) -> Group:
        """The group, made when it is new."""
        return self._groups.setdefault(name, Group(name, self._clock))
