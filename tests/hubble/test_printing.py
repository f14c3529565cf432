"""Own goldens of the printer, and its layout rules."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.hubble.printing import Options, Output, Printer
from lab_helpers.hubble.printing.tabwriter import TabWriter
from lab_helpers.hubble.protos import flow_pb2, observer_pb2, relay_pb2

from .conftest import make_flow

_START = "Sep 21 14:13:20.000"
_WHO = "shop/frontend-7d4:45864 (ID:11001) -> shop/backend-5c9:8080 (ID:22733)"


def printed(options: Options, *responses: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    printer = Printer(options, out, err)
    for response in responses:
        printer.response(response)
    printer.close()
    return out.getvalue(), err.getvalue()


def response(**more: Any) -> Any:
    flow = make_flow(**more)
    return observer_pb2.GetFlowsResponse(flow=flow, node_name=flow.node_name, time=flow.time)


def cleared(name: str, **more: Any) -> Any:
    made = response(**more)
    made.flow.ClearField(name)
    return made


def denied() -> Any:
    event = flow_pb2.CiliumEventType(type=5)
    made = response(verdict=flow_pb2.DROPPED, event_type=event)
    made.flow.ClearField("is_reply")
    return made


@pytest.mark.parametrize(
    ("made", "options", "line"),
    [
        (response(), Options(), f"{_START}: {_WHO} to-endpoint FORWARDED (TCP Flags: SYN)\n"),
        (
            response(),
            Options(node_names=True, layout="RFC3339Nano"),
            f"2026-09-21T14:13:20Z [kind-worker]: {_WHO} to-endpoint FORWARDED (TCP Flags: SYN)\n",
        ),
        (
            cleared("is_reply", verdict=flow_pb2.DROPPED, event_type=flow_pb2.CiliumEventType(type=1, sub_type=133)),
            Options(),
            f"{_START}: {_WHO.replace('->', '<>')} Policy denied DROPPED (TCP Flags: SYN)\n",
        ),
        (
            denied(),
            Options(),
            f"{_START}: {_WHO.replace('->', '<>')} policy-verdict:none INGRESS DENIED (TCP Flags: SYN)\n",
        ),
        (
            response(auth_type=flow_pb2.SPIRE),
            Options(numeric=True),
            (
                f"{_START}: 10.244.1.7:45864 (ID:11001) -> 10.244.2.9:8080 (ID:22733) "
                "to-endpoint FORWARDED (TCP Flags: SYN; Auth: SPIRE)\n"
            ),
        ),
        (
            response(destination_service=flow_pb2.Service(name="api")),
            Options(),
            f"{_START}: {_WHO.replace('shop/backend', 'backend')} to-endpoint FORWARDED (TCP Flags: SYN)\n",
        ),
    ],
)
def test_compact(made: Any, options: Options, line: str) -> None:
    assert printed(options, made) == (line, "")


def test_a_reply_keeps_the_client_on_the_left() -> None:
    made = response()
    made.flow.is_reply.value = True
    line, _ = printed(Options(), made)
    left = "shop/backend-5c9:8080 (ID:22733) <- shop/frontend-7d4:45864 (ID:11001)"
    assert line == f"{_START}: {left} to-endpoint FORWARDED (TCP Flags: SYN)\n"


def test_policies_are_named_on_request() -> None:
    made = response(event_type=flow_pb2.CiliumEventType(type=5), policy_match_type=2)
    made.flow.ingress_allowed_by.add(name="allow", namespace="shop", kind="CiliumNetworkPolicy")
    line, _ = printed(Options(policy_names=True), made)
    assert "policy-verdict:L3-L4 INGRESS ALLOWED BY allow (CiliumNetworkPolicy) (" in line


def test_dict() -> None:
    block = f"""\
  TIMESTAMP: {_START}
     SOURCE: shop/frontend-7d4:45864
DESTINATION: shop/backend-5c9:8080
       TYPE: to-endpoint
    VERDICT: FORWARDED
    SUMMARY: TCP Flags: SYN
"""
    assert printed(Options(output=Output.DICT), response(), response()) == (f"{block}------------\n{block}", "")


def test_table() -> None:
    out, _ = printed(Options(output=Output.TABLE), response())
    assert out == (
        "TIMESTAMP             SOURCE                    DESTINATION             TYPE          VERDICT     SUMMARY\n"
        f"{_START}   shop/frontend-7d4:45864   shop/backend-5c9:8080   to-endpoint   FORWARDED   TCP Flags: SYN\n"
    )


def test_colors_nest_and_names_cannot_bring_their_own() -> None:
    made = response()
    made.flow.source.pod_name = "a\x1b[1mb\rc"
    colored, _ = printed(Options(color=True), made)
    assert "\x1b[36mshop/a^[[1mb\\rc:\x1b[33m45864\x1b[0m\x1b[0m" in colored
    plain, _ = printed(Options(), made)
    assert "\x1b" not in plain


def test_lost_events_and_node_states() -> None:
    lost = observer_pb2.GetFlowsResponse(lost_events=flow_pb2.LostEvent(source=3, num_events_lost=7))
    event = relay_pb2.NodeStatusEvent(state_change=relay_pb2.NODE_UNAVAILABLE, node_names=["a", "b"])
    status = observer_pb2.GetFlowsResponse(node_status=event, node_name="relay")
    out, err = printed(Options(), lost, status, observer_pb2.GetFlowsResponse())
    assert out == "N/A EVENTS LOST: HUBBLE_RING_BUFFER CPU(0) 7\n"
    assert err == "N/A [relay]: 2 nodes are unavailable: a, b\n"


cells = st.lists(st.lists(st.text("ab ", max_size=4), min_size=1, max_size=4), min_size=1, max_size=5)


@given(cells)
def test_table_cells_survive(rows: list[list[str]]) -> None:
    writer = TabWriter(minimum=2, padding=3)
    for row in rows:
        writer.write("\t".join(row) + "\n")
    lines = writer.flush().split("\n")[:-1]
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert "".join(line.split()) == "".join("".join(row).split())
        assert line.endswith(row[-1])


def test_columns_end_where_a_line_has_fewer_cells() -> None:
    writer = TabWriter(minimum=2, padding=1)
    writer.write("a\tb\nlong\tc\n\nx\ty\n")
    assert writer.flush() == "a    b\nlong c\n\nx y\n"
