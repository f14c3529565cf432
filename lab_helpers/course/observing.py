"""Reading flows from Hubble, through Relay as on any cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from lab_helpers.course.workloads import PodRef
from lab_helpers.views.flows import FlowRow, row

if TYPE_CHECKING:
    from lab_helpers.clusters import Cluster
    from lab_helpers.hubble.protos.flow_pb2 import Flow, FlowFilter
    from lab_helpers.hubble.protos.observer_pb2 import GetFlowsRequest

__all__ = ["FlowSource", "HubbleFlows", "Observation", "pod_filters"]

_PATIENCE: Final = 1.5
_PAUSE: Final = 0.03
_MOST: Final = 400


class FlowSource(Protocol):
    """Whom to ask for flows. Implementations raise ClusterError or HubbleError when Hubble cannot be asked."""

    def flows(self, request: GetFlowsRequest) -> list[Flow]:
        """All flows of a request that ends (no follow), oldest first."""


class HubbleFlows:
    """Asks the cluster's Relay, with a new connection each time: a Relay that was restarted is no problem."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def flows(self, request: GetFlowsRequest) -> list[Flow]:
        """All flows of a request that ends."""
        with self._cluster.hubble() as client:
            answers = list(client.get_flows(request))
        return [answer.flow for answer in answers if answer.WhichOneof("response_types") == "flow"]


def pod_filters(namespace: str, pod: str) -> list[FlowFilter]:
    """Flows from or to one pod."""
    from lab_helpers.hubble.protos import flow_pb2

    name = f"{namespace}/{pod}"
    return [flow_pb2.FlowFilter(source_pod=[name]), flow_pb2.FlowFilter(destination_pod=[name])]


@dataclass(slots=True)
class Observation:
    """The flows of one pod between ``begin`` and ``end``, told apart by what Hubble had before, not by clocks."""

    source: FlowSource
    filters: Sequence[FlowFilter]
    known: frozenset[str]
    since: Any
    note: str = ""

    @classmethod
    def begin(cls, source: FlowSource, pod: PodRef) -> Observation:
        """Remember what Hubble has seen of the pod so far."""
        filters = pod_filters(pod.namespace, pod.name)
        observation = cls(source, filters, frozenset(), None)
        latest = observation._read(number=20)
        observation.known = frozenset(flow.uuid for flow in latest)
        observation.since = latest[-1].time if latest else None
        return observation

    def end(self) -> tuple[tuple[FlowRow, ...], str]:
        """The new flows, oldest first, and a note when there are none to be had. Waits for stragglers, not for long."""
        deadline = time.monotonic() + _PATIENCE
        fresh: list[Flow] = []
        while not self.note:
            found = [flow for flow in self._read(number=_MOST) if flow.uuid not in self.known]
            if found and len(found) == len(fresh):
                break
            fresh = found
            if time.monotonic() > deadline:
                break
            time.sleep(_PAUSE)
        return tuple(map(row, fresh)), self.note

    def _read(self, *, number: int) -> list[Flow]:
        from lab_helpers.hubble.protos import observer_pb2

        request = observer_pb2.GetFlowsRequest(number=number, whitelist=list(self.filters), since=self.since)
        try:
            return self.source.flows(request)
        except Exception as error:  # noqa: BLE001 - the outcome stands without its flows; the note says why
            self.note = f"No flows to show: {str(error).splitlines()[0]}"
            return []
