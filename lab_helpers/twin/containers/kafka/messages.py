"""Kafka's messages: frames on a stream, request headers, and bodies by kafka-python's classes.

Only the old, inflexible versions are spoken, those Cilium's parser (proxylib/kafka, up to 1.19) grew up with. All
numbers are those of https://kafka.apache.org/protocol.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import struct
import sys
from enum import IntEnum
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from lab_helpers.twin.containers.errors import ContainersError
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = [
    "APIS",
    "Api",
    "ErrorCode",
    "Frames",
    "Key",
    "Request",
    "UnreadableMessage",
    "answer_class",
    "decode_answer",
    "decode_request",
    "encode_answer",
    "encode_request",
    "load_library",
    "read_header",
    "request_class",
    "topics_of",
]

LONGEST: Final = 100 * 1024 * 1024
"""``socket.request.max.bytes`` of a broker."""


class UnreadableMessage(ContainersError):
    """Bytes that are no message of a version spoken here."""


class Key(IntEnum):
    """API keys that the broker here answers."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    DELETE_TOPICS = 20


class ErrorCode(IntEnum):
    """Error codes that the broker here, or Cilium's proxy, answers with."""

    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    INVALID_TOPIC_EXCEPTION = 17
    ILLEGAL_GENERATION = 22
    INVALID_GROUP_ID = 24
    UNKNOWN_MEMBER_ID = 25
    REBALANCE_IN_PROGRESS = 27
    TOPIC_AUTHORIZATION_FAILED = 29
    UNSUPPORTED_VERSION = 35
    TOPIC_ALREADY_EXISTS = 36
    INVALID_PARTITIONS = 37
    INVALID_REPLICATION_FACTOR = 38


class Api(NamedTuple):
    """One kind of request: its class name in kafka-python without ``Request``, where, and the newest version here."""

    name: str
    module: str
    newest: int


APIS: Final = {
    Key.PRODUCE: Api("Produce", "producer", 5),
    Key.FETCH: Api("Fetch", "consumer", 6),
    Key.LIST_OFFSETS: Api("ListOffsets", "consumer", 2),
    Key.METADATA: Api("Metadata", "metadata", 4),
    Key.OFFSET_COMMIT: Api("OffsetCommit", "consumer", 3),
    Key.OFFSET_FETCH: Api("OffsetFetch", "consumer", 3),
    Key.FIND_COORDINATOR: Api("FindCoordinator", "metadata", 1),
    Key.JOIN_GROUP: Api("JoinGroup", "consumer", 2),
    Key.HEARTBEAT: Api("Heartbeat", "consumer", 1),
    Key.LEAVE_GROUP: Api("LeaveGroup", "consumer", 1),
    Key.SYNC_GROUP: Api("SyncGroup", "consumer", 1),
    Key.API_VERSIONS: Api("ApiVersions", "metadata", 1),
    Key.CREATE_TOPICS: Api("CreateTopics", "admin", 2),
    Key.DELETE_TOPICS: Api("DeleteTopics", "admin", 1),
}


class Request(NamedTuple):
    """The header of a request, and its whole frame without the length."""

    key: int
    version: int
    correlation: int
    client: str
    frame: bytes


async def load_library() -> None:
    """Import kafka-python, which takes a while, without holding up the twin; once in its life."""
    if "kafka.record" not in sys.modules:
        await asyncio.to_thread(importlib.import_module, "kafka.record")


@functools.cache
def _class(key: Key, kind: str) -> Any:
    api = APIS[key]
    return getattr(importlib.import_module(f"kafka.protocol.{api.module}"), api.name + kind)


def request_class(key: Key) -> Any:
    """kafka-python's class of a request."""
    return _class(key, "Request")


def answer_class(key: Key) -> Any:
    """kafka-python's class of an answer."""
    return _class(key, "Response")


class Frames:
    """Reads length-prefixed frames from a stream."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def next(self) -> bytes | None:
        """The next frame without its length; None at the end. Raises UnreadableMessage, ConnectionFailed."""
        if not await self._fill(4):
            return None
        (size,) = struct.unpack_from(">i", self._buffer)
        if not 0 <= size <= LONGEST:
            raise UnreadableMessage(f"a frame of {size} bytes")
        if not await self._fill(4 + size):
            return None
        frame = bytes(self._buffer[4 : 4 + size])
        del self._buffer[: 4 + size]
        return frame

    async def _fill(self, wanted: int) -> bool:
        while len(self._buffer) < wanted:
            data = await self._stream.read()
            if not data:
                return False
            self._buffer += data
        return True


def read_header(frame: bytes) -> Request:
    """The header of a request. Raises UnreadableMessage."""
    try:
        key, version, correlation, size = struct.unpack_from(">hhih", frame)
        client = frame[10 : 10 + max(size, 0)].decode("utf-8", "replace")
    except struct.error as error:
        raise UnreadableMessage(str(error)) from None
    return Request(key, version, correlation, client, frame)


def decode_request(request: Request) -> Any:
    """The body as an object of kafka-python. Raises UnreadableMessage for what is not spoken here."""
    api = APIS.get(Key(request.key)) if request.key in set(Key) else None
    if api is None or not 0 <= request.version <= api.newest:
        raise UnreadableMessage(f"API key {request.key} version {request.version} is not supported")
    try:
        return request_class(Key(request.key)).decode(request.frame, version=request.version, header=True)
    except Exception as error:  # noqa: BLE001 - the library raises what its pieces raise on bytes that do not fit
        raise UnreadableMessage(f"{api.name} version {request.version}: {error}") from None


def encode_answer(key: Key, version: int, correlation: int, fields: dict[str, Any]) -> bytes:
    """A framed answer. ``fields`` as in kafka-python, nested ones as dictionaries."""
    message = _build(answer_class(key), version, fields)
    message.with_header(correlation)
    return bytes(message.encode(header=True, framed=True))


def encode_request(key: Key, version: int, correlation: int, client: str, fields: dict[str, Any]) -> bytes:
    """A framed request."""
    message = _build(request_class(key), version, fields)
    message.with_header(correlation, client)
    return bytes(message.encode(header=True, framed=True))


def decode_answer(key: Key, version: int, frame: bytes) -> Any:
    """An answer's body. Raises UnreadableMessage, ConnectionFailed on an answer to something else."""
    if len(frame) < 4:
        raise ConnectionFailed("EPROTO", "an answer without a header")
    try:
        return answer_class(key).decode(frame, version=version, header=True)
    except Exception as error:  # noqa: BLE001 - as above
        raise UnreadableMessage(f"answer to {APIS[key].name} version {version}: {error}") from None


def topics_of(key: int, body: Any) -> tuple[str, ...]:
    """The topics that a request names, in its order, each once (Cilium pkg/kafka ``GetTopics``)."""
    if key == Key.PRODUCE:
        found = [topic.name for topic in body.topic_data]
    elif key == Key.FETCH:
        found = [topic.topic for topic in body.topics]
    elif key in (Key.LIST_OFFSETS, Key.METADATA, Key.OFFSET_COMMIT, Key.OFFSET_FETCH):
        found = [topic.name for topic in body.topics or ()]
    else:
        found = []
    return tuple(dict.fromkeys(found))


def _build(message: Any, version: int, fields: dict[str, Any]) -> Any:
    return message(version=version, **{name: _plain(value) for name, value in fields.items()})


def _plain(value: Any) -> Any:
    """The library reads the fields of nested structures as attributes."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: _plain(inner) for name, inner in value.items()})
    return [_plain(item) for item in value] if isinstance(value, list) else value
