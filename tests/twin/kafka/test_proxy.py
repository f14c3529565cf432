"""Cilium's Kafka rules on 1.19: each request judged, denied ones answered in the broker's place; Hubble's flows."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.twin.containers.kafka.brokers import Broker
from lab_helpers.twin.containers.kafka.messages import (
    APIS,
    ErrorCode,
    Frames,
    Key,
    decode_answer,
    encode_request,
    read_header,
)
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed
from tests.twin.agent.clusters import N1, N2, NODES, Cluster


def policy(*rules: dict[str, str]) -> dict[str, Any]:
    port = {"ports": [{"port": "9092", "protocol": "TCP"}], "rules": {"kafka": list(rules)}}
    return {
        "endpointSelector": {"matchLabels": {"app": "kafka"}},
        "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "client"}}], "toPorts": [port]}],
    }


class Caller:
    """Sends requests on one connection."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream, self.frames, self.number = stream, Frames(stream), 0

    async def ask(self, key: Key, fields: dict[str, Any], client: str = "test") -> Any:
        self.number += 1
        version = APIS[key].newest
        await self.stream.write(encode_request(key, version, self.number, client, fields))
        frame = await self.frames.next()
        assert frame is not None
        assert struct.unpack_from(">i", frame) == (self.number,)
        return decode_answer(key, version, frame)


async def started(version: str, spec: dict[str, Any]) -> tuple[Cluster, Caller, Broker]:
    cluster = await Cluster().start(cilium=False)
    for node in NODES:
        cluster.start_agent(node, version)
    client, server = cluster.pod("client", N1), cluster.pod("kafka", N2)
    broker = Broker(cluster.clock, "kafka.shop", 9092)
    server.listen(9092, broker.serve)
    cluster.cnp("kafka", spec)
    await cluster.settle()
    cluster.flows.clear()
    return cluster, Caller(await client.connect(server.ip, 9092)), broker


def seen(cluster: Cluster) -> list[tuple[str, str, int, str]]:
    """What L7 flows of requests say: verdict, API key, version, topic."""
    requests = [flow for flow in cluster.flows if flow.HasField("l7") and flow.l7.type == flow_pb2.REQUEST]
    return [
        (flow_pb2.Verdict.Name(flow.verdict), flow.l7.kafka.api_key, flow.l7.kafka.api_version, flow.l7.kafka.topic)
        for flow in requests
    ]


METADATA = {"topics": [{"name": "orders"}], "allow_auto_topic_creation": True}
OTHERS = {"topics": [{"name": "orders"}, {"name": "salaries"}], "allow_auto_topic_creation": True}


async def test_a_denied_request_is_answered_with_error_29_and_never_reaches_the_broker() -> None:
    cluster, caller, broker = await started("1.19.8", policy({"role": "produce", "topic": "orders"}))
    assert (await caller.ask(Key.METADATA, METADATA)).topics[0].error_code == ErrorCode.NONE
    answer = await caller.ask(Key.METADATA, OTHERS)
    assert [(row.name, row.error_code) for row in answer.topics] == [("orders", 29), ("salaries", 29)]
    assert answer.brokers == []
    assert broker.topics.names == ["orders"]
    assert seen(cluster) == [
        ("FORWARDED", "metadata", 4, "orders"),
        ("DROPPED", "metadata", 4, "orders"),
        ("DROPPED", "metadata", 4, "salaries"),
    ]
    replies = [flow for flow in cluster.flows if flow.l7.type == flow_pb2.RESPONSE and flow.HasField("l7")]
    assert [(flow.l7.kafka.correlation_id, flow.Summary) for flow in replies] == [
        (1, "Kafka response produce correlation id 1 topic '' return code 0")
    ]


async def test_the_connection_goes_on_after_a_denial() -> None:
    _, caller, _ = await started("1.19.8", policy({"role": "consume", "topic": "orders"}))
    batch = {"index": 0, "records": b""}
    fields = {
        "transactional_id": None,
        "acks": 1,
        "timeout_ms": 1000,
        "topic_data": [{"name": "orders", "partition_data": [batch]}],
    }
    denied = await caller.ask(Key.PRODUCE, fields)
    assert denied.responses[0].partition_responses[0].error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert (await caller.ask(Key.FIND_COORDINATOR, {"key": "g", "key_type": 0})).error_code == 0
    assert (await caller.ask(Key.API_VERSIONS, {})).error_code == 0


ROW = {"partition_index": 0, "timestamp": -1}
FETCH = {"partition": 0, "fetch_offset": 0, "log_start_offset": -1, "partition_max_bytes": 10}
COMMIT = {"partition_index": 0, "committed_offset": 1, "committed_metadata": ""}


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        (Key.LIST_OFFSETS, {"replica_id": -1, "isolation_level": 0, "topics": [{"name": "t", "partitions": [ROW]}]}),
        (
            Key.FETCH,
            {
                "replica_id": -1,
                "max_wait_ms": 0,
                "min_bytes": 1,
                "max_bytes": 10,
                "isolation_level": 0,
                "topics": [{"topic": "t", "partitions": [FETCH]}],
            },
        ),
        (
            Key.OFFSET_COMMIT,
            {
                "group_id": "g",
                "generation_id_or_member_epoch": -1,
                "member_id": "",
                "retention_time_ms": -1,
                "topics": [{"name": "t", "partitions": [COMMIT]}],
            },
        ),
        (Key.OFFSET_FETCH, {"group_id": "g", "topics": [{"name": "t", "partition_indexes": [0]}]}),
        (Key.FIND_COORDINATOR, {"key": "g", "key_type": 0}),
    ],
)
async def test_every_kind_with_a_place_for_it_gets_the_error(key: Key, fields: dict[str, Any]) -> None:
    _, caller, _ = await started("1.19.8", policy({"apiKey": "produce", "topic": "orders"}))
    assert "error_code=29" in str(await caller.ask(key, fields))


async def test_kinds_without_a_place_for_it_vanish() -> None:
    cluster, caller, _ = await started("1.19.8", policy({"apiKey": "metadata", "topic": "orders"}))
    await caller.stream.write(encode_request(Key.API_VERSIONS, 1, 77, "test", {}))
    assert (await caller.ask(Key.METADATA, METADATA)).topics[0].error_code == 0
    assert seen(cluster)[0] == ("DROPPED", "apiversions", 1, "")


async def test_client_id_and_api_version_count() -> None:
    rules = ({"clientID": "desk", "topic": "orders"}, {"apiKey": "apiversions", "apiVersion": "1"})
    _, caller, _ = await started("1.19.8", policy(*rules))
    assert (await caller.ask(Key.METADATA, METADATA, "desk")).topics[0].error_code == 0
    assert (await caller.ask(Key.METADATA, METADATA, "other")).topics[0].error_code == 29
    assert (await caller.ask(Key.API_VERSIONS, {}, "other")).error_code == 0


async def test_a_version_that_the_parser_never_learned_costs_the_connection() -> None:
    cluster, caller, _ = await started("1.19.8", policy({}))
    frame = struct.pack(">hhih", 0, 12, 5, 1) + b"x"
    await caller.stream.write(struct.pack(">i", len(frame)) + frame)
    with pytest.raises(ConnectionFailed):
        await caller.frames.next()
    assert seen(cluster)[0][0] == "DROPPED"


async def test_1_20_opens_the_port() -> None:
    cluster, caller, _ = await started("1.20.2", policy({"role": "produce", "topic": "orders"}))
    assert [row.error_code for row in (await caller.ask(Key.METADATA, OTHERS)).topics] == [0, 0]
    assert seen(cluster) == []


def test_a_header_is_read_whatever_the_request() -> None:
    frame = encode_request(Key.METADATA, 4, 9, "me", METADATA)[4:]
    assert read_header(frame)[:4] == (3, 4, 9, "me")
