"""``kafka-console-producer.sh``: each line of standard input is a message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

from lab_helpers.twin.containers.errors import ProgramExit
from lab_helpers.twin.containers.kafka.clients import Client, Disconnected, KafkaError, TimedOutError, TopicsDeniedError
from lab_helpers.twin.containers.kafka.messages import ErrorCode, Key
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.kafka.options import Option, Options, read_options

__all__ = ["console_producer"]

_ABOUT: Final = "This tool helps to read data from standard input and publish it to Kafka."
_OPTIONS: Final = {
    "bootstrap-server": Option("The server(s) to connect to, HOST:PORT separated by commas.", "String", required=True),
    "topic": Option("The topic name to produce messages to.", "String: topic", required=True),
    "max-block-ms": Option(
        "The max time that the producer will block for during a send request. (default: 60000)", "Long"
    ),
    "message-send-max-retries": Option("How often sending is tried again. (default: 3)", "Integer"),
    "producer-property": Option("A producer property, key=value (client.id).", "String: producer_prop"),
    "property": Option("A property of the message reader: parse.key=true, key.separator=:", "String: prop"),
    "request-required-acks": Option("The required acks: -1 (all), 0 or 1. (default: -1)", "String"),
    "request-timeout-ms": Option("The ack timeout of the producer requests. (default: 1500)", "Integer"),
    "sync": Option("If set, message send requests to the brokers are synchronous."),
}
_CALLBACK: Final = "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback"


class _Message(NamedTuple):
    key: bytes | None
    value: bytes


async def _messages(process: SimulatedProcess, options: Options) -> AsyncIterator[_Message]:
    properties = options.pairs("property")
    keyed = properties.get("parse.key", "false").lower() == "true"
    separator = properties.get("key.separator", "\t").encode()
    number = 0
    while True:
        if process.tty:
            await process.out(">")
        line = await process.stdin.read_line()
        if not line:
            return
        number += 1
        text = line.rstrip(b"\r\n")
        if not keyed:
            yield _Message(None, text)
            continue
        key, found, value = text.partition(separator)
        if not found:
            raise ProgramExit(
                1,
                f"org.apache.kafka.common.KafkaException: No key separator found on line number {number}: "
                f"'{text.decode('utf-8', 'replace')}'\n",
            )
        yield _Message(key, value)


@program
async def console_producer(process: SimulatedProcess) -> int:
    """kafka-console-producer.sh --bootstrap-server HOST:PORT --topic TOPIC"""
    options = read_options(process, _ABOUT, _OPTIONS)
    name = options.pairs("producer-property").get("client.id", "console-producer")
    client = Client(process, options.text("bootstrap-server"), name, "Producer")
    await client.prepare()
    producer = _Producer(client, options)
    try:
        async for message in _messages(process, options):
            try:
                await producer.send(message)
            except KafkaError as error:
                if "sync" in options:
                    raise ProgramExit(1, f"{error.line}\n") from None
                await producer.complain(message, error)
    finally:
        await client.close()
    return 0


class _Producer:
    def __init__(self, client: Client, options: Options) -> None:
        self._client = client
        self._topic = options.text("topic")
        self._block = options.number("max-block-ms", 60000)
        self._retries = options.number("message-send-max-retries", 3)
        self._timeout = options.number("request-timeout-ms", 1500)
        acks = options.text("request-required-acks", "-1")
        self._acks = -1 if acks == "all" else int(acks) if acks in ("-1", "0", "1") else -1
        self._leaders: dict[int, int] = {}
        self._turn = 0

    async def complain(self, message: _Message, error: KafkaError) -> None:
        """What the producer's callback logs about a message that is lost."""
        key = "null" if message.key is None else f"{len(message.key)} bytes"
        what = f"key: {key}, value: {len(message.value)} bytes"
        told = f"Error when sending message to topic {self._topic} with {what} with error:"
        await self._client.log("ERROR", told, _CALLBACK, bare=True)
        await self._client.process.err(f"{error.line}\n")

    async def send(self, message: _Message) -> None:
        """Send one message. Raises KafkaError."""
        if not self._leaders:
            found = await self._client.leaders(self._topic, patience=self._block / 1000)
            if found is None:
                raise TimedOutError(f"Topic {self._topic} not present in metadata after {self._block} ms.")
            self._leaders = found
        partition = self._partition(message.key)
        batch = self._batch(message)
        data = [{"index": partition, "records": batch}]
        fields: dict[str, Any] = {
            "transactional_id": None,
            "acks": self._acks,
            "timeout_ms": self._timeout,
            "topic_data": [{"name": self._topic, "partition_data": data}],
        }
        if self._acks == 0:
            await self._client.tell(Key.PRODUCE, fields, node=self._leaders[partition])
            return
        for _ in range(self._retries + 1):
            try:
                answer = await self._client.ask(Key.PRODUCE, fields, node=self._leaders[partition])
            except Disconnected:
                await self._client.process.clock.sleep(0.1)
                continue
            code = answer.responses[0].partition_responses[0].error_code
            if code == ErrorCode.TOPIC_AUTHORIZATION_FAILED:
                raise TopicsDeniedError([self._topic])
            if code:
                raise KafkaError.of(code)
            return
        raise TimedOutError(f"Expiring 1 record(s) for {self._topic}-{partition}: the broker did not answer")

    def _partition(self, key: bytes | None) -> int:
        indexes = sorted(self._leaders)
        if key is not None:
            from kafka.partitioner.default import murmur2

            return indexes[(int(murmur2(key)) & 0x7FFFFFFF) % len(indexes)]
        self._turn += 1
        return indexes[self._turn % len(indexes)]

    def _batch(self, message: _Message) -> bytes:
        from kafka.record import MemoryRecordsBuilder

        builder = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=1 << 30)
        builder.append(int(self._client.process.clock.now().timestamp() * 1000), message.key, message.value)
        builder.close()
        return bytes(builder.buffer())
