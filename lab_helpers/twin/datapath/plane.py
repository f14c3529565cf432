"""One packet from a namespace to its destination: conntrack, policy, routing, and the events on the way.

Follows Cilium bpf/bpf_lxc.c (handle_ipv4_from_lxc, ipv4_policy), bpf_overlay.c and bpf_host.c, at the level of
which program sees a packet, what it decides and what it reports. ``send`` never waits: a packet is delivered,
dropped, or lost at once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from lab_helpers.policy.decisions import Decision, DropReason
from lab_helpers.policy.identities import ReservedIdentity
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.datapath.conntrack import Lookup, State
from lab_helpers.twin.datapath.namespaces import Kind, Namespace
from lab_helpers.twin.datapath.ordering import FlowOrder
from lab_helpers.twin.datapath.packets import Packet
from lab_helpers.twin.datapath.points import TracePoint
from lab_helpers.twin.datapath.proxies import Proxy, Redirection
from lab_helpers.twin.datapath.settings import Routing
from lab_helpers.twin.datapath.tables import Endpoint, IpcacheEntry, NodeTables

if TYPE_CHECKING:
    from lab_helpers.twin.datapath.flows import FlowMaker

__all__ = ["Outcome", "Plane"]

HOST = int(ReservedIdentity.HOST)
REMOTE_NODE = int(ReservedIdentity.REMOTE_NODE)
KUBE_APISERVER = int(ReservedIdentity.KUBE_APISERVER)

DROP_UNROUTABLE = 151
DROP_NO_BACKEND = 158
DROP_AUTH_REQUIRED = 189
DROP_NOT_READY = 203


class Outcome(NamedTuple):
    """``target`` got the packet; or a proxy did; or ``errno`` came back; or, with all empty, it vanished."""

    target: Namespace | None = None
    redirection: Redirection | None = None
    errno: str = ""

    @property
    def passed(self) -> bool:
        """Somebody got it."""
        return self.target is not None or self.redirection is not None


LOST = Outcome()


@dataclass(slots=True, eq=False)
class _Hop:
    """What is known when a packet leaves its source: ``emitter`` None is the host, which has no conntrack state to
    report.
    """

    tables: NodeTables
    packet: Packet
    identity: int
    state: State
    monitor: bool
    emitter: Endpoint | None


class Plane:
    """All nodes' programs, and the namespaces between which packets travel."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.tables: dict[str, NodeTables] = {}
        self.pods: dict[str, Namespace] = {}
        self.attached: dict[str, Namespace] = {}
        """Pods by uid; ``pods`` has them by address."""
        self.nodes: dict[str, Namespace] = {}
        self.outside: dict[str, Namespace] = {}
        self.proxies: dict[str, Callable[[NodeTables], Proxy | None]] = {}
        """By parser (``http``, ``dns`` …): the proxy of a node."""
        self.translated: dict[tuple[str, int, str, int], int] = {}
        """Connections about to open whose destination a pod's tc program translates: → the frontend's number."""
        self._makers: dict[str, FlowMaker] = {}
        self._order = FlowOrder()

    def add_node(self, tables: NodeTables) -> None:
        """A node joins (once)."""
        self.tables[tables.name] = tables
        self.nodes[tables.name] = Namespace(Kind.NODE, tables.ip, tables.name)

    def flows(self, node: str) -> FlowMaker:
        """Who makes the flows of a node (Hubble's messages are imported when the first one is made)."""
        maker = self._makers.get(node)
        if maker is None:
            from lab_helpers.twin.datapath.flows import FlowMaker

            maker = self._makers[node] = FlowMaker(self.tables[node], self.clock, self._order)
        return maker

    def node_of(self, ip: str) -> NodeTables | None:
        """The node that has ``ip`` as its own (InternalIP or Cilium's internal address)."""
        return next((tables for tables in self.tables.values() if ip in (tables.ip, tables.router_ip)), None)

    def send(self, packet: Packet, source: Namespace, *, proxied: bool = False) -> Outcome:
        """``proxied``: the packet comes from the proxy of ``source``'s node, in the name of the pod ``packet.src``."""
        if source.gone:
            return LOST
        if source.kind is Kind.OUTSIDE:
            return self._from_outside(packet)
        tables = self.tables[source.node]
        if source.kind is Kind.NODE:
            return self._route(_Hop(tables, packet, HOST, State.UNKNOWN, True, None))
        endpoint = tables.by_ip.get(packet.src)
        if endpoint is None:
            return LOST
        if proxied:
            tables.conntrack.lookup(packet, Direction.EGRESS, counting=endpoint.options.conntrack_accounting)
            return self._route(_Hop(tables, packet, endpoint.identity, State.UNKNOWN, True, None))
        return self._leave(tables, endpoint, packet)

    def answer(self, redirection: Redirection, packet: Packet) -> Outcome:
        """A packet that the proxy of a redirected connection sends to the client, in the name of the destination."""
        if redirection.direction is Direction.EGRESS:
            return self._enter(redirection.tables, packet, redirection.destination)
        pod = self.pods.get(packet.src)
        return LOST if pod is None else self.send(packet, pod, proxied=True)

    def _leave(self, tables: NodeTables, endpoint: Endpoint, packet: Packet) -> Outcome:
        """The program at the pod's interface, for packets it sends."""
        peer = tables.ipcache.lookup(packet.dst).identity
        options = endpoint.options
        if options.aggregation.received and options.traces and tables.observed:
            self.flows(tables.name).trace(
                TracePoint.FROM_ENDPOINT, packet, endpoint.identity, peer, state=State.UNKNOWN, emitter=endpoint
            )
        found = tables.conntrack.lookup(packet, Direction.EGRESS, counting=options.conntrack_accounting)
        judged = self._judge(tables, endpoint, Direction.EGRESS, packet, found, peer)
        if isinstance(judged, Outcome):
            return judged
        monitor = found.monitor or options.aggregation.everything
        return self._route(_Hop(tables, packet, endpoint.identity, found.state, monitor, endpoint))

    def _enter(self, tables: NodeTables, packet: Packet, identity: int) -> Outcome:
        """The program at the pod's interface, for packets it gets. ``identity`` is the source's."""
        endpoint = tables.by_ip.get(packet.dst)
        if endpoint is None or not tables.loaded:
            return LOST
        target = self.pods.get(packet.dst)
        if target is None:
            return LOST
        if (packet.dst, packet.dport) in tables.proxy_sockets:
            return Outcome(target)
        options = endpoint.options
        found = tables.conntrack.lookup(packet, Direction.INGRESS, counting=options.conntrack_accounting)
        judged = self._judge(tables, endpoint, Direction.INGRESS, packet, found, identity)
        if isinstance(judged, Outcome):
            return judged
        if (found.monitor or options.aggregation.everything) and options.traces and tables.observed:
            xlated = ""
            if found.entry is not None and found.entry.reverse_nat and found.state is State.REPLY:
                xlated = self._frontend_ip(tables, found.entry.reverse_nat)
            self.flows(tables.name).trace(
                TracePoint.TO_ENDPOINT,
                packet,
                identity,
                endpoint.identity,
                state=found.state,
                emitter=endpoint,
                interface=(endpoint.ifindex, endpoint.interface),
                source_xlated=xlated,
            )
        tables.count_forward(Direction.INGRESS.name, TracePoint.TO_ENDPOINT, packet)
        return Outcome(target)

    def _judge(
        self, tables: NodeTables, endpoint: Endpoint, direction: Direction, packet: Packet, found: Lookup, peer: int
    ) -> Outcome | None:
        """Policy of one endpoint. None: go on. Established connections are judged again, replies are not."""
        if found.state in (State.REPLY, State.RELATED):
            return None
        egress = direction is Direction.EGRESS
        source, destination = (endpoint.identity, peer) if egress else (peer, endpoint.identity)
        if endpoint.policy is None:
            return self._drop(tables, endpoint, packet, source, destination, DROP_NOT_READY, direction)
        decision = endpoint.policy.decide(direction, peer, packet.protocol, packet.policy_port)
        new = found.state is not State.ESTABLISHED
        options = endpoint.options
        if options.policy_accounting:
            tables.count_policy(endpoint.id, direction, peer, packet)
        reason = int(decision.drop_reason) if not decision.allowed and not decision.audited else 0
        if not reason and decision.authentication and decision.authentication != "disabled":
            reason = DROP_AUTH_REQUIRED
        if (new or reason) and decision.enforced and options.verdicts and tables.observed:
            self.flows(tables.name).verdict(endpoint, direction, packet, source, destination, _denied(decision, reason))
        if reason:
            outcome = self._drop(tables, endpoint, packet, source, destination, reason, direction)
            return Outcome(errno="EHOSTUNREACH") if egress and tables.settings.deny_response_icmp else outcome
        redirect = decision.redirect if decision.allowed else None
        if new:
            number = self.translated.pop((packet.src, packet.sport, packet.dst, packet.dport), 0) if egress else 0
            tables.conntrack.create(
                packet,
                direction,
                identity=source,
                redirect=redirect is not None,
                reverse_nat=number,
                counting=options.conntrack_accounting,
            )
        elif found.entry is not None:
            found.entry.proxy_redirect = redirect is not None
        if redirect is None:
            return None
        port = tables.proxy_port(redirect.parser.value, direction)
        if (found.monitor or options.aggregation.everything) and options.traces and tables.observed:
            self.flows(tables.name).trace(
                TracePoint.TO_PROXY, packet, source, destination, state=found.state, emitter=endpoint, proxy_port=port
            )
        return Outcome(None, Redirection(direction, tables, endpoint, packet, source, destination, decision))

    def _drop(
        self,
        tables: NodeTables,
        endpoint: Endpoint | None,
        packet: Packet,
        source: int,
        destination: int,
        reason: int,
        direction: Direction,
    ) -> Outcome:
        tables.count_drop(reason, direction.name, packet)
        options = tables.settings.options if endpoint is None else endpoint.options
        if options.drops and tables.observed:
            self.flows(tables.name).drop(endpoint, packet, source, destination, reason)
        return LOST

    def drop_without_backend(self, packet: Packet, source: Namespace) -> None:
        """The tc load balancer found no backend for a packet of a pod."""
        tables = self.tables[source.node]
        endpoint = tables.by_ip.get(packet.src)
        if endpoint is not None:
            peer = tables.ipcache.lookup(packet.dst).identity
            self._drop(tables, endpoint, packet, endpoint.identity, peer, DROP_NO_BACKEND, Direction.EGRESS)

    def _route(self, hop: _Hop) -> Outcome:
        """From the source's node onwards."""
        tables, packet = hop.tables, hop.packet
        if packet.dst in tables.by_ip:
            if hop.emitter is not None:
                tables.count_forward(Direction.EGRESS.name, TracePoint.FROM_ENDPOINT, packet)
            return self._enter(tables, packet, hop.identity)
        node = self.node_of(packet.dst)
        entry = tables.ipcache.lookup(packet.dst)
        if node is not None:
            self._trace_out(
                hop, entry.identity, TracePoint.TO_NETWORK if _host_routing(tables, node) else TracePoint.TO_STACK
            )
            return Outcome(self.nodes[node.name])
        if entry.tunnel:
            return self._to_node(hop, entry)
        if not tables.loaded and packet.dst not in self.outside:
            return LOST
        bpf = tables.settings.bpf_masquerade
        self._trace_out(hop, entry.identity, TracePoint.TO_NETWORK if bpf else TracePoint.TO_STACK)
        if tables.loaded and _within(packet.dst, tables.settings.pool):
            return self._drop(tables, None, packet, hop.identity, entry.identity, DROP_UNROUTABLE, Direction.EGRESS)
        target = self.outside.get(packet.dst)
        return LOST if target is None else Outcome(target)

    def _to_node(self, hop: _Hop, entry: IpcacheEntry) -> Outcome:
        tables, packet = hop.tables, hop.packet
        remote = next((other for other in self.tables.values() if other.ip == entry.tunnel), None)
        if remote is None:
            return LOST
        native = tables.settings.routing is Routing.NATIVE
        if hop.identity == HOST and packet.src == tables.ip:
            # the answer of a host's socket to a pod: masquerading undone, plain network
            return self._enter(remote, packet, remote.ipcache.lookup(packet.src).identity)
        point = TracePoint.TO_OVERLAY
        if native:
            point = TracePoint.TO_NETWORK if tables.settings.bpf_masquerade else TracePoint.TO_STACK
        self._trace_out(hop, entry.identity, point)
        self._trace_in(remote, packet, hop.identity, TracePoint.FROM_NETWORK if native else TracePoint.FROM_OVERLAY)
        carried = hop.identity
        if carried == HOST:
            carried = KUBE_APISERVER if tables.apiserver else REMOTE_NODE
        elif native:
            carried = remote.ipcache.lookup(packet.src).identity
        return self._enter(remote, packet, carried)

    def _trace_out(self, hop: _Hop, destination: int, point: int) -> None:
        """Report a packet that leaves the node's programs. Host traffic is reported only when it enters the overlay."""
        tables = hop.tables
        if not tables.loaded:
            return
        if hop.identity == HOST and hop.emitter is None and point != TracePoint.TO_OVERLAY:
            return
        tables.count_forward(Direction.EGRESS.name, point, hop.packet)
        options = tables.settings.options if hop.emitter is None else hop.emitter.options
        if not hop.monitor or not options.traces or not tables.observed:
            return
        self.flows(tables.name).trace(
            point, hop.packet, hop.identity, destination, state=hop.state, emitter=hop.emitter
        )

    def _trace_in(self, tables: NodeTables, packet: Packet, source: int, point: int) -> None:
        """Report a packet that comes to a node; by default nobody wants to know."""
        options = tables.settings.options
        if options.aggregation.received and options.traces and tables.loaded and tables.observed:
            peer = tables.ipcache.lookup(packet.dst).identity
            self.flows(tables.name).trace(point, packet, source, peer, state=State.UNKNOWN, emitter=None)

    def _from_outside(self, packet: Packet) -> Outcome:
        node = self.node_of(packet.dst)
        if node is not None:
            return Outcome(self.nodes[node.name])
        pod = self.pods.get(packet.dst)
        if pod is not None:
            tables = self.tables[pod.node]
            identity = tables.ipcache.lookup(packet.src).identity
            self._trace_in(tables, packet, identity, TracePoint.FROM_NETWORK)
            return self._enter(tables, packet, identity)
        target = self.outside.get(packet.dst)
        return LOST if target is None else Outcome(target)

    @staticmethod
    def _frontend_ip(tables: NodeTables, number: int) -> str:
        services = tables.services
        if services is None:
            return ""
        return next((frontend.key.ip for frontend in services if frontend.id == number), "")


def _denied(decision: Decision, reason: int) -> Decision:
    if not reason or int(decision.drop_reason) == reason:
        return decision
    return replace(decision, allowed=False, drop_reason=DropReason(reason), redirect=None)


def _host_routing(tables: NodeTables, node: NodeTables) -> bool:
    return tables.settings.bpf_masquerade and node is not tables


def _within(ip: str, pool: str) -> bool:
    return ipaddress.IPv4Address(ip) in ipaddress.IPv4Network(pool, strict=False)
