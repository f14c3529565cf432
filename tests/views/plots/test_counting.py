"""From flows to plots."""

from __future__ import annotations

import pytest

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.views.plots.counting import drops_by_reason, http_latency, verdicts_over_time
from lab_helpers.views.plots.latencies import percentile

DENIED, POLICY = flow_pb2.DROPPED, flow_pb2.POLICY_DENIED


def flow(seconds: float, verdict: int = flow_pb2.FORWARDED, **fields: object) -> flow_pb2.Flow:
    made = flow_pb2.Flow(verdict=verdict, **fields)
    made.time.FromNanoseconds(int((1_700_000_000 + seconds) * 1e9))
    return made


def answer(milliseconds: float, server: str = "backend") -> flow_pb2.Flow:
    layer7 = flow_pb2.Layer7(type=flow_pb2.RESPONSE, latency_ns=int(milliseconds * 1e6), http=flow_pb2.HTTP(code=200))
    end = flow_pb2.Endpoint(namespace="shop", workloads=[flow_pb2.Workload(name=server, kind="Deployment")])
    return flow(0, l7=layer7, source=end)


def test_verdicts_are_counted_in_spans_that_begin_on_the_clock():
    line = verdicts_over_time([flow(0.5), flow(1.5), flow(1.6, DENIED), flow(9, DENIED)], span=2)
    assert line.start.timestamp() % 2 == 0
    assert line.parts == (("FORWARDED", (2, 0, 0, 0, 0)), ("DROPPED", (1, 0, 0, 0, 1)))
    assert line.text().splitlines()[1:3] == ["FROM       FORWARDED   DROPPED", "22:13:20   2           1"]


@pytest.mark.parametrize(("seconds", "span"), [(0, 0.1), (10, 0.5), (100, 5), (3599, 120), (86_400, 3600)])
def test_spans_grow_with_the_time_there_is_to_show(seconds, span):
    line = verdicts_over_time([flow(0), flow(seconds)])
    assert line.span == span
    assert line.spans <= 41


def test_what_the_socket_saw_is_not_counted_twice():
    assert verdicts_over_time([flow(0, flow_pb2.TRACED), flow(0, flow_pb2.TRANSLATED)]).empty()


def test_drops_by_reason_and_direction_largest_first():
    web = flow_pb2.Layer7(type=flow_pb2.REQUEST, http=flow_pb2.HTTP(method="POST"))
    chart = drops_by_reason(
        [
            flow(0),
            flow(1, DENIED, drop_reason=133, traffic_direction=flow_pb2.INGRESS),
            flow(1, DENIED, drop_reason=133, traffic_direction=flow_pb2.EGRESS),
            flow(2, DENIED, l7=web, traffic_direction=flow_pb2.INGRESS),
        ]
    )
    assert chart.bars == ("Policy denied", "refused by the http rules")
    assert chart.parts == (("egress", (1, 0)), ("ingress", (1, 1)))


def test_latency_by_the_workload_that_answered():
    plot = http_latency([answer(3), answer(1), answer(2, "payments"), flow(0)])
    assert plot.series == (("shop/backend", (1.0, 3.0)), ("shop/payments", (2.0,)))


@pytest.mark.parametrize(("share", "value"), [(50, 2), (90, 4), (99, 4), (1, 1)])
def test_percentiles_by_nearest_rank(share, value):
    assert percentile((1, 2, 3, 4), share) == value
