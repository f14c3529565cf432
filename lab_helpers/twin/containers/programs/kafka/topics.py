"""``kafka-topics.sh``: create, list, describe and delete topics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from lab_helpers.twin.containers.errors import ProgramExit
from lab_helpers.twin.containers.kafka.clients import Client, Disconnected, KafkaError, TimedOutError
from lab_helpers.twin.containers.kafka.messages import ErrorCode, Key
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.kafka.options import Option, Options, read_options

__all__ = ["topics_program"]

_ABOUT: Final = "This tool helps to create, delete, describe, or change a topic."
_OPTIONS: Final = {
    "bootstrap-server": Option("The Kafka server to connect to, HOST:PORT.", "String: server", required=True),
    "create": Option("Create a new topic."),
    "delete": Option("Delete a topic."),
    "describe": Option("List details for the given topics."),
    "list": Option("List all available topics."),
    "topic": Option("The topic to create, describe or delete.", "String: topic"),
    "partitions": Option("The number of partitions of a topic that is created.", "Integer: # of partitions"),
    "replication-factor": Option("The replication factor of a topic that is created.", "Integer"),
    "if-not-exists": Option("With --create: do nothing if the topic is there."),
    "if-exists": Option("With --delete or --describe: do nothing if the topic is not there."),
}
_COMMANDS: Final = ("create", "delete", "describe", "list")
_PATIENCE: Final = 60.0
"""``default.api.timeout.ms``"""


@program
async def topics_program(process: SimulatedProcess) -> int:
    """kafka-topics.sh --bootstrap-server HOST:PORT --create|--list|--describe|--delete [--topic TOPIC]"""
    options = read_options(process, _ABOUT, _OPTIONS)
    asked = [name for name in _COMMANDS if name in options]
    if len(asked) != 1:
        raise ProgramExit(
            1, "Command must include exactly one action: --list, --describe, --create, --alter or --delete\n"
        )
    command = asked[0]
    if command in ("create", "delete") and "topic" not in options:
        raise ProgramExit(1, 'Missing required argument "[topic]"\n')
    client = Client(process, options.text("bootstrap-server"), "adminclient-1", "AdminClient")
    await client.prepare()
    admin = _Admin(client, options)
    actions: dict[str, Callable[[], Awaitable[None]]] = {
        "create": admin.create,
        "delete": admin.delete,
        "describe": admin.describe,
        "list": admin.list,
    }
    try:
        await actions[command]()
    except KafkaError as error:
        await process.out(f"Error while executing topic command : {error.message}\n")
        await client.log("ERROR", f"{error.line}\n", "org.apache.kafka.tools.TopicCommand", bare=True)
        return 1
    finally:
        await client.close()
    return 0


class _Admin:
    def __init__(self, client: Client, options: Options) -> None:
        self._client = client
        self._options = options
        self._topic = options.text("topic")

    async def create(self) -> None:
        """Create one topic."""
        out = self._client.process.out
        if any(char in self._topic for char in "._"):
            await out(
                "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could "
                "collide. To avoid issues it is best to use either, but not both.\n"
            )
        partitions = self._options.number("partitions", -1)
        replicas = self._options.number("replication-factor", -1)
        row = {
            "name": self._topic,
            "num_partitions": partitions,
            "replication_factor": replicas,
            "assignments": [],
            "configs": [],
        }
        fields = {"topics": [row], "timeout_ms": 30000, "validate_only": False}
        found = (await self._ask("createTopics", Key.CREATE_TOPICS, fields)).topics[0]
        if found.error_code == ErrorCode.TOPIC_ALREADY_EXISTS:
            if "if-not-exists" in self._options:
                return
            raise KafkaError("TopicExistsException", found.error_message or "")
        if found.error_code:
            names = {
                ErrorCode.INVALID_TOPIC_EXCEPTION: "InvalidTopicException",
                ErrorCode.INVALID_PARTITIONS: "InvalidPartitionsException",
                ErrorCode.INVALID_REPLICATION_FACTOR: "InvalidReplicationFactorException",
            }
            kind = names.get(ErrorCode(found.error_code), "") if found.error_code in set(ErrorCode) else ""
            raise KafkaError(kind, found.error_message or "") if kind else KafkaError.of(found.error_code)
        await out(f"Created topic {self._topic}.\n")

    async def list(self) -> None:
        """Print the names of all topics."""
        found = await self._metadata("listTopics")
        names = sorted(row.name for row in found.topics if not row.error_code)
        for name in names:
            if not self._topic or name == self._topic:
                await self._client.process.out(f"{name}\n")

    async def describe(self) -> None:
        """Print topics with their partitions."""
        found = await self._metadata("describeTopics")
        rows = sorted((row for row in found.topics if not row.error_code), key=lambda row: str(row.name))
        if self._topic:
            rows = [row for row in rows if row.name == self._topic]
            if not rows and "if-exists" not in self._options:
                raise KafkaError("IllegalArgumentException", f"Topic '{self._topic}' does not exist as expected")
        for row in rows:
            count = len(row.partitions)
            lines = [f"Topic: {row.name}\tPartitionCount: {count}\tReplicationFactor: 1\tConfigs: "]
            lines += [
                f"\tTopic: {row.name}\tPartition: {item.partition_index}\tLeader: {item.leader_id}"
                f"\tReplicas: {_listed(item.replica_nodes)}\tIsr: {_listed(item.isr_nodes)}"
                for item in sorted(row.partitions, key=lambda item: int(item.partition_index))
            ]
            await self._client.process.out("\n".join(lines) + "\n")

    async def delete(self) -> None:
        """Delete one topic; silent, as the real one is."""
        fields = {"topic_names": [self._topic], "timeout_ms": 30000}
        found = (await self._ask("deleteTopics", Key.DELETE_TOPICS, fields)).responses[0]
        if found.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            if "if-exists" in self._options:
                return
            raise KafkaError("IllegalArgumentException", f"Topic '{self._topic}' does not exist as expected")
        if found.error_code:
            raise KafkaError.of(found.error_code)

    async def _metadata(self, call: str) -> Any:
        """Metadata of all topics; an answer without brokers is none, so it is asked for again."""
        clock = self._client.process.clock
        deadline = clock.monotonic() + _PATIENCE
        while (left := deadline - clock.monotonic()) > 0:
            try:
                found = await self._client.metadata(None, create=False, patience=left)
            except Disconnected:
                await clock.sleep(min(0.5, left))
                continue
            if found.brokers:
                return found
            await clock.sleep(min(0.1, left))
        raise TimedOutError(f"Timed out waiting for a node assignment. Call: {call}")

    async def _ask(self, call: str, key: Key, fields: dict[str, Any]) -> Any:
        clock = self._client.process.clock
        deadline = clock.monotonic() + _PATIENCE
        while (left := deadline - clock.monotonic()) > 0:
            try:
                return await self._client.ask(key, fields, patience=left)
            except Disconnected:
                await clock.sleep(min(0.5, max(deadline - clock.monotonic(), 0)))
        raise TimedOutError(f"Timed out waiting for a node assignment. Call: {call}")


def _listed(nodes: list[int]) -> str:
    return ",".join(map(str, nodes))
