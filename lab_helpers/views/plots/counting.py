"""From flows to plots. Pure: the same flows give the same picture."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from lab_helpers.views.plots.bars import BarChart
from lab_helpers.views.plots.latencies import LatencyPlot
from lab_helpers.views.plots.timelines import Timeline

if TYPE_CHECKING:
    from lab_helpers.hubble.protos.flow_pb2 import Flow

__all__ = ["drops_by_reason", "http_latency", "verdicts_over_time"]

COLUMNS: Final = 40
"""At most so many spans of time in a picture."""
_SPANS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_SHOWN: Final = ("FORWARDED", "DROPPED", "REDIRECTED", "AUDIT", "ERROR")
"""TRACED and TRANSLATED are the socket's view of connections that are counted already."""


def verdicts_over_time(flows: Iterable[Flow], *, span: float = 0.0) -> Timeline:
    """Flows by verdict in spans of ``span`` seconds (0: whatever gives a readable picture)."""
    from lab_helpers.hubble.protos import flow_pb2

    seen = [
        (flow.time.seconds + flow.time.nanos / 1e9, name)
        for flow in flows
        if (name := flow_pb2.Verdict.Name(flow.verdict)) in _SHOWN
    ]
    title = "Verdicts over time"
    if not seen:
        return Timeline(title, datetime.fromtimestamp(0, UTC), span or 1.0, ())
    first, last = min(seen)[0], max(seen)[0]
    width = span or next((one for one in _SPANS if (last - first) / one < COLUMNS), 86_400.0)
    start = math.floor(first / width) * width
    counts = Counter((name, int((time - start) / width)) for time, name in seen)
    columns = int((last - start) / width) + 1
    names = [name for name in _SHOWN if any(key[0] == name for key in counts)]
    parts = tuple((name, tuple(counts[name, column] for column in range(columns))) for name in names)
    return Timeline(title, datetime.fromtimestamp(start, UTC), width, parts)


def drops_by_reason(flows: Iterable[Flow]) -> BarChart:
    """Dropped flows by reason, split by direction. Layer 7 has no reason of its own: Envoy's 403 is named so."""
    from lab_helpers.hubble import events
    from lab_helpers.hubble.protos import flow_pb2

    counts: Counter[tuple[str, str]] = Counter()
    for flow in flows:
        if flow.verdict == flow_pb2.DROPPED:
            layer7 = flow.l7.WhichOneof("record")
            reason = f"refused by the {layer7} rules" if layer7 else str(events.drop_text(flow.drop_reason))
            counts[reason, flow_pb2.TrafficDirection.Name(flow.traffic_direction).lower()] += 1
    totals: Counter[str] = Counter()
    for (reason, _), count in counts.items():
        totals[reason] += count
    bars = tuple(sorted(totals, key=lambda bar: (-totals[bar], bar)))
    names = sorted({direction for _, direction in counts})
    parts = tuple((name.replace("traffic_direction_", ""), tuple(counts[bar, name] for bar in bars)) for name in names)
    return BarChart("Drops by reason", bars, parts, "dropped flows, by direction")


def http_latency(flows: Iterable[Flow]) -> LatencyPlot:
    """The latencies the proxies measured, by the workload that answered."""
    from lab_helpers.hubble.protos import flow_pb2

    found: defaultdict[str, list[float]] = defaultdict(list)
    for flow in flows:
        if flow.l7.type == flow_pb2.RESPONSE and flow.l7.HasField("http"):
            found[_server(flow)].append(flow.l7.latency_ns / 1e6)
    series = tuple((name, tuple(sorted(values))) for name, values in sorted(found.items()))
    return LatencyPlot("HTTP latency", series)


def _server(flow: Flow) -> str:
    """A response comes from the server."""
    end = flow.source
    if end.workloads:
        return f"{end.namespace}/{end.workloads[0].name}"
    return end.pod_name or ", ".join(flow.source_names) or flow.IP.source
