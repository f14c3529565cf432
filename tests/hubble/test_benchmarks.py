"""Figures, not assertions: searching a full ring, appending to it, printing."""

from __future__ import annotations

import io
from typing import Any

import pytest

from lab_helpers.hubble.filters import compile_filters
from lab_helpers.hubble.printing import Options, Printer
from lab_helpers.hubble.protos import flow_pb2, observer_pb2
from lab_helpers.hubble.selections import Selection, select
from lab_helpers.hubble.serving import NodeLog
from lab_helpers.hubble.serving.streaming import is_lost

from .conftest import NOON, make_flow

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def full() -> NodeLog:
    """A ring of 100,000 flows of a hundred pods."""
    log = NodeLog("kind-worker", clock=lambda: NOON, capacity=100_000)
    kinds = [make_flow(verdict=1 + number % 2) for number in range(100)]
    for number, flow in enumerate(kinds):
        flow.source.pod_name = f"frontend-{number}"
    for number in range(100_000):
        log.add_flow(kinds[number % 100])
    return log


@pytest.mark.parametrize("label", ["app=backend", "app=nothing"])
def test_five_filters(benchmark: Any, full: NodeLog, label: str) -> None:
    common: dict[str, Any] = {"verdict": [flow_pb2.FORWARDED], "protocol": ["tcp"], "destination_port": ["8080"]}
    halves = [
        flow_pb2.FlowFilter(source_pod=["shop/"], source_label=[label], **common),
        flow_pb2.FlowFilter(destination_pod=["shop/"], destination_label=[label], **common),
    ]
    found = benchmark(lambda: select(full.flows, Selection(number=20), compile_filters(halves), is_lost))
    assert len(found.entries) == (20 if label == "app=backend" else 0)


def test_append(benchmark: Any, full: NodeLog) -> None:
    flow = make_flow()
    benchmark(full.add_flow, flow)


def test_compact_lines(benchmark: Any) -> None:
    response = observer_pb2.GetFlowsResponse(flow=make_flow())
    printer = Printer(Options(), io.StringIO())
    benchmark(printer.response, response)
