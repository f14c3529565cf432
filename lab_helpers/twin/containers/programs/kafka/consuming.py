"""``kafka-console-consumer.sh``: prints the messages of a topic."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from lab_helpers.twin.containers.errors import ProgramExit
from lab_helpers.twin.containers.kafka.clients import Client, Disconnected, KafkaError, TimedOutError, TopicsDeniedError
from lab_helpers.twin.containers.kafka.memberships import Membership, Rebalancing
from lab_helpers.twin.containers.kafka.messages import ErrorCode, Key
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.kafka.options import Option, Options, read_options

__all__ = ["console_consumer"]

_ABOUT: Final = "This tool helps to read data from Kafka topics and outputs it to standard output."
_OPTIONS: Final = {
    "bootstrap-server": Option("The server(s) to connect to, HOST:PORT separated by commas.", "String", required=True),
    "topic": Option("The topic to consume on.", "String: topic"),
    "consumer-property": Option("A consumer property, key=value (client.id, group.id).", "String: consumer_prop"),
    "from-beginning": Option("If the group has no offset yet, start with the earliest message."),
    "group": Option("The consumer group id of the consumer.", "String: consumer group id"),
    "max-messages": Option("The maximum number of messages to consume before exiting.", "Integer: num_messages"),
    "offset": Option("The offset to consume from (with --partition): a number, earliest or latest.", "String"),
    "partition": Option("The partition to consume from; without a group.", "Integer: partition"),
    "property": Option("print.key=true, print.offset=true, print.partition=true, key.separator=:", "String: prop"),
    "timeout-ms": Option("If no message is there for so long, exit.", "Integer: timeout_ms"),
}
_FETCH_WAIT: Final = 500
_COMMIT: Final = 5.0
"""``auto.commit.interval.ms``, in seconds"""
_EARLIEST: Final = -2
_LATEST: Final = -1
_LOGGER: Final = "org.apache.kafka.tools.consumer.ConsoleConsumer"


@program
async def console_consumer(process: SimulatedProcess) -> int:
    """kafka-console-consumer.sh --bootstrap-server HOST:PORT --topic TOPIC"""
    options = read_options(process, _ABOUT, _OPTIONS)
    if "topic" not in options:
        raise ProgramExit(1, "Exactly one of --include/--topic is required.\n")
    if "partition" not in options and "offset" in options:
        raise ProgramExit(1, "The partition is required when offset is specified.\n")
    properties = options.pairs("consumer-property")
    client = Client(
        process, options.text("bootstrap-server"), properties.get("client.id", "console-consumer"), "Consumer"
    )
    consumer = _Consumer(client, options, options.text("group") or properties.get("group.id", ""))
    await client.prepare()
    try:
        await consumer.run()
    except KafkaError as error:
        told = "Error processing message, terminating consumer process: "
        await client.log("ERROR", told, _LOGGER, bare=True)
        await process.err(f"{error.line}\n")
    finally:
        await consumer.close()
        await process.err(f"Processed a total of {consumer.count} messages\n")
    return 0


class _Consumer:
    def __init__(self, client: Client, options: Options, group: str) -> None:
        self._client = client
        self._options = options
        self._topic = options.text("topic")
        self._commits = bool(group)
        self._group: Membership | None = None
        name = group or f"console-consumer-{10000 + int(client.process.clock.now().timestamp() * 1000) % 90000}"
        if "partition" not in options:
            self._group = Membership(client, name, self._topic)
            client.group = name
        self._most = options.number("max-messages", -1)
        self._patience = options.number("timeout-ms", -1)
        self._leaders: dict[int, int] = {}
        self._offsets: dict[int, int] = {}
        self._heard = client.process.clock.monotonic()
        self._committed = self._heard
        self.count = 0

    async def run(self) -> None:
        """Print messages until there were enough, or none for too long. Raises KafkaError."""
        clock = self._client.process.clock
        self._heard = clock.monotonic()
        while self._most < 0 or self.count < self._most:
            try:
                if not self._offsets:
                    await self._begin()
                await self._poll()
            except Disconnected:
                await clock.sleep(0.5)
            except Rebalancing:
                self._offsets = {}
            if self._patience >= 0 and (clock.monotonic() - self._heard) * 1000 >= self._patience:
                raise TimedOutError

    async def _begin(self) -> None:
        """Learn which partitions to read, and from where."""
        found = await self._client.leaders(self._topic, patience=self._left())
        if found is None:
            raise TimedOutError
        self._leaders = found
        if self._group is None:
            number = self._options.number("partition", 0)
            own = [number] if number in found else []
            known: dict[int, int] = {}
        else:
            own = await self._group.join(sorted(found))
            known = await self._group.committed(own) if own else {}
        if not own:  # nothing for this member: stay, until the group changes
            await self._client.process.clock.sleep(1.0)
            if self._group is not None:
                await self._group.stay()
        for index in own:
            offset = known.get(index, -1)
            self._offsets[index] = offset if offset >= 0 else await self._reset(index)

    def _left(self) -> float:
        if self._patience < 0:
            return 3600.0
        return max(self._patience / 1000 - (self._client.process.clock.monotonic() - self._heard), 0.001)

    async def _reset(self, index: int) -> int:
        text = self._options.text("offset", "earliest" if "from-beginning" in self._options else "latest")
        if text.isdigit():
            return int(text)
        wanted = {"partition_index": index, "timestamp": _EARLIEST if text == "earliest" else _LATEST}
        fields = {
            "replica_id": -1,
            "isolation_level": 0,
            "topics": [{"name": self._topic, "partitions": [wanted]}],
        }
        found = await self._client.ask(Key.LIST_OFFSETS, fields, node=self._leaders[index])
        row = found.topics[0].partitions[0]
        self._refuse(row.error_code)
        return int(row.offset)

    def _refuse(self, code: int) -> None:
        if code == ErrorCode.TOPIC_AUTHORIZATION_FAILED:
            raise TopicsDeniedError([self._topic])
        if code:
            raise KafkaError.of(code)

    async def _poll(self) -> None:
        """One round: heartbeat, fetch, print, commit."""
        if self._group is not None and self._offsets:
            await self._group.stay()
        for node in sorted({self._leaders[index] for index in self._offsets}):
            await self._fetch(node)
        clock = self._client.process.clock
        if self._commits and self._group is not None and clock.monotonic() - self._committed >= _COMMIT:
            await self._commit()

    async def _fetch(self, node: int) -> None:
        own = [index for index in sorted(self._offsets) if self._leaders[index] == node]
        rows = [
            {
                "partition": index,
                "fetch_offset": self._offsets[index],
                "log_start_offset": -1,
                "partition_max_bytes": 1 << 20,
            }
            for index in own
        ]
        fields = {
            "replica_id": -1,
            "max_wait_ms": int(min(_FETCH_WAIT, self._left() * 1000)),
            "min_bytes": 1,
            "max_bytes": 52428800,
            "isolation_level": 0,
            "topics": [{"topic": self._topic, "partitions": rows}],
        }
        found = await self._client.ask(Key.FETCH, fields, node=node)
        for topic in found.responses:
            for item in topic.partitions:
                if item.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
                    self._offsets[item.partition_index] = await self._reset(item.partition_index)
                    continue
                self._refuse(item.error_code)
                await self._print(item.partition_index, bytes(item.records or b""))

    async def _print(self, index: int, data: bytes) -> None:
        from kafka.record import MemoryRecords

        properties = self._options.pairs("property")
        records = MemoryRecords(data)
        while records.has_next():
            for record in records.next_batch():
                if record.offset < self._offsets[index] or 0 <= self._most <= self.count:
                    continue
                await self._client.process.out(_shown(record, index, properties))
                self._offsets[index] = record.offset + 1
                self.count += 1
                self._heard = self._client.process.clock.monotonic()

    async def _commit(self) -> None:
        assert self._group is not None
        self._committed = self._client.process.clock.monotonic()
        if self._offsets:
            await self._group.commit(self._offsets)

    async def close(self) -> None:
        """Commit, leave the group, close connections; quietly, whatever happens."""
        with contextlib.suppress(KafkaError, Disconnected, Rebalancing):
            if self._group is not None and self._offsets:
                if self._commits:
                    await self._commit()
                await self._group.leave()
        await self._client.close()


def _shown(record: Any, index: int, properties: dict[str, str]) -> bytes:
    """A line, as the default formatter prints it."""

    def wanted(name: str) -> bool:
        return properties.get(name, "false").lower() == "true"

    separator = properties.get("key.separator", "\t").encode()
    parts = []
    if wanted("print.timestamp"):
        parts.append(f"CreateTime:{record.timestamp}".encode())
    if wanted("print.partition"):
        parts.append(f"Partition:{index}".encode())
    if wanted("print.offset"):
        parts.append(f"Offset:{record.offset}".encode())
    if wanted("print.key"):
        parts.append(b"null" if record.key is None else bytes(record.key))
    if properties.get("print.value", "true").lower() == "true":
        parts.append(b"null" if record.value is None else bytes(record.value))
    return separator.join(parts) + b"\n"
