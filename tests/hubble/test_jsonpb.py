"""JSON in and out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_helpers.hubble import jsonpb
from lab_helpers.hubble.errors import JsonError
from lab_helpers.hubble.protos import flow_pb2, observer_pb2

from .conftest import make_flow

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(0, (1 << 32) - 1)


@st.composite
def flows(draw: Any) -> Any:
    """Flows of all kinds, with absent, empty and extreme parts."""
    flow = flow_pb2.Flow(
        uuid=draw(text),
        verdict=draw(st.integers(0, 9)),
        node_name=draw(text),
        source_names=draw(st.lists(text, max_size=2)),
        socket_cookie=draw(st.integers(0, (1 << 64) - 1)),
        Summary=draw(text),
    )
    if draw(st.booleans()):
        flow.time.seconds, flow.time.nanos = draw(st.integers(0, 4_000_000_000)), draw(st.integers(0, 999_999_999))
    if draw(st.booleans()):
        flow.source.SetInParent()
        flow.source.identity = draw(numbers)
        flow.source.labels.extend(draw(st.lists(text, max_size=3)))
    if draw(st.booleans()):
        flow.is_reply.value = draw(st.booleans())
    if draw(st.booleans()):
        flow.l7.latency_ns = draw(st.integers(0, (1 << 64) - 1))
        flow.l7.http.headers.add(key=draw(text), value=draw(text))
    if draw(st.booleans()):
        flow.l4.TCP.flags.SYN = draw(st.booleans())
        flow.l4.TCP.source_port = draw(numbers)
    return flow


@given(flows())
@settings(max_examples=200)
def test_round_trip(flow: Any) -> None:
    document = jsonpb.dumps(flow)
    assert "\n" not in document
    assert jsonpb.loads(document, flow_pb2.Flow()) == flow
    theirs = json_format.MessageToDict(flow, preserving_proto_field_name=True)
    assert json.loads(document) == theirs


def test_members_come_in_the_order_of_declaration() -> None:
    flow = make_flow()
    names = list(json.loads(jsonpb.dumps(flow)))
    declared = [field.name for field in flow_pb2.Flow.DESCRIPTOR.fields]
    assert names == sorted(names, key=declared.index)
    assert names[:2] == ["time", "uuid"]


@pytest.mark.parametrize(
    ("message", "document"),
    [
        (flow_pb2.Flow(), "{}"),
        (flow_pb2.Flow(source=flow_pb2.Endpoint()), '{"source":{}}'),
        (flow_pb2.Flow(Summary="<&>\u2028\u2029é"), '{"Summary":"\\u003c\\u0026\\u003e\\u2028\\u2029é"}'),
        (flow_pb2.Flow(verdict=99), '{"verdict":99}'),
        (flow_pb2.Flow(cgroup_id=5), '{"cgroup_id":"5"}'),
        (observer_pb2.ServerStatusResponse(flows_rate=14.0), '{"flows_rate":14}'),
        (observer_pb2.ServerStatusResponse(flows_rate=1e-9), '{"flows_rate":1e-9}'),
        (observer_pb2.ServerStatusResponse(flows_rate=2.5e21), '{"flows_rate":2.5e+21}'),
    ],
)
def test_written(message: Any, document: str) -> None:
    assert jsonpb.dumps(message) == document


@pytest.mark.parametrize(
    ("document", "flow"),
    [
        ('{"sourceNames":["a"]}', flow_pb2.Flow(source_names=["a"])),
        ('{"verdict":"DROPPED"}', flow_pb2.Flow(verdict=flow_pb2.DROPPED)),
        ('{"verdict":2}', flow_pb2.Flow(verdict=flow_pb2.DROPPED)),
        ('{"proxy_port":"80"}', flow_pb2.Flow(proxy_port=80)),
        ('{"proxy_port":8e1}', flow_pb2.Flow(proxy_port=80)),
        ('{"source":null}', flow_pb2.Flow()),
    ],
)
def test_read(document: str, flow: Any) -> None:
    assert jsonpb.loads(document, flow_pb2.Flow()) == flow


@pytest.mark.parametrize(
    ("document", "message", "unknown"),
    [
        ('{"a":{"nope":1}}', 'proto: (line 1:2): unknown field "a"', True),
        ('{"IP":{"nope":1}}', 'proto: (line 1:8): unknown field "nope"', True),
        ('{"verdict":"NOPE"}', 'proto: (line 1:12): invalid value for enum field verdict: "NOPE"', True),
        ('{"uuid":1}', "proto: (line 1:2): invalid value for string field uuid: 1", False),
        ('{"proxy_port":-1}', "proto: (line 1:2): invalid value for uint32 field proxy_port: -1", False),
        ("[]", "proto: syntax error (line 1:1): unexpected token [", False),
        ("", "proto: syntax error (line 1:1): unexpected token ", False),
        ("nope", "proto: syntax error (line 1:1): invalid value nope", False),
    ],
)
def test_refused(document: str, message: str, unknown: bool) -> None:
    with pytest.raises(JsonError) as caught:
        jsonpb.loads(document, flow_pb2.Flow())
    assert (str(caught.value), caught.value.unknown) == (message, unknown)


def test_unknown_names_can_be_discarded() -> None:
    document = '{"nope":1,"verdict":"NOPE","uuid":"x"}'
    assert jsonpb.loads(document, flow_pb2.Flow(), discard_unknown=True) == flow_pb2.Flow(uuid="x")


def test_documents_are_split() -> None:
    assert list(jsonpb.documents('{"a":1} {}\n[2]')) == ['{"a":1}', "{}", "[2]"]
    with pytest.raises(JsonError, match="unexpected EOF"):
        list(jsonpb.documents('{"a'))
