"""Flows as rows: who spoke to whom, where it was seen, what became of it.

Made from ``flow.Flow`` messages. Follows the reading rules of Hubble's printer: replies are shown with the client
on the left (``<-``), drops have no direction of reply (``<>``). Unlike the compact printer it names the direction, the
match and the deciding policies.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from lab_helpers.views.display import View
from lab_helpers.views.plots.bars import BarChart
from lab_helpers.views.tables import Marked, Table
from lab_helpers.views.verdicts import flow_tone

if TYPE_CHECKING:
    from lab_helpers.hubble.protos.flow_pb2 import Flow

__all__ = ["FlowRow", "FlowTable", "Peer", "row"]


class Peer(NamedTuple):
    """One end of a flow. ``name`` is ``namespace/pod``, a DNS name or an address; ``port`` 0 where there is none."""

    name: str
    port: int
    identity: int
    reserved: str = ""

    def __str__(self) -> str:
        place = f"{self.name}:{self.port}" if self.port else self.name
        return f"{place} ({self.reserved})" if self.reserved else place


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One flow. ``time`` is UTC; ``reply`` None where Hubble cannot know; ``kind`` as the compact printer names it."""

    time: datetime
    source: Peer
    destination: Peer
    kind: str
    verdict: str
    direction: str
    summary: str
    node: str
    reply: bool | None = None
    reason: str = ""
    policies: tuple[str, ...] = ()
    uuid: str = ""

    @property
    def arrow(self) -> str:
        """``->``, ``<-`` or ``<>``."""
        return "<>" if self.reply is None else "<-" if self.reply else "->"

    @property
    def port(self) -> int:
        """The port the client speaks to; 0 where there is none."""
        return self.ends[1].port

    @property
    def ends(self) -> tuple[Peer, Peer]:
        """Left and right end; the client of a reply is on the left."""
        return (self.destination, self.source) if self.reply else (self.source, self.destination)


@dataclass(frozen=True, slots=True)
class FlowTable(View):
    """Flows in the order given, newest last."""

    rows: tuple[FlowRow, ...]
    title: str = ""
    empty: str = "no flow seen"

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, **wanted: str) -> FlowTable:
        """The rows whose fields have these values, e.g. ``where(verdict="DROPPED", direction="INGRESS")``."""
        kept = tuple(row for row in self.rows if all(getattr(row, key) == value for key, value in wanted.items()))
        return FlowTable(kept, self.title, self.empty)

    def newest(self, number: int) -> FlowTable:
        """The last ``number`` rows."""
        return FlowTable(self.rows[-number:], self.title, self.empty)

    def chart(self, by: str = "kind", split: str = "verdict", title: str = "") -> BarChart:
        """How many flows for each value of ``by``, split by ``split`` (both fields of a row), largest first."""
        counts = Counter((_value(row, by), _value(row, split)) for row in self.rows)
        totals = Counter(_value(row, by) for row in self.rows)
        bars = tuple(sorted(totals, key=lambda bar: (-totals[bar], bar)))
        names = sorted({part for _, part in counts})
        parts = tuple((name, tuple(counts[bar, name] for bar in bars)) for name in names)
        return BarChart(title or f"Flows by {by}", bars, parts)

    def edges(self, title: str = "Who speaks to whom") -> Table:
        """A service map as a table: one row per pair of workloads and port, with what became of their connections.

        Only decisive flows count: connections that were forwarded to their end, and drops.
        """
        counts: Counter[tuple[str, str, str, str]] = Counter()
        for flow in self.rows:
            left, right = flow.ends
            if flow.verdict == "DROPPED" or flow.kind in ("to-endpoint", "to-stack", "to-network"):
                counts[_workload(left), _workload(right), str(right.port or ""), flow.verdict] += 1
        rows = tuple(
            (source, "→", target, port, Marked(flow_tone(verdict), verdict), str(counts[source, target, port, verdict]))
            for source, target, port, verdict in sorted(counts)
        )
        return Table(("from", "", "to", "port", "verdict", "flows"), rows, title, self.empty)

    def table(self) -> Table:
        """The table both forms show."""
        return Table(
            ("time", "from", "", "to", "seen at", "verdict", "details"),
            tuple(_cells(row) for row in self.rows),
            self.title,
            self.empty,
        )

    def text(self) -> str:
        """Aligned columns."""
        return self.table().text()

    def body(self) -> str:
        """A table."""
        return self.table().body()


def _workload(peer: Peer) -> str:
    """A pod's name without the parts its ReplicaSet and the pod itself add."""
    if peer.reserved:
        return peer.reserved
    return re.sub(r"-[a-z0-9]{6,10}-[a-z0-9]{5}$", "", peer.name)


def _value(row: FlowRow, field: str) -> str:
    value = getattr(row, field)
    if isinstance(value, Peer):
        return value.name
    return ", ".join(value) if isinstance(value, tuple) else str(value) or "unknown"


def _cells(row: FlowRow) -> tuple[str | Marked, ...]:
    left, right = row.ends
    seen = " ".join(part for part in (row.kind, row.direction.lower(), f"on {row.node}" if row.node else "") if part)
    details = row.summary
    if row.policies:
        details += f" · by {', '.join(row.policies)}"
    stamp = row.time.strftime("%H:%M:%S.") + f"{row.time.microsecond // 1000:03d}"
    return stamp, str(left), row.arrow, str(right), seen, Marked(flow_tone(row.verdict), row.verdict), details


def row(flow: Flow) -> FlowRow:
    """Read one message."""
    from lab_helpers.hubble import events
    from lab_helpers.hubble.protos import flow_pb2

    source, destination = _ports(flow)
    event, sub_type = flow.event_type.type, flow.event_type.sub_type
    reason = events.drop_text(flow.drop_reason) if flow.drop_reason else ""
    return FlowRow(
        time=datetime.fromtimestamp(flow.time.seconds, UTC).replace(microsecond=flow.time.nanos // 1000),
        source=_peer(flow.source, flow.IP.source, source, flow.source_names),
        destination=_peer(flow.destination, flow.IP.destination, destination, flow.destination_names),
        kind=_kind(flow, event, sub_type, events),
        verdict=flow_pb2.Verdict.Name(flow.verdict),
        direction=_direction(flow_pb2.TrafficDirection.Name(flow.traffic_direction)),
        summary=flow.Summary,
        node=flow.node_name.rpartition("/")[2],
        reply=flow.is_reply.value if flow.HasField("is_reply") else None,
        reason=reason,
        policies=tuple(dict.fromkeys(_policies(flow))),
        uuid=flow.uuid,
    )


def _direction(name: str) -> str:
    return "" if name.endswith("UNKNOWN") else name


def _kind(flow: Any, event: int, sub_type: int, events: Any) -> str:
    if event == events.DROP:
        return str(events.drop_text(sub_type))
    if event == events.POLICY_VERDICT:
        return f"policy-verdict:{events.MATCH_TYPES[flow.policy_match_type]}"
    if event == events.TRACE_SOCK:
        return str(events.SOCK_POINTS[flow.sock_xlate_point])
    if event == events.ACCESS_LOG:
        part = "response" if flow.l7.type == 2 else "request"
        return f"{flow.l7.WhichOneof('record') or 'l7'}-{part}"
    return str(events.trace_point(sub_type))


def _ports(flow: Any) -> tuple[int, int]:
    protocol = flow.l4.WhichOneof("protocol")
    if protocol not in ("TCP", "UDP", "SCTP"):
        return 0, 0
    ports = getattr(flow.l4, protocol)
    return ports.source_port, ports.destination_port


def _peer(endpoint: Any, ip: str, port: int, names: Iterable[str]) -> Peer:
    from lab_helpers.hubble.events import RESERVED_IDENTITIES

    name = f"{endpoint.namespace}/{endpoint.pod_name}" if endpoint.pod_name else ", ".join(names) or ip
    identity = endpoint.identity
    reserved = RESERVED_IDENTITIES[identity] if 0 < identity < len(RESERVED_IDENTITIES) else ""
    return Peer(name, port, identity, reserved)


def _policies(flow: Any) -> Iterable[str]:
    for field in ("ingress_denied_by", "egress_denied_by", "ingress_allowed_by", "egress_allowed_by"):
        for policy in getattr(flow, field, ()):
            yield f"{policy.namespace}/{policy.name}" if policy.namespace else policy.name
