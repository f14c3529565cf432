"""A flow as a ring keeps it: serialized, with the facts that filters ask for most beside it.

A flow message costs about 5 KB of memory and a tenth of a microsecond per field read; a ring of 100,000 that is
searched within a blink wants neither. A `Record` holds the bytes and some twenty plain values; conditions on anything
else parse the bytes again (`flow`).
"""

import sys
from typing import Any

from lab_helpers.hubble import times
from lab_helpers.hubble.protos import flow_pb2

_MOST_LABEL_SETS = 20_000
_label_sets: dict[tuple[str, ...], tuple[str, ...]] = {}


def _shared(labels: Any) -> tuple[str, ...]:
    """Labels as a tuple; equal ones are one object."""
    key = tuple(labels[:])  # slicing a repeated field is twice as fast as iterating over it
    known = _label_sets.get(key)
    if known is None:
        if len(_label_sets) >= _MOST_LABEL_SETS:
            _label_sets.clear()
        known = _label_sets[key] = tuple(sys.intern(label) for label in key)
    return known


class Record:
    """A flow and what filters ask of it.

    Identities are -1 without an endpoint; `protocol` and `l7` are the names of the set members (``TCP``, ``http``) or
    "", `l7` is ``?`` for a message without a known record; ports are -1 where the protocol has none; `is_reply` is None
    when unknown. `missing` marks the stand-in for a response that carries no flow.
    """

    __slots__ = (
        "_data",
        "_flow",
        "destination_identity",
        "destination_ip",
        "destination_labels",
        "destination_namespace",
        "destination_pod",
        "destination_port",
        "direction",
        "event_type",
        "is_reply",
        "l7",
        "missing",
        "node_name",
        "protocol",
        "source_identity",
        "source_ip",
        "source_labels",
        "source_namespace",
        "source_pod",
        "source_port",
        "sub_type",
        "time",
        "verdict",
    )

    def __init__(self, flow: Any, *, compact: bool = False, missing: bool = False) -> None:
        """From a flow_pb2.Flow. `compact` keeps its bytes instead of the message."""
        self._flow = None if compact else flow
        self._data: bytes | None = flow.SerializeToString() if compact else None
        self.missing = missing
        stamp = flow.time
        self.time = stamp.seconds * times.SECOND + stamp.nanos
        self.verdict: int = flow.verdict
        self.direction: int = flow.traffic_direction
        self.node_name: str = sys.intern(flow.node_name)
        event = flow.event_type
        self.event_type: int = event.type
        self.sub_type: int = event.sub_type
        self.is_reply: bool | None = flow.is_reply.value if flow.HasField("is_reply") else None
        packet = flow.IP
        self.source_ip: str = sys.intern(packet.source)
        self.destination_ip: str = sys.intern(packet.destination)
        l4 = flow.l4
        self.protocol: str = l4.WhichOneof("protocol") or ""
        self.source_port = self.destination_port = -1
        if self.protocol in ("TCP", "UDP", "SCTP"):
            header = getattr(l4, self.protocol)
            self.source_port, self.destination_port = header.source_port, header.destination_port
        self.l7: str = (flow.l7.WhichOneof("record") or "?") if flow.HasField("l7") else ""
        self.source_namespace = self.source_pod = self.destination_namespace = self.destination_pod = ""
        self.source_identity = self.destination_identity = -1
        self.source_labels: tuple[str, ...] = ()
        self.destination_labels: tuple[str, ...] = ()
        if flow.HasField("source"):
            endpoint = flow.source
            self.source_namespace = sys.intern(endpoint.namespace)
            self.source_pod = sys.intern(endpoint.pod_name)
            self.source_identity = endpoint.identity
            self.source_labels = _shared(endpoint.labels)
        if flow.HasField("destination"):
            endpoint = flow.destination
            self.destination_namespace = sys.intern(endpoint.namespace)
            self.destination_pod = sys.intern(endpoint.pod_name)
            self.destination_identity = endpoint.identity
            self.destination_labels = _shared(endpoint.labels)

    @property
    def flow(self) -> Any:
        """The flow_pb2.Flow; parsed anew on each call when only the bytes are kept."""
        return self._flow if self._data is None else flow_pb2.Flow.FromString(self._data)


NO_FLOW = Record(flow_pb2.Flow(), missing=True)
"""Stands for a response without a flow (lost events, node states) when it is filtered: a few conditions treat "no flow"
differently from "an empty flow"."""
