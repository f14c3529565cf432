"""The broker against a client that is not ours: kafka-python over real sockets."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.kafka.brokers import Broker


class Socket:
    """A real socket as the twin's programs see theirs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.local, self.remote = writer.get_extra_info("sockname"), writer.get_extra_info("peername")

    async def read(self, limit: int = 65536) -> bytes:
        return await self._reader.read(limit)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def write_eof(self) -> None:
        self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


@pytest.fixture
async def address() -> AsyncIterator[str]:
    brokers: list[Broker] = []
    serving: dict[asyncio.Future[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        serving[ended] = writer
        try:
            await brokers[0].serve(Socket(reader, writer))
        except ConnectionError:
            return
        finally:
            ended.set_result(None)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    brokers.append(Broker(Clock(), "127.0.0.1", port))
    yield f"127.0.0.1:{port}"
    server.close()
    for writer in serving.values():
        writer.close()
    await asyncio.gather(*serving)


def work(address: str) -> list[tuple[bytes | None, bytes]]:
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic("orders", 2, 1)])
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics([NewTopic("orders", 2, 1)])
    assert "orders" in admin.list_topics()
    admin.close()
    producer = KafkaProducer(bootstrap_servers=address, acks=1, enable_idempotence=False)
    for number in range(20):
        producer.send("orders", b"order %d" % number, key=b"k%d" % number)
    producer.flush()
    producer.close()
    consumer = KafkaConsumer(
        "orders", bootstrap_servers=address, group_id="g", auto_offset_reset="earliest", consumer_timeout_ms=30000
    )
    found = [(record.key, record.value) for record in itertools.islice(consumer, 20)]
    consumer.commit()
    assert {sum(consumer.committed(part) for part in consumer.assignment())} == {20}
    consumer.close()
    return found


async def test_another_client_creates_produces_and_consumes(address: str) -> None:
    found = await asyncio.to_thread(work, address)
    assert sorted(found) == sorted((b"k%d" % n, b"order %d" % n) for n in range(20))
