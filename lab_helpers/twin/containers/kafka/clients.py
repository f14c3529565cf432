"""What Kafka's command line clients share: connections to brokers, metadata, and the client library's log lines.

Follows the Java client: a request that gets no answer costs its patience and the connection; a broker that cannot be
reached is tried again until the caller's time is up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lab_helpers.twin.containers.errors import ContainersError, Deadline, ProgramExit
from lab_helpers.twin.containers.kafka.messages import (
    APIS,
    ErrorCode,
    Frames,
    Key,
    UnreadableMessage,
    decode_answer,
    encode_request,
    load_library,
)
from lab_helpers.twin.containers.processes import SimulatedProcess
from lab_helpers.twin.containers.timing import within
from lab_helpers.twin.dns.resolving import ResolutionFailed, Resolver
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["Client", "Disconnected", "KafkaError", "TimedOutError", "TopicsDeniedError"]

SETUP_TIMEOUT: Final = 10.0
"""``socket.connection.setup.timeout.ms``"""
REQUEST_TIMEOUT: Final = 30.0
"""``request.timeout.ms``"""
RECONNECT_PAUSE: Final = 0.5
METADATA_PAUSE: Final = 0.1
"""``retry.backoff.ms``"""

_EXCEPTIONS: Final = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: (
        "UnknownTopicOrPartitionException",
        "This server does not host this topic-partition.",
    ),
    ErrorCode.INVALID_TOPIC_EXCEPTION: (
        "InvalidTopicException",
        "The request attempted an operation on an invalid topic.",
    ),
    ErrorCode.TOPIC_AUTHORIZATION_FAILED: ("TopicAuthorizationException", "Topic authorization failed."),
    ErrorCode.OFFSET_OUT_OF_RANGE: ("OffsetOutOfRangeException", "The requested offset is not within the range."),
    ErrorCode.CORRUPT_MESSAGE: ("CorruptRecordException", "This message has failed its CRC checksum."),
}
_PACKAGE: Final = "org.apache.kafka.common.errors"


class KafkaError(ContainersError):
    """What a client gives up with: ``kind`` is the name of the Java exception."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    @property
    def line(self) -> str:
        """As a stack trace begins."""
        return f"{_PACKAGE}.{self.kind}" + (f": {self.message}" if self.message else "")

    @classmethod
    def of(cls, code: int, message: str = "") -> KafkaError:
        """The exception for an error code."""
        error = ErrorCode(code) if code in set(ErrorCode) else None
        kind, said = (
            _EXCEPTIONS.get(error, ("UnknownServerException", f"Error code {code}."))
            if error
            else (
                "UnknownServerException",
                f"The server experienced an unexpected error (code {code}).",
            )
        )
        return cls(kind, message or said)


class TopicsDeniedError(KafkaError):
    """The answer was TOPIC_AUTHORIZATION_FAILED for these topics."""

    def __init__(self, topics: Sequence[str]) -> None:
        super().__init__("TopicAuthorizationException", f"Not authorized to access topics: [{', '.join(topics)}]")


class TimedOutError(KafkaError):
    """The time allowed is over."""

    def __init__(self, message: str = "") -> None:
        super().__init__("TimeoutException", message)


class Disconnected(ContainersError):
    """The connection is gone, or never came."""


class Client:
    """One client with one connection at a time. ``role`` is how it calls itself in its log lines."""

    def __init__(self, process: SimulatedProcess, servers: str, client: str, role: str) -> None:
        self.process = process
        self.client = client
        self.role = role
        self.group = ""
        self._servers = _addresses(process, servers)
        self._known: dict[int, tuple[str, int]] = {}
        self._streams: dict[tuple[str, int], tuple[ByteStream, Frames]] = {}
        self._correlation = 0

    async def prepare(self) -> None:
        """Load the library (once in the twin's life) and look the servers up. Raises ProgramExit."""
        await load_library()
        for host, _ in self._servers:
            try:
                await Resolver(self.process).addresses(host, ("A",))
            except ResolutionFailed:
                await self.log(
                    "WARN",
                    f"Couldn't resolve server {host} from bootstrap.servers as DNS resolution failed for {host}",
                    "org.apache.kafka.clients.ClientUtils",
                    bare=True,
                )
            else:
                return
        raise ProgramExit(
            1,
            "org.apache.kafka.common.KafkaException: Failed to construct kafka "
            f"{'admin client' if self.role == 'AdminClient' else self.role.lower()}\n"
            "Caused by: org.apache.kafka.common.config.ConfigException: "
            "No resolvable bootstrap urls given in bootstrap.servers\n",
        )

    async def log(self, level: str, text: str, logger: str, *, bare: bool = False) -> None:
        """One line of log4j to standard error."""
        moment = self.process.clock.now()
        stamp = f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03d}"
        who = "" if bare else f"[{self.title}] "
        await self.process.err(f"[{stamp}] {level} {who}{text} ({logger})\n")

    @property
    def title(self) -> str:
        """How the client's log lines begin."""
        return f"{self.role} clientId={self.client}" + (f", groupId={self.group}" if self.group else "")

    # --- requests -------------------------------------------------------------------------------------------

    async def ask(self, key: Key, fields: dict[str, Any], *, node: int = -1, patience: float | None = None) -> Any:
        """One request and its answer. Raises Disconnected when none came."""
        address = self._known.get(node) or self._servers[0]
        patience = REQUEST_TIMEOUT if patience is None else patience
        stream, frames = await self._connection(address, node, patience)
        self._correlation += 1
        version = APIS[key].newest
        try:
            await stream.write(encode_request(key, version, self._correlation, self.client, fields))
            async with within(self.process.clock, patience):
                frame = await frames.next()
        except Deadline:
            await self._forget(address)
            raise Disconnected(f"no answer to {APIS[key].name} within {patience:g} s") from None
        except (ConnectionFailed, UnreadableMessage) as error:
            await self._forget(address)
            raise Disconnected(str(error)) from None
        if frame is None:
            await self._forget(address)
            raise Disconnected("Connection was closed")
        try:
            return decode_answer(key, version, frame)
        except UnreadableMessage as error:
            raise KafkaError("SchemaException", str(error)) from None

    async def tell(self, key: Key, fields: dict[str, Any], *, node: int = -1) -> None:
        """One request that gets no answer. Raises Disconnected."""
        address = self._known.get(node) or self._servers[0]
        stream, _ = await self._connection(address, node, REQUEST_TIMEOUT)
        self._correlation += 1
        try:
            await stream.write(encode_request(key, APIS[key].newest, self._correlation, self.client, fields))
        except ConnectionFailed as error:
            await self._forget(address)
            raise Disconnected(str(error)) from None

    async def _connection(self, address: tuple[str, int], node: int, patience: float) -> tuple[ByteStream, Frames]:
        if address in self._streams:
            return self._streams[address]
        host, port = address
        timeout = min(SETUP_TIMEOUT, patience)
        try:
            found = (await Resolver(self.process).addresses(host, ("A",)))[0]
            stream = await self.process.network.connect(found, port, timeout=timeout)
        except (ResolutionFailed, ConnectionFailed) as error:
            if getattr(error, "errno", "") == "ETIMEDOUT":
                told = f"Disconnecting from node {node} due to socket connection setup timeout. The timeout value is "
                await self.log("INFO", f"{told}{timeout * 1000:.0f} ms.", "org.apache.kafka.clients.NetworkClient")
            where = f"({host}/{getattr(error, 'name', '') or await self._shown(host)}:{port})"
            told = f"Connection to node {node} {where} could not be established. Node may not be available."
            await self.log("WARN", told, "org.apache.kafka.clients.NetworkClient")
            if node < 0:
                told = f"Bootstrap broker {host}:{port} (id: {node} rack: null) disconnected"
                await self.log("WARN", told, "org.apache.kafka.clients.NetworkClient")
            raise Disconnected(str(error)) from None
        self._streams[address] = stream, Frames(stream)
        if node < 0:
            await self.ask(Key.API_VERSIONS, {}, node=node, patience=patience)
        return self._streams[address]

    async def _shown(self, host: str) -> str:
        try:
            return (await Resolver(self.process).addresses(host, ("A",)))[0]
        except ResolutionFailed:
            return "<unresolved>"

    def learn(self, node: int, host: str, port: int) -> None:
        """Where a broker is."""
        self._known[node] = host, port

    async def _forget(self, address: tuple[str, int]) -> None:
        found = self._streams.pop(address, None)
        if found is not None:
            await found[0].close()

    async def close(self) -> None:
        """Close what is open."""
        for address in list(self._streams):
            await self._forget(address)

    # --- metadata -------------------------------------------------------------------------------------------

    async def metadata(self, topics: Sequence[str] | None, *, create: bool = True, patience: float) -> Any:
        """Metadata of topics (None: of all). Raises Disconnected."""
        asked = None if topics is None else [{"name": name} for name in topics]
        fields = {"topics": asked, "allow_auto_topic_creation": create}
        found = await self.ask(Key.METADATA, fields, patience=patience)
        self._known.update({broker.node_id: (broker.host, broker.port) for broker in found.brokers})
        return found

    async def leaders(self, topic: str, *, patience: float) -> dict[int, int] | None:
        """The leader of each partition of a topic; None when ``patience`` ended before there was one.

        Raises KafkaError for what is not tried again: a topic that is denied, or whose name is invalid.
        """
        clock = self.process.clock
        deadline = clock.monotonic() + patience
        while (left := deadline - clock.monotonic()) > 0:
            try:
                found = await self.metadata([topic], patience=min(left, REQUEST_TIMEOUT))
            except Disconnected:
                await clock.sleep(min(RECONNECT_PAUSE, max(deadline - clock.monotonic(), 0)))
                continue
            row = next((row for row in found.topics if row.name == topic), None)
            if row is not None and row.error_code == ErrorCode.NONE and row.partitions:
                return {item.partition_index: item.leader_id for item in row.partitions}
            if row is not None and row.error_code:
                await self._complain(topic, row.error_code)
            await clock.sleep(min(METADATA_PAUSE, left))
        return None

    async def _complain(self, topic: str, code: int) -> None:
        name = ErrorCode(code).name if code in set(ErrorCode) else str(code)
        told = f"Error while fetching metadata with correlation id {self._correlation} : {{{topic}={name}}}"
        await self.log("WARN", told, "org.apache.kafka.clients.NetworkClient")
        if code == ErrorCode.TOPIC_AUTHORIZATION_FAILED:
            told = f"Topic authorization failed for topics [{topic}]"
            await self.log("ERROR", told, "org.apache.kafka.clients.Metadata")
            raise TopicsDeniedError([topic])
        if code == ErrorCode.INVALID_TOPIC_EXCEPTION:
            raise KafkaError("InvalidTopicException", f"Invalid topics: [{topic}]")


def _addresses(process: SimulatedProcess, text: str) -> list[tuple[str, int]]:
    found = []
    for part in filter(None, (item.strip() for item in text.split(","))):
        host, _, port = part.rpartition(":")
        if not host or not port.isdigit():
            raise ProgramExit(
                1,
                "org.apache.kafka.common.config.ConfigException: "
                f"Invalid url in bootstrap.servers: {part}\n"
                f"({process.name} wants HOST:PORT)\n",
            )
        found.append((host, int(port)))
    return found
