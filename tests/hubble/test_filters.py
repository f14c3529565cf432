"""Filters: meaning, laws, errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.hubble.errors import FilterError
from lab_helpers.hubble.filters import compile_filters
from lab_helpers.hubble.filters.messages import url_path
from lab_helpers.hubble.filters.patterns import _fallback, compile_regex
from lab_helpers.hubble.filters.selectors import holds, parse_selector, split_label
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.hubble.records import Record

from .conftest import make_flow

Filter = flow_pb2.FlowFilter


def passes(flow: Any, *allow: Any, deny: Any = ()) -> bool:
    return compile_filters(allow, deny)(Record(flow))


@pytest.mark.parametrize(
    ("fields", "matches"),
    [
        ({}, True),
        ({"source_pod": ["shop/"]}, True),
        ({"source_pod": ["shop/front"]}, True),
        ({"source_pod": ["front"]}, False),
        ({"source_pod": ["/front"]}, True),
        ({"source_pod": ["other/", "shop/"]}, True),
        ({"source_pod": ["shop/"], "destination_pod": ["shop/nope"]}, False),
        ({"source_label": ["app=frontend"]}, True),
        ({"source_label": ["k8s:app in (a, frontend)"]}, True),
        ({"source_label": ["!app"]}, False),
        ({"source_ip": ["10.244.0.0/16"]}, True),
        ({"source_ip": ["10.244.1.70"]}, False),
        ({"destination_port": ["8080"]}, True),
        ({"destination_port": ["80"]}, False),
        ({"protocol": ["TCP"]}, True),
        ({"protocol": ["http"]}, False),
        ({"tcp_flags": [flow_pb2.TCPFlags(SYN=True)]}, True),
        ({"tcp_flags": [flow_pb2.TCPFlags(SYN=True, ACK=True)]}, False),
        ({"verdict": [flow_pb2.DROPPED, flow_pb2.FORWARDED]}, True),
        ({"event_type": [flow_pb2.EventTypeFilter(type=4, match_sub_type=True, sub_type=1)]}, False),
        ({"reply": [False]}, True),
        ({"reply": [True]}, False),
        ({"node_name": ["kind-*"]}, True),
        ({"node_name": ["other/"]}, False),
        ({"source_identity": [11001]}, True),
        ({"traffic_direction": [flow_pb2.INGRESS]}, True),
        ({"ip_version": [flow_pb2.IPv6]}, False),
        ({"uuid": ["flow-0"]}, True),
        ({"experimental": {"cel_expression": ["_flow.l4.TCP.destination_port > 8000u"]}}, True),
        ({"experimental": {"cel_expression": ["_flow.source.labels.exists(l, l.endsWith('=frontend'))"]}}, True),
        ({"experimental": {"cel_expression": ["size(_flow.source.labels) == 2 && !has(_flow.l7)"]}}, True),
        ({"experimental": {"cel_expression": ["_flow.source.labels[9] == 'x'"]}}, False),
        ({"experimental": {"cel_expression": ["_flow.is_reply == true ? true : _flow.verdict in [1, 2]"]}}, True),
        ({"experimental": {"cel_expression": ["_flow.time > timestamp('2020-01-01T00:00:00Z')"]}}, True),
    ],
)
def test_meaning(fields: dict[str, Any], matches: bool) -> None:
    assert passes(make_flow(), Filter(**fields)) is matches
    assert passes(make_flow(), deny=[Filter(**fields)]) is not matches


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source_pod": [""]}, "invalid filter, name must not be empty"),
        ({"protocol": ["quic"]}, 'invalid protocol filter: unknown protocol: "quic"'),
        (
            {"source_ip": ["1.2.3"]},
            'invalid IP address "1.2.3" in filter: ParseAddr("1.2.3"): IPv4 address too short',
        ),
        ({"http_status_code": ["9"]}, 'invalid http status code filter: invalid status code prefix: "9"'),
        (
            {"experimental": {"cel_expression": ["_flow.verdict"]}},
            'error compiling CEL expression: got "int", wanted "bool" result type',
        ),
        (
            {"experimental": {"cel_expression": ["_flow.verdict == 'x'"]}},
            (
                "error compiling CEL expression: ERROR: <input>:1:15: found no matching overload for '_==_' applied to "
                "'(int, string)'\n | _flow.verdict == 'x'\n | ..............^"
            ),
        ),
        (
            {"experimental": {"cel_expression": ["nope"]}},
            (
                "error compiling CEL expression: ERROR: <input>:1:1: undeclared reference to 'nope' "
                "(in container 'flow')\n | nope\n | ^"
            ),
        ),
    ],
)
def test_errors(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filters([Filter(**fields)])
    assert str(caught.value) == message


filters = st.builds(
    Filter,
    source_pod=st.lists(st.sampled_from(["shop/", "shop/front", "x", "/back"]), max_size=2),
    destination_port=st.lists(st.sampled_from(["80", "8080"]), max_size=2),
    verdict=st.lists(st.sampled_from([1, 2]), max_size=2),
    protocol=st.lists(st.sampled_from(["tcp", "udp"]), max_size=2),
    source_label=st.lists(st.sampled_from(["app=frontend", "!app", "tier"]), max_size=2),
)


@given(st.lists(filters, min_size=1, max_size=3), st.lists(filters, max_size=3))
def test_lists_are_alternatives(allow: list[Any], deny: list[Any]) -> None:
    flow = make_flow()
    expected = any(passes(flow, each) for each in allow) and not any(passes(flow, each) for each in deny)
    assert passes(flow, *allow, deny=deny) is expected


@given(filters)
def test_fields_are_conditions(wanted: Any) -> None:
    flow = make_flow()
    parts = []
    for field, values in wanted.ListFields():
        one = Filter()
        getattr(one, field.name).extend(values)
        parts.append(passes(flow, one))
    assert passes(flow, wanted) is all(parts)


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ("", [], True),
        ("app", ["k8s:app=x"], True),
        ("k8s:app", ["container:app=x"], False),
        ("any:app==x", ["container:app=x"], True),
        ("app!=x", [], True),
        ("app notin (x,y),tier", ["k8s:app=z", "k8s:tier=a"], True),
        ("n>3,n<5", ["k8s:n=4"], True),
        ("reserved:world", ["reserved:world"], True),
        ("!reserved:world", ["reserved:world"], False),
    ],
)
def test_selectors(selector: str, labels: list[str], selected: bool) -> None:
    split = [split_label(label) for label in labels]
    assert all(holds(requirement, split) for requirement in parse_selector(selector)) is selected


@pytest.mark.parametrize("selector", ["app in (", "=x", "app in x", "a b", ",", "a,,b", "a=b=c", "app>x", "a=(b)"])
def test_broken_selectors(selector: str) -> None:
    with pytest.raises(FilterError, match=r"^unable to parse requirement: "):
        parse_selector(selector)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://host/a/b?c=d#e", "/a/b"),
        ("/a%20b", "/a b"),
        ("http://host", ""),
        ("http://host:x/", None),
        ("/a%zz", None),
        ("a:b/c", ""),
        (":/x", None),
        ("", ""),
    ],
)
def test_paths_of_urls(url: str, path: str | None) -> None:
    assert url_path(url) == path


@pytest.mark.parametrize("compiled", [compile_regex, _fallback], ids=["re2", "fallback"])
def test_regular_expressions(compiled: Any) -> None:
    assert compiled("^/api/v[0-9]+").__call__("/api/v12/x")
    assert not compiled("^/api$").__call__("/api/v1")
    for pattern, message in (("(", "missing closing ): `(`"), ("[", "missing closing ]: `[`")):
        with pytest.raises(FilterError) as caught:
            compiled(pattern)
        assert str(caught.value) == f"error parsing regexp: {message}"
    with pytest.raises(FilterError):
        compiled("(?=x)")
