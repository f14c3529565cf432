"""A Kafka broker: one node, one listener, no security, everything in memory.

Requests of one connection are answered in order. Answers follow Apache Kafka's broker for the versions in
``messages.APIS``; ApiVersions of a version that is too new is answered with UNSUPPORTED_VERSION in version 0, as the
protocol asks, so newer clients step back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.kafka.groups import Groups
from lab_helpers.twin.containers.kafka.messages import (
    APIS,
    ErrorCode,
    Frames,
    Key,
    Request,
    UnreadableMessage,
    decode_request,
    encode_answer,
    read_header,
)
from lab_helpers.twin.containers.kafka.partitions import InvalidRecords, Topics
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["Broker"]

_CLUSTER: Final = "5L6g3nShT-eMCtK--X86sw"
_POLL: Final = 0.05
"""Seconds between two looks whether a fetch that waits has something to bring."""

Fields = dict[str, Any]


class Broker:
    """``host`` and ``port`` are what clients are told to connect to (``advertised.listeners``)."""

    def __init__(self, clock: Clock, host: str, port: int, *, node: int = 1, topics: Topics | None = None) -> None:
        self._clock = clock
        self._host = host
        self._port = port
        self._node = node
        self.topics = topics or Topics()
        self.groups = Groups(clock)
        self._handlers: dict[Key, Callable[[Any, Request], Awaitable[Fields]]] = {
            Key.PRODUCE: self._produce,
            Key.FETCH: self._fetch,
            Key.LIST_OFFSETS: self._list_offsets,
            Key.METADATA: self._metadata,
            Key.OFFSET_COMMIT: self._offset_commit,
            Key.OFFSET_FETCH: self._offset_fetch,
            Key.FIND_COORDINATOR: self._find_coordinator,
            Key.JOIN_GROUP: self._join,
            Key.HEARTBEAT: self._heartbeat,
            Key.LEAVE_GROUP: self._leave,
            Key.SYNC_GROUP: self._sync,
            Key.API_VERSIONS: self._api_versions,
            Key.CREATE_TOPICS: self._create_topics,
            Key.DELETE_TOPICS: self._delete_topics,
        }

    async def serve(self, stream: ByteStream) -> None:
        """One connection, until the client leaves or sends what is not understood."""
        frames = Frames(stream)
        try:
            while (frame := await frames.next()) is not None:
                answer = await self.answer(frame)
                if answer:
                    await stream.write(answer)
        except (UnreadableMessage, ConnectionFailed):
            stream.abort()
        finally:
            await stream.close()

    async def answer(self, frame: bytes) -> bytes:
        """The framed answer to one request; empty for a produce request that wants none. Raises UnreadableMessage."""
        request = read_header(frame)
        if request.key == Key.API_VERSIONS and request.version > APIS[Key.API_VERSIONS].newest:
            fields = await self._api_versions(None, request._replace(version=0))
            fields["error_code"] = int(ErrorCode.UNSUPPORTED_VERSION)
            return encode_answer(Key.API_VERSIONS, 0, request.correlation, fields)
        body = decode_request(request)
        fields = await self._handlers[Key(request.key)](body, request)
        if request.key == Key.PRODUCE and body.acks == 0:
            return b""
        return encode_answer(Key(request.key), request.version, request.correlation, {"throttle_time_ms": 0, **fields})

    # --- what there is --------------------------------------------------------------------------------------

    async def _api_versions(self, body: Any, request: Request) -> Fields:
        del body, request
        keys = [{"api_key": int(key), "min_version": 0, "max_version": api.newest} for key, api in APIS.items()]
        return {"error_code": 0, "api_keys": keys}

    async def _metadata(self, body: Any, request: Request) -> Fields:
        everything = body.topics is None or (request.version == 0 and not body.topics)
        names = self.topics.names if everything else [topic.name for topic in body.topics]
        create = request.version < 4 or bool(body.allow_auto_topic_creation)
        found = []
        for name in names:
            partitions, error = self.topics.demand(name, create=create)
            rows = [
                {
                    "error_code": 0,
                    "partition_index": index,
                    "leader_id": self._node,
                    "replica_nodes": [self._node],
                    "isr_nodes": [self._node],
                }
                for index in range(len(partitions))
            ]
            found.append({"error_code": int(error), "name": name, "is_internal": False, "partitions": rows})
        return {
            "brokers": [{"node_id": self._node, "host": self._host, "port": self._port, "rack": None}],
            "cluster_id": _CLUSTER,
            "controller_id": self._node,
            "topics": found,
        }

    async def _create_topics(self, body: Any, request: Request) -> Fields:
        del request
        found = []
        for topic in body.topics:
            error, message = self.topics.create(topic.name, topic.num_partitions, topic.replication_factor)
            found.append({"name": topic.name, "error_code": int(error), "error_message": message or None})
        return {"topics": found}

    async def _delete_topics(self, body: Any, request: Request) -> Fields:
        del request
        return {"responses": [{"name": name, "error_code": int(self.topics.delete(name))} for name in body.topic_names]}

    # --- records --------------------------------------------------------------------------------------------

    async def _produce(self, body: Any, request: Request) -> Fields:
        del request
        found = []
        for topic in body.topic_data:
            rows = [
                {"index": item.index, "log_append_time_ms": -1, **self._append(topic.name, item)}
                for item in topic.partition_data
            ]
            found.append({"name": topic.name, "partition_responses": rows})
        return {"responses": found}

    def _append(self, topic: str, item: Any) -> Fields:
        partition = self.topics.partition(topic, item.index)
        if partition is None:
            error, first, start = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1
        else:
            try:
                error, first, start = ErrorCode.NONE, partition.append(bytes(item.records or b"")), partition.start
            except InvalidRecords:
                error, first, start = ErrorCode.CORRUPT_MESSAGE, -1, -1
        return {"error_code": int(error), "base_offset": first, "log_start_offset": start}

    async def _fetch(self, body: Any, request: Request) -> Fields:
        del request
        deadline = self._clock.monotonic() + max(body.max_wait_ms, 0) / 1000
        while True:
            responses, size, failed = self._read(body)
            if size >= max(body.min_bytes, 1) or failed or self._clock.monotonic() >= deadline:
                return {"responses": responses}
            await self._clock.sleep(min(_POLL, max(deadline - self._clock.monotonic(), 0.001)))

    def _read(self, body: Any) -> tuple[list[Fields], int, bool]:
        found, size, failed = [], 0, False
        for topic in body.topics:
            rows = []
            for item in topic.partitions:
                partition = self.topics.partition(topic.topic, item.partition)
                error, records, start, end = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, b"", -1, -1
                if partition is not None:
                    start, end, error = partition.start, partition.end, ErrorCode.NONE
                    if not start <= item.fetch_offset <= end:
                        error = ErrorCode.OFFSET_OUT_OF_RANGE
                    else:
                        records = partition.read(item.fetch_offset, item.partition_max_bytes)
                failed |= error is not ErrorCode.NONE
                size += len(records)
                rows.append(
                    {
                        "partition_index": item.partition,
                        "error_code": int(error),
                        "high_watermark": end,
                        "last_stable_offset": end,
                        "log_start_offset": start,
                        "aborted_transactions": None,
                        "records": records,
                    }
                )
            found.append({"topic": topic.topic, "partitions": rows})
        return found, size, failed

    async def _list_offsets(self, body: Any, request: Request) -> Fields:
        del request
        found = []
        for topic in body.topics:
            rows = []
            for item in topic.partitions:
                partition = self.topics.partition(topic.name, item.partition_index)
                error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if partition is None else ErrorCode.NONE
                offset = -1 if partition is None else partition.offset_at(item.timestamp)
                rows.append(
                    {
                        "partition_index": item.partition_index,
                        "error_code": int(error),
                        "timestamp": -1,
                        "offset": offset,
                        "old_style_offsets": [offset],
                    }
                )
            found.append({"name": topic.name, "partitions": rows})
        return {"topics": found}

    # --- groups ---------------------------------------------------------------------------------------------

    async def _find_coordinator(self, body: Any, request: Request) -> Fields:
        del body, request
        return {"error_code": 0, "error_message": None, "node_id": self._node, "host": self._host, "port": self._port}

    async def _join(self, body: Any, request: Request) -> Fields:
        if not body.group_id or not body.protocols:
            return _not_joined(ErrorCode.INVALID_GROUP_ID)
        chosen = body.protocols[0]
        rebalance = body.session_timeout_ms if request.version == 0 else body.rebalance_timeout_ms
        try:
            joined = await self.groups[body.group_id].join(
                body.member_id,
                request.client,
                chosen.name,
                bytes(chosen.metadata),
                session=body.session_timeout_ms / 1000,
                rebalance=rebalance / 1000,
            )
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return _not_joined(ErrorCode.UNKNOWN_MEMBER_ID)  # given up while it waited
        return {
            "error_code": int(joined.error),
            "generation_id": joined.generation,
            "protocol_name": joined.protocol,
            "leader": joined.leader,
            "member_id": joined.member,
            "members": [{"member_id": name, "metadata": data} for name, data in joined.members],
        }

    async def _sync(self, body: Any, request: Request) -> Fields:
        del request
        given = {item.member_id: bytes(item.assignment) for item in body.assignments}
        try:
            synced = await self.groups[body.group_id].sync(body.member_id, body.generation_id, given)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return {"error_code": int(ErrorCode.UNKNOWN_MEMBER_ID), "assignment": b""}
        return {"error_code": int(synced.error), "assignment": synced.assignment}

    async def _heartbeat(self, body: Any, request: Request) -> Fields:
        del request
        return {"error_code": int(self.groups[body.group_id].problem(body.member_id, body.generation_id))}

    async def _leave(self, body: Any, request: Request) -> Fields:
        del request
        return {"error_code": int(self.groups[body.group_id].leave(body.member_id))}

    async def _offset_commit(self, body: Any, request: Request) -> Fields:
        group = self.groups[body.group_id]
        alone = request.version == 0 or body.generation_id_or_member_epoch < 0
        error = ErrorCode.NONE if alone else group.problem(body.member_id, body.generation_id_or_member_epoch)
        found = []
        for topic in body.topics:
            rows = []
            for item in topic.partitions:
                if error is ErrorCode.NONE:
                    kept = (item.committed_offset, item.committed_metadata)
                    group.offsets[topic.name, item.partition_index] = kept
                rows.append({"partition_index": item.partition_index, "error_code": int(error)})
            found.append({"name": topic.name, "partitions": rows})
        return {"topics": found}

    async def _offset_fetch(self, body: Any, request: Request) -> Fields:
        del request
        offsets = self.groups[body.group_id].offsets
        wanted: dict[str, list[int]] = {}
        if body.topics is None:
            for topic, index in sorted(offsets):
                wanted.setdefault(topic, []).append(index)
        else:
            wanted = {topic.name: list(topic.partition_indexes) for topic in body.topics}
        found = []
        for name, indexes in wanted.items():
            rows = []
            for index in indexes:
                offset, metadata = offsets.get((name, index), (-1, ""))
                rows.append(
                    {"partition_index": index, "committed_offset": offset, "metadata": metadata, "error_code": 0}
                )
            found.append({"name": name, "partitions": rows})
        return {"topics": found, "error_code": 0}


def _not_joined(error: ErrorCode) -> Fields:
    return {
        "error_code": int(error),
        "generation_id": -1,
        "protocol_name": "",
        "leader": "",
        "member_id": "",
        "members": [],
    }
