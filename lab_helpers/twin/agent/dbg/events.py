"""What the monitor gets: an event of a program, with the packet's beginning, or one of the agent and its proxies.

Follows the structures of Cilium pkg/monitor (``TraceNotify``, ``DropNotify``, ``PolicyVerdictNotify``). The bytes are
made when somebody asks for them.
"""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import Any, Final

from lab_helpers.hubble.events import DROP_TEXTS
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.twin.agent.dbg.hosts import host
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.datapath.frames import CAPTURED, frame, frame_length
from lab_helpers.twin.datapath.points import TracePoint
from lab_helpers.twin.datapath.tables import Capture

__all__ = ["ACCESS_LOG", "DROP", "RECEIVING", "TRACE", "TRACE_SOCK", "VERDICT", "Event"]

DROP, TRACE, VERDICT, TRACE_SOCK, ACCESS_LOG = 1, 4, 5, 7, 129
RECEIVING: Final = frozenset({TracePoint.FROM_ENDPOINT, TracePoint.FROM_OVERLAY, TracePoint.FROM_NETWORK})
"""Where a packet is received; who gets it is not known there yet."""
_OVERLAY: Final = frozenset({TracePoint.FROM_OVERLAY})
_TTL: Final = 64


class Event:
    """``source``: the endpoint whose program reports; ``destination``: what the event says of the target (an
    endpoint, a proxy's port, for verdicts the remote identity), 0 when nothing.
    """

    def __init__(self, agent: NodeAgent, flow: Any, capture: Capture | None) -> None:
        self.flow = flow
        self.kind = int(flow.event_type.type)
        self.point = int(flow.event_type.sub_type)
        self.ingress = flow.traffic_direction == flow_pb2.INGRESS
        self._agent = agent
        self._capture = capture
        self.source, self.destination = self._ends()

    def _ends(self) -> tuple[int, int]:
        flow, kind = self.flow, self.kind
        if kind == ACCESS_LOG:
            return flow.source.ID, flow.destination.ID
        number = 0 if self._capture is None else self._capture.endpoint
        if not number and self._capture is not None and not (kind == TRACE and self.point in _OVERLAY):
            number = next((e.id for e in self._agent.endpoints.values() if e.kind == "host"), 0)
        if kind == TRACE:
            ends = {TracePoint.TO_ENDPOINT: flow.destination.ID, TracePoint.TO_PROXY: flow.proxy_port}
            return number, ends.get(self.point, 0)
        if kind == DROP:
            return number, flow.destination.ID if self.ingress else 0
        remote = flow.source if self.ingress else flow.destination
        return number, remote.identity & 0xFFFF

    @property
    def identities(self) -> tuple[int, int]:
        """Source and destination."""
        known = 0 if self.kind == TRACE and self.point in RECEIVING else self.flow.destination.identity
        return self.flow.source.identity, known

    @property
    def reason(self) -> str:
        """Why a packet was dropped."""
        return DROP_TEXTS.get(self.point, f"{self.point}, 0")

    @cached_property
    def hash(self) -> int:
        """The same for both directions of a connection."""
        flow = self.flow
        layer = flow.l4.WhichOneof("protocol")
        detail = getattr(flow.l4, layer) if layer else None
        ports = sorted((getattr(detail, "source_port", 0), getattr(detail, "destination_port", 0)))
        return zlib.crc32(repr((sorted((flow.IP.source, flow.IP.destination)), ports)).encode())

    @property
    def cpu(self) -> str:
        """The processor that handles the connection's packets."""
        return f"CPU {self.hash % host(self._agent).cpus:02d}:"

    @property
    def length(self) -> int:
        """Bytes of the packet."""
        return 0 if self._capture is None else frame_length(self._capture.packet)

    @cached_property
    def data(self) -> bytes:
        """The packet's beginning."""
        if self._capture is None:
            return b""
        ethernet = self.flow.ethernet
        macs = ethernet.source, ethernet.destination
        if not all(macs):
            inner = next(e.datapath for e in self._agent.endpoints.values() if e.kind == "host")
            macs = inner.mac, inner.host_mac
        arrived = self.point == TracePoint.TO_ENDPOINT if self.kind == TRACE else self.ingress
        arrived = arrived or (self.kind == TRACE and self.point == TracePoint.TO_PROXY and self.ingress)
        return frame(self._capture.packet, *macs, _TTL - arrived)[:CAPTURED]
