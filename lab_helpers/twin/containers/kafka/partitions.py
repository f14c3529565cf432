"""Topics of a broker: partitions with record batches, as they came from producers.

Record batches (magic 2) are kept as bytes; as in a real broker only their base offset is written anew, which their
checksum does not cover. Nothing survives the broker's process.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from lab_helpers.twin.containers.errors import ContainersError
from lab_helpers.twin.containers.kafka.messages import ErrorCode

__all__ = ["InvalidRecords", "Partition", "Topics", "topic_problem"]

_TOPIC: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_HEADER: Final = struct.Struct(">qiibIhiqq")
"""Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and last timestamp."""
_MAGIC: Final = 2
_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one partition; older batches go, as ``retention.bytes`` has it."""

EARLIEST: Final = -2
LATEST: Final = -1


class InvalidRecords(ContainersError):
    """Bytes that are no record batches of format 2."""


def topic_problem(name: str) -> str:
    """Why a topic cannot be called so; empty when it can."""
    if name in ("", ".", ".."):
        return f"Topic name is invalid: '{name}' is not allowed"
    if len(name) > 249:
        return f"Topic name is invalid: the length of '{name}' is longer than the max allowed length 249"
    if not _TOPIC.fullmatch(name):
        return (
            f"Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, "
            "'.', '_' and '-'"
        )
    return ""


class Partition:
    """A log. ``start`` and ``end`` are the offsets of the oldest record and of the next one."""

    def __init__(self) -> None:
        self.start = 0
        self.end = 0
        self._batches: list[tuple[int, int, int, bytes]] = []
        self._size = 0

    def append(self, records: bytes) -> int:
        """Add record batches; returns the offset of the first record. Raises InvalidRecords."""
        first = self.end
        for batch in _batches(records):
            _, _, _, _, _, _, delta, _, newest = _HEADER.unpack_from(batch)
            stamped = struct.pack(">q", self.end) + batch[8:]
            self._batches.append((self.end, self.end + delta + 1, newest, stamped))
            self._size += len(stamped)
            self.end += delta + 1
        while self._size > _LIMIT:
            _, self.start, _, dropped = self._batches.pop(0)
            self._size -= len(dropped)
        return first

    def read(self, offset: int, limit: int) -> bytes:
        """Batches from the one that holds ``offset``; at least one if there is any, then up to ``limit`` bytes."""
        found = b""
        for _, end, _, batch in self._batches:
            if end <= offset:
                continue
            if found and len(found) + len(batch) > limit:
                break
            found += batch
        return found

    def offset_at(self, timestamp: int) -> int:
        """The offset for a timestamp in milliseconds, or for EARLIEST and LATEST; -1 when nothing is that new."""
        if timestamp == EARLIEST:
            return self.start
        if timestamp == LATEST:
            return self.end
        return next((first for first, _, newest, _ in self._batches if newest >= timestamp), -1)


def _batches(records: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(records):
        if len(records) - place < _HEADER.size:
            raise InvalidRecords("a record batch that ends too early")
        _, length, _, magic, _, _, delta, _, _ = _HEADER.unpack_from(records, place)
        end = place + 12 + length
        if magic != _MAGIC or length <= 0 or end > len(records) or delta < 0:
            raise InvalidRecords(f"record format {magic} of {length} bytes")
        yield records[place:end]
        place = end


class Topics:
    """All topics by name. ``partitions``: how many a topic gets that nobody asked for (``num.partitions``)."""

    def __init__(self, *, partitions: int = 1, automatic: bool = True) -> None:
        self._partitions = partitions
        self._automatic = automatic
        self._topics: dict[str, list[Partition]] = {}

    @property
    def names(self) -> list[str]:
        """In the order of the alphabet."""
        return sorted(self._topics)

    def find(self, name: str) -> list[Partition] | None:
        """The partitions of a topic; None when there is no such topic."""
        return self._topics.get(name)

    def partition(self, name: str, index: int) -> Partition | None:
        """One partition; None when there is no such one."""
        found = self._topics.get(name) or []
        return found[index] if 0 <= index < len(found) else None

    def demand(self, name: str, *, create: bool) -> tuple[list[Partition], ErrorCode]:
        """The partitions of a topic that a client asks metadata of; it is created if that is allowed."""
        found = self._topics.get(name)
        if found is not None:
            return found, ErrorCode.NONE
        if topic_problem(name):
            return [], ErrorCode.INVALID_TOPIC_EXCEPTION
        if not (self._automatic and create):
            return [], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return self._make(name, self._partitions), ErrorCode.NONE

    def create(self, name: str, partitions: int, replicas: int) -> tuple[ErrorCode, str]:
        """Create a topic; what to answer."""
        if problem := topic_problem(name):
            return ErrorCode.INVALID_TOPIC_EXCEPTION, problem
        if name in self._topics:
            return ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists."
        if partitions == 0 or partitions < -1:
            return ErrorCode.INVALID_PARTITIONS, "Number of partitions must be larger than 0."
        if replicas > 1 or replicas == 0:
            told = (
                "Replication factor must be larger than 0."
                if replicas == 0
                else f"Unable to replicate the partition {replicas} time(s): "
                "The target replication factor of "
                f"{replicas} cannot be reached because only 1 broker(s) are registered."
            )
            return ErrorCode.INVALID_REPLICATION_FACTOR, told
        self._make(name, self._partitions if partitions == -1 else partitions)
        return ErrorCode.NONE, ""

    def delete(self, name: str) -> ErrorCode:
        """Forget a topic with its records; what to answer."""
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if self._topics.pop(name, None) is None else ErrorCode.NONE

    def _make(self, name: str, partitions: int) -> list[Partition]:
        self._topics[name] = [Partition() for _ in range(partitions)]
        return self._topics[name]
