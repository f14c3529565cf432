"""What one node saw: its flows, agent events and debug events, and counters about them."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lab_helpers.hubble import times
from lab_helpers.hubble.protos import observer_pb2, relay_pb2
from lab_helpers.hubble.records import Record
from lab_helpers.hubble.rings import DEFAULT_CAPACITY, Ring

Clock = Callable[[], int]
_RATE_SECONDS = 60
_NAMESPACE_LIFETIME = 3600 * times.SECOND


class NodeLog:
    """The events of one node, newest last. Written and read in one event loop's thread.

    `name` is the node's name as in flows; `version` what ServerStatus reports; `clock` returns nanoseconds since 1970.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        capacity: int = DEFAULT_CAPACITY,
        version: str = "",
        agent_capacity: int = 1023,
    ) -> None:
        self.name = name
        self.version = version
        self.clock = clock
        self.started = clock()
        self.flows: Ring[Any] = Ring(capacity)  # of Record and LostEvent
        self.agent_events: Ring[Any] = Ring(agent_capacity)
        self.debug_events: Ring[Any] = Ring(agent_capacity)
        self.seen = 0
        self._per_second: deque[tuple[int, int]] = deque()
        self._namespaces: dict[tuple[str, str], int] = {}

    def add_flow(self, flow: Any) -> None:
        """Append a flow_pb2.Flow, complete with its time, node_name and Summary. The log keeps a copy."""
        record = Record(flow, compact=True)
        now = record.time
        self.flows.append(now, record)
        self.seen += 1
        second = now // times.SECOND
        if self._per_second and self._per_second[-1][0] == second:
            self._per_second[-1] = (second, self._per_second[-1][1] + 1)
        else:
            self._per_second.append((second, 1))
            while self._per_second[0][0] <= second - 2 * _RATE_SECONDS:
                self._per_second.popleft()
        if record.source_namespace:
            self._namespaces[flow.source.cluster_name, record.source_namespace] = now
        if record.destination_namespace:
            self._namespaces[flow.destination.cluster_name, record.destination_namespace] = now

    def add_agent_event(self, event: Any) -> None:
        """Append a flow_pb2.AgentEvent."""
        self.agent_events.append(self.clock(), event)

    def rate(self) -> float:
        """Flows per second over the last minute."""
        now = self.clock()
        since = now // times.SECOND - _RATE_SECONDS
        total = sum(count for second, count in self._per_second if second > since)
        uptime = (now - self.started) / times.SECOND
        return total / max(1.0, min(float(_RATE_SECONDS), uptime))

    def namespaces(self) -> set[tuple[str, str]]:
        """Cluster and name of each namespace that had a flow within the last hour."""
        limit = self.clock() - _NAMESPACE_LIFETIME
        self._namespaces = {key: seen for key, seen in self._namespaces.items() if seen >= limit}
        return set(self._namespaces)

    def status(self) -> observer_pb2.ServerStatusResponse:
        """What the agent answers to ServerStatus."""
        return observer_pb2.ServerStatusResponse(
            num_flows=len(self.flows),
            max_flows=self.flows.capacity,
            seen_flows=self.seen,
            uptime_ns=max(0, self.clock() - self.started),
            version=self.version,
            flows_rate=self.rate(),
        )


@dataclass(frozen=True, slots=True)
class RelayNode:
    """A node as the relay knows it: its log, where it listens, whether it answers, and the name in its certificate."""

    log: NodeLog
    address: str = ""
    available: bool = True
    tls_server_name: str = ""

    def message(self) -> observer_pb2.Node:
        """The node in the answer to GetNodes; an unavailable one has no figures."""
        state = relay_pb2.NODE_CONNECTED if self.available else relay_pb2.NODE_UNAVAILABLE
        node = observer_pb2.Node(name=self.log.name, address=self.address, state=state)
        node.tls.SetInParent()
        if self.tls_server_name:
            node.tls.enabled, node.tls.server_name = True, self.tls_server_name
        if self.available:
            status = self.log.status()
            node.version = status.version
            node.uptime_ns = status.uptime_ns
            node.num_flows, node.max_flows, node.seen_flows = status.num_flows, status.max_flows, status.seen_flows
        return node


def namespaces_message(logs: Iterable[NodeLog]) -> observer_pb2.GetNamespacesResponse:
    """The answer to GetNamespaces, by cluster and name."""
    names = sorted(set[tuple[str, str]]().union(*(log.namespaces() for log in logs)))
    return observer_pb2.GetNamespacesResponse(
        namespaces=[observer_pb2.Namespace(cluster=cluster, namespace=name) for cluster, name in names]
    )
