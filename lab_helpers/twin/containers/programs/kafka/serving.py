"""The broker: what the image apache/kafka starts, configured by its environment variables."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from lab_helpers.twin.containers.errors import ProgramExit
from lab_helpers.twin.containers.kafka.brokers import Broker
from lab_helpers.twin.containers.kafka.messages import load_library
from lab_helpers.twin.containers.kafka.partitions import Topics
from lab_helpers.twin.containers.processes import SimulatedProcess, program

__all__ = ["kafka_server"]


def _number(process: SimulatedProcess, name: str, default: int) -> int:
    text = process.env.get(name, str(default))
    if not text.isdigit():
        raise ProgramExit(
            1, f"org.apache.kafka.common.config.ConfigException: Invalid value {text} for configuration {name}\n"
        )
    return int(text)


def _listener(process: SimulatedProcess, name: str, default: str) -> tuple[str, int]:
    """Host and port of the first listener that is not the controller's."""
    controller = process.env.get("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
    for text in process.env.get(name, default).split(","):
        parts = urlsplit(text.strip())
        try:
            port = parts.port
        except ValueError:
            port = None
        if port is None:
            raise ProgramExit(
                1,
                f"java.lang.IllegalArgumentException: Error creating broker listeners from '{text}': Unable to parse\n",
            )
        if parts.scheme.upper() != controller.upper():
            return parts.hostname or "", port
    raise ProgramExit(1, f"java.lang.IllegalArgumentException: requirement failed: {name} names no broker listener\n")


@program
async def kafka_server(process: SimulatedProcess) -> int:
    """A broker in KRaft mode, one node, until told to end."""
    _, port = _listener(process, "KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093")
    host, advertised = _listener(process, "KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://localhost:{port}")
    topics = Topics(
        partitions=_number(process, "KAFKA_NUM_PARTITIONS", 1),
        automatic=process.env.get("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "true").lower() == "true",
    )
    node = _number(process, "KAFKA_NODE_ID", 1)
    await load_library()
    broker = Broker(process.clock, host or "localhost", advertised, node=node, topics=topics)
    process.network.listen(port, broker.serve)

    async def say(text: str, logger: str) -> None:
        moment = process.clock.now()
        stamp = f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03d}"
        await process.out(f"[{stamp}] INFO {text} ({logger})\n")

    await say(f"Awaiting socket connections on 0.0.0.0:{port}.", "kafka.network.DataPlaneAcceptor")
    await say("Kafka version: 3.9.1", "org.apache.kafka.common.utils.AppInfoParser")
    await say(f"[KafkaRaftServer nodeId={node}] Kafka Server started", "kafka.server.KafkaRaftServer")
    process.ready()
    await asyncio.Event().wait()
    return 0
