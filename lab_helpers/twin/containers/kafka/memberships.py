"""A client's place in a consumer group: find the coordinator, join, synchronise, stay, leave.

Partitions are assigned by range, the Java client's default: each topic's partitions in order, in equal runs to the
members in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lab_helpers.twin.containers.errors import ContainersError
from lab_helpers.twin.containers.kafka.clients import Client, KafkaError, TopicsDeniedError
from lab_helpers.twin.containers.kafka.messages import ErrorCode, Key

__all__ = ["Membership", "Rebalancing"]

_SESSION: Final = 45000
_REBALANCE: Final = 300000
HEARTBEAT: Final = 3.0


class Rebalancing(ContainersError):
    """The group has changed."""


class Membership:
    """One member. ``topic`` is what it subscribes to."""

    def __init__(self, client: Client, group: str, topic: str) -> None:
        self._client = client
        self.group = group
        self._topic = topic
        self._member = ""
        self._generation = -1
        self._node = -1
        self._next = 0.0

    async def join(self, partitions: Sequence[int]) -> list[int]:
        """Take part; the partitions this member is to read. Raises KafkaError, Disconnected, Rebalancing."""
        from kafka.protocol.consumer import ConsumerProtocolAssignment, ConsumerProtocolSubscription

        found = await self._client.ask(Key.FIND_COORDINATOR, {"key": self.group, "key_type": 0})
        _refuse(found.error_code, self._topic)
        self._node = found.node_id
        self._client.learn(found.node_id, found.host, found.port)
        subscription = ConsumerProtocolSubscription(version=0, topics=[self._topic], user_data=None).encode()
        joined = await self._client.ask(
            Key.JOIN_GROUP,
            {
                "group_id": self.group,
                "session_timeout_ms": _SESSION,
                "rebalance_timeout_ms": _REBALANCE,
                "member_id": self._member,
                "protocol_type": "consumer",
                "protocols": [{"name": "range", "metadata": bytes(subscription)}],
            },
            node=self._node,
            patience=_REBALANCE / 1000,
        )
        if joined.error_code == ErrorCode.UNKNOWN_MEMBER_ID:
            self._member = ""
            raise Rebalancing
        _refuse(joined.error_code, self._topic)
        self._member, self._generation = joined.member_id, joined.generation_id
        given: list[dict[str, Any]] = []
        if joined.leader == self._member:
            for member, own in assign(sorted(item.member_id for item in joined.members), partitions).items():
                rows = [_Partitions(self._topic, own)] if own else []
                made = ConsumerProtocolAssignment(version=0, assigned_partitions=rows, user_data=None).encode()
                given.append({"member_id": member, "assignment": bytes(made)})
        fields = {"group_id": self.group, "generation_id": self._generation, "member_id": self._member}
        synced = await self._client.ask(Key.SYNC_GROUP, {**fields, "assignments": given}, node=self._node)
        if synced.error_code in (ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION):
            raise Rebalancing
        if synced.error_code == ErrorCode.UNKNOWN_MEMBER_ID:
            self._member = ""
            raise Rebalancing
        _refuse(synced.error_code, self._topic)
        self._next = self._client.process.clock.monotonic() + HEARTBEAT
        read = ConsumerProtocolAssignment.decode(bytes(synced.assignment)) if synced.assignment else None
        return [index for row in (read.assigned_partitions if read else ()) for index in row.partitions]

    async def stay(self) -> None:
        """Send a heartbeat when one is due. Raises Rebalancing."""
        now = self._client.process.clock.monotonic()
        if now < self._next:
            return
        self._next = now + HEARTBEAT
        fields = {"group_id": self.group, "generation_id": self._generation, "member_id": self._member}
        found = await self._client.ask(Key.HEARTBEAT, fields, node=self._node)
        if found.error_code == ErrorCode.UNKNOWN_MEMBER_ID:
            self._member = ""
        if found.error_code:
            raise Rebalancing

    async def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        """How far the group has read; -1 where it has not."""
        wanted = [{"name": self._topic, "partition_indexes": list(partitions)}]
        found = await self._client.ask(Key.OFFSET_FETCH, {"group_id": self.group, "topics": wanted}, node=self._node)
        rows = [item for topic in found.topics for item in topic.partitions]
        for code in (found.error_code, *(item.error_code for item in rows)):
            _refuse(code, self._topic)
        return {item.partition_index: item.committed_offset for item in rows}

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Remember how far the group has read. Raises KafkaError."""
        rows = [
            {"partition_index": index, "committed_offset": offset, "committed_metadata": ""}
            for index, offset in offsets.items()
        ]
        fields = {
            "group_id": self.group,
            "generation_id_or_member_epoch": self._generation,
            "member_id": self._member,
            "retention_time_ms": -1,
            "topics": [{"name": self._topic, "partitions": rows}],
        }
        found = await self._client.ask(Key.OFFSET_COMMIT, fields, node=self._node)
        for item in (item for topic in found.topics for item in topic.partitions):
            if item.error_code in (ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION):
                raise Rebalancing
            _refuse(item.error_code, self._topic)

    async def leave(self) -> None:
        """Go, so that the others need not wait for this member's session to end."""
        if self._member:
            fields = {"group_id": self.group, "member_id": self._member}
            await self._client.ask(Key.LEAVE_GROUP, fields, node=self._node, patience=1.0)


class _Partitions:
    def __init__(self, topic: str, partitions: list[int]) -> None:
        self.topic = topic
        self.partitions = partitions


def assign(members: Sequence[str], partitions: Sequence[int]) -> dict[str, list[int]]:
    """The range assignor for one topic."""
    each, more = divmod(len(partitions), len(members))
    found, place = {}, 0
    for number, member in enumerate(members):
        count = each + (number < more)
        found[member] = list(partitions[place : place + count])
        place += count
    return found


def _refuse(code: int, topic: str) -> None:
    if code == ErrorCode.TOPIC_AUTHORIZATION_FAILED:
        raise TopicsDeniedError([topic])
    if code:
        raise KafkaError.of(code)
