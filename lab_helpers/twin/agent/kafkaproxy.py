"""Envoy's part for Kafka, up to Cilium 1.19: each request is judged; what is denied is answered in the broker's place.

Follows Cilium's proxylib/kafka (parser.go) and pkg/kafka. A denied request never reaches the broker; the client gets
error 29 (TOPIC_AUTHORIZATION_FAILED) for each topic it named. For kinds of requests that carry no topics there is no
such answer: they vanish, and the client waits. Requests of versions that the parser never learned cost the connection.
Answers of the broker pass as they are; the access log knows no more of them than their correlation id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.hubble.summaries import l7_summary
from lab_helpers.policy.requests import KAFKA_KEYS, KafkaRequest, kafka_allows
from lab_helpers.twin.agent.envoys import Envoys
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.containers.kafka.messages import (
    APIS,
    ErrorCode,
    Frames,
    Key,
    Request,
    UnreadableMessage,
    decode_request,
    encode_answer,
    load_library,
    read_header,
    topics_of,
)
from lab_helpers.twin.datapath.packets import Packet
from lab_helpers.twin.datapath.proxies import Redirection
from lab_helpers.twin.datapath.tables import ProxyKey
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["KafkaProxy"]

_NAMES: Final = {number: name for name, number in KAFKA_KEYS.items()}


class KafkaProxy:
    """Implements ``datapath.proxies.Proxy`` for one node."""

    def __init__(self, agent: NodeAgent, envoys: Envoys) -> None:
        self._agent, self._envoys = agent, envoys

    async def stream(
        self, redirection: Redirection, client: ByteStream, upstream: Callable[[], Awaitable[ByteStream]]
    ) -> None:
        """Serve one connection."""
        await load_library()
        with self._envoys.carrying(self._agent.node, client):
            try:
                server = await upstream()
            except ConnectionFailed:
                await client.close()
                return
            await _Connection(self._agent, redirection, client, server).serve()

    async def datagram(
        self, redirection: Redirection, payload: bytes, forward: Callable[[bytes], Awaitable[bytes]]
    ) -> bytes | None:
        """Kafka is a matter of TCP."""
        del redirection, payload, forward
        return None


class _Connection:
    def __init__(self, agent: NodeAgent, redirection: Redirection, client: ByteStream, server: ByteStream) -> None:
        self._agent = agent
        self._redirection = redirection
        self._client = client
        self._server = server

    async def serve(self) -> None:
        """Until one side ends, or sends what is no Kafka."""
        answers = asyncio.get_running_loop().create_task(self._answers())
        try:
            await self._requests()
        except (UnreadableMessage, ConnectionFailed):
            self._client.abort()
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            await self._server.close()
            await self._client.close()

    async def _requests(self) -> None:
        frames = Frames(self._client)
        while (frame := await frames.next()) is not None:
            request = read_header(frame)
            try:
                body = decode_request(request) if request.key in set(Key) else None
            except UnreadableMessage:
                self._log(flow_pb2.Kafka(correlation_id=request.correlation), allowed=False)
                raise
            topics = () if body is None else topics_of(request.key, body)
            name = _NAMES.get(request.key, str(request.key))
            allowed = self._judge(KafkaRequest(name, str(request.version), request.client, topics))
            for topic in topics or ("",):
                record = flow_pb2.Kafka(
                    api_version=request.version, api_key=name, correlation_id=request.correlation, topic=topic
                )
                self._log(record, allowed=allowed)
            if allowed:
                await self._server.write(len(frame).to_bytes(4, "big") + frame)
            elif (answer := denial(request, body)) is not None:
                await self._client.write(answer)

    def _judge(self, asked: KafkaRequest) -> bool:
        decision = self._redirection.judge()
        redirect = decision.redirect
        if not decision.allowed or redirect is None:
            return decision.allowed
        return redirect.unrestricted or kafka_allows(redirect.kafka, asked)

    async def _answers(self) -> None:
        frames = Frames(self._server)
        try:
            while (frame := await frames.next()) is not None:
                correlation = int.from_bytes(frame[:4], "big", signed=True)
                self._log(flow_pb2.Kafka(api_key=_NAMES[0], correlation_id=correlation), response=True)
                await self._client.write(len(frame).to_bytes(4, "big") + frame)
        except (UnreadableMessage, ConnectionFailed):
            self._client.abort()
            return
        await self._client.close()

    def _log(self, record: flow_pb2.Kafka, *, allowed: bool = True, response: bool = False) -> None:
        agent, redirection = self._agent, self._redirection
        kind = "responses" if response else "requests"
        key = ProxyKey(redirection.endpoint.id, redirection.direction, "kafka", redirection.packet.dport, kind)
        agent.tables.count_proxied(key, "forwarded" if allowed else "denied")
        if not agent.tables.observed:
            return
        l7 = flow_pb2.Layer7(type=flow_pb2.RESPONSE if response else flow_pb2.REQUEST, kafka=record)
        packet: Packet = redirection.packet
        source, destination = redirection.source, redirection.destination
        if response:
            packet, source, destination = packet.reply(), destination, source
        agent.datapath.plane.flows(agent.node).access(
            l7,
            packet,
            source,
            destination,
            direction=redirection.direction,
            verdict=flow_pb2.FORWARDED if allowed else flow_pb2.DROPPED,
            text=l7_summary(l7),
        )


def denial(request: Request, body: Any) -> bytes | None:
    """The framed answer to a denied request; None for kinds that have no place for the error."""
    code = int(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    fields: dict[str, Any]
    if request.key == Key.PRODUCE:
        fields = {
            "responses": [
                {
                    "name": topic.name,
                    "partition_responses": [
                        {
                            "index": item.index,
                            "error_code": code,
                            "base_offset": -1,
                            "log_append_time_ms": -1,
                            "log_start_offset": -1,
                        }
                        for item in topic.partition_data
                    ],
                }
                for topic in body.topic_data
            ]
        }
    elif request.key == Key.FETCH:
        fields = {
            "responses": [
                {
                    "topic": topic.topic,
                    "partitions": [
                        {
                            "partition_index": item.partition,
                            "error_code": code,
                            "high_watermark": -1,
                            "last_stable_offset": -1,
                            "log_start_offset": -1,
                            "aborted_transactions": None,
                            "records": b"",
                        }
                        for item in topic.partitions
                    ],
                }
                for topic in body.topics
            ]
        }
    elif request.key == Key.METADATA:
        topics = [
            {"error_code": code, "name": topic.name, "is_internal": False, "partitions": []}
            for topic in body.topics or ()
        ]
        fields = {"brokers": [], "cluster_id": None, "controller_id": -1, "topics": topics}
    elif request.key == Key.FIND_COORDINATOR:
        fields = {"error_code": code, "error_message": None, "node_id": -1, "host": "", "port": 0}
    elif request.key in (Key.LIST_OFFSETS, Key.OFFSET_COMMIT, Key.OFFSET_FETCH):
        fields = {"topics": [_denied_partitions(request.key, topic, code) for topic in body.topics or ()]}
        if request.key == Key.OFFSET_FETCH:
            fields["error_code"] = 0
    else:
        return None
    assert request.version <= APIS[Key(request.key)].newest
    answer = {"throttle_time_ms": 0, **fields}
    return encode_answer(Key(request.key), request.version, request.correlation, answer)


def _denied_partitions(key: int, topic: Any, code: int) -> dict[str, Any]:
    if key == Key.OFFSET_FETCH:
        indexes = list(topic.partition_indexes)
        extra: dict[str, Any] = {"committed_offset": -1, "metadata": ""}
    else:
        indexes = [item.partition_index for item in topic.partitions]
        extra = {"timestamp": -1, "offset": -1, "old_style_offsets": []} if key == Key.LIST_OFFSETS else {}
    rows = [{"partition_index": index, "error_code": code, **extra} for index in indexes]
    return {"name": topic.name, "partitions": rows}
