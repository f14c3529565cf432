"""Events of the datapath as Hubble's Flow messages.

Follows Cilium pkg/hubble/parser (threefour, sock): which field an event of which kind carries. A message is copied
from a template kept per kind and connection, so that the thousands of flows of a busy moment stay cheap. The source
of every identity, label and name is the emitting node's own state.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.policy.decisions import Decision
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.datapath.conntrack import State
from lab_helpers.twin.datapath.ordering import FlowOrder
from lab_helpers.twin.datapath.packets import ACK, FIN, PSH, RST, SYN, Packet, summary
from lab_helpers.twin.datapath.points import SockPoint
from lab_helpers.twin.datapath.tables import Capture, Endpoint, NodeTables, PolicyName

__all__ = ["FlowMaker"]

TRACE, DROP, VERDICT, SOCK, ACCESS_LOG = 4, 1, 5, 7, 129
_SOURCE_FILES = {Direction.EGRESS: ("bpf_lxc.c", 1352), Direction.INGRESS: ("bpf_lxc.c", 2107)}
_HOST_FILE = ("bpf_host.c", 571)
_CACHE = 4096
_EMITTER = "Hubble"


class FlowMaker:
    """Makes the flows of one node and hands them to its observers."""

    def __init__(self, tables: NodeTables, clock: Clock, order: FlowOrder) -> None:
        self._tables = tables
        self._clock = clock
        self._order = order
        self._templates: dict[tuple[object, ...], flow_pb2.Flow] = {}
        self._endpoints: dict[tuple[str, int], flow_pb2.Endpoint] = {}
        self._version = (-1, -1)

    @property
    def idle(self) -> bool:
        """Nobody observes: nothing needs to be made."""
        return not self._tables.observed

    def trace(
        self,
        point: int,
        packet: Packet,
        source: int,
        destination: int,
        *,
        state: State,
        emitter: Endpoint | None,
        proxy_port: int = 0,
        interface: tuple[int, str] = (0, ""),
        source_xlated: str = "",
    ) -> None:
        """A packet passed ``point``. ``emitter`` is the endpoint whose program says so (None: the host's)."""
        self._fresh()
        key = (
            TRACE,
            point,
            packet[:5],
            packet.icmp_type,
            source,
            destination,
            state,
            emitter and emitter.id,
            proxy_port,
            source_xlated,
        )
        template = self._templates.get(key)
        if template is None:
            template = self._base(packet, source, destination)
            template.verdict = flow_pb2.FORWARDED
            template.event_type.type = TRACE
            template.event_type.sub_type = point
            template.trace_observation_point = point or flow_pb2.TO_ENDPOINT  # type: ignore[assignment]
            template.trace_reason = int(state)  # type: ignore[assignment]
            if interface[0]:
                template.interface.index, template.interface.name = interface
            if proxy_port:
                template.proxy_port = proxy_port
            if source_xlated:
                template.IP.source_xlated = source_xlated
            if state is not State.UNKNOWN:
                reply = state is State.REPLY
                template.is_reply.value = reply
                template.reply = reply
                if emitter is not None:
                    outward = (emitter.ip == packet.src) != reply
                    template.traffic_direction = flow_pb2.EGRESS if outward else flow_pb2.INGRESS
            self._keep(key, template)
        self._send(template, packet, emitter)

    def verdict(
        self,
        endpoint: Endpoint,
        direction: Direction,
        packet: Packet,
        source: int,
        destination: int,
        decision: Decision,
    ) -> None:
        """Policy of ``endpoint`` judged a packet."""
        self._fresh()
        flow = self._base(packet, source, destination)
        flow.event_type.type = VERDICT
        flow.policy_match_type = int(decision.match)
        flow.traffic_direction = flow_pb2.EGRESS if direction is Direction.EGRESS else flow_pb2.INGRESS
        if decision.audited:
            flow.verdict = flow_pb2.AUDIT
            flow.is_reply.value = False
        elif decision.allowed:
            flow.verdict = flow_pb2.REDIRECTED if decision.redirect else flow_pb2.FORWARDED
            flow.is_reply.value = False
        else:
            flow.verdict = flow_pb2.DROPPED
            flow.drop_reason = int(decision.drop_reason)
            flow.drop_reason_desc = int(decision.drop_reason)  # type: ignore[assignment]
        if decision.authentication == "required":
            flow.auth_type = flow_pb2.SPIRE
        if self._tables.settings.policy_correlation and endpoint.policy is not None:
            self._correlate(flow, direction, endpoint.policy.names(decision), allowed=decision.allowed)
            flow.policy_log.extend(decision.log)
        self._send(flow, packet, endpoint)

    def drop(self, endpoint: Endpoint | None, packet: Packet, source: int, destination: int, reason: int) -> None:
        """A packet was dropped by the program of ``endpoint`` (None: the host's)."""
        self._fresh()
        flow = self._base(packet, source, destination)
        flow.verdict = flow_pb2.DROPPED
        flow.drop_reason = reason
        flow.drop_reason_desc = reason  # type: ignore[assignment]
        flow.event_type.type, flow.event_type.sub_type = DROP, reason
        direction = Direction.EGRESS if endpoint is not None and endpoint.ip == packet.src else Direction.INGRESS
        if endpoint is not None:
            flow.traffic_direction = flow_pb2.EGRESS if direction is Direction.EGRESS else flow_pb2.INGRESS
        flow.file.name, flow.file.line = _SOURCE_FILES[direction] if endpoint is not None else _HOST_FILE
        if endpoint is not None and endpoint.ifindex:
            flow.interface.index, flow.interface.name = endpoint.ifindex, endpoint.interface
        self._send(flow, packet, endpoint)

    def translation(self, point: int, endpoint: Endpoint, protocol: Protocol, ip: str, port: int, cookie: int) -> None:
        """The socket load balancer looked at (PRE) or changed (POST) the destination of a socket of ``endpoint``."""
        self._fresh()
        flow = flow_pb2.Flow()
        flow.verdict = (
            flow_pb2.TRACED if point in (SockPoint.PRE_FORWARD, SockPoint.PRE_REVERSE) else flow_pb2.TRANSLATED
        )
        flow.IP.source, flow.IP.destination, flow.IP.ipVersion = endpoint.ip, ip, flow_pb2.IPv4
        if protocol is Protocol.TCP:
            flow.l4.TCP.destination_port = port
        else:
            flow.l4.UDP.destination_port = port
        flow.source.CopyFrom(self._endpoint(endpoint.ip, endpoint.identity))
        flow.destination.CopyFrom(self._endpoint(ip, self._tables.ipcache.lookup(ip).identity))
        self._service(flow.destination_service, ip, port, protocol)
        flow.Type = flow_pb2.SOCK
        flow.emitter.name, flow.emitter.version = _EMITTER, self._tables.agent_version
        flow.event_type.type, flow.event_type.sub_type = SOCK, point
        flow.sock_xlate_point = point  # type: ignore[assignment]
        flow.socket_cookie = cookie
        flow.cgroup_id = 4000 + endpoint.id
        self._stamp(flow)
        flow.Summary = protocol.text
        self._deliver(flow, None)

    def access(
        self,
        l7: flow_pb2.Layer7,
        packet: Packet,
        source: int,
        destination: int,
        *,
        direction: Direction,
        verdict: flow_pb2.Verdict.ValueType,
        text: str,
        proxy_port: int = 0,
    ) -> None:
        """A proxy's access-log record; ``packet`` is the request's tuple, for responses the reply's."""
        self._fresh()
        flow = self._base(packet, source, destination)
        del_ethernet(flow)
        if packet.protocol is Protocol.TCP:
            flow.l4.TCP.ClearField("flags")
        response = l7.type == flow_pb2.RESPONSE
        flow.verdict = verdict
        flow.Type = flow_pb2.L7
        flow.l7.CopyFrom(l7)
        flow.event_type.type = ACCESS_LOG
        flow.is_reply.value = response
        flow.reply = response
        flow.traffic_direction = flow_pb2.EGRESS if direction is Direction.EGRESS else flow_pb2.INGRESS
        if proxy_port:
            flow.proxy_port = proxy_port
        self._stamp(flow)
        flow.Summary = text
        self._deliver(flow, None)

    def _fresh(self) -> None:
        version = (self._tables.version, self._tables.ipcache.version)
        if version != self._version:
            self._templates.clear()
            self._endpoints.clear()
            self._version = version

    def _keep(self, key: tuple[object, ...], template: flow_pb2.Flow) -> None:
        if len(self._templates) >= _CACHE:
            self._templates.clear()
        self._templates[key] = template

    def _base(self, packet: Packet, source: int, destination: int) -> flow_pb2.Flow:
        tables = self._tables
        flow = flow_pb2.Flow()
        flow.IP.source, flow.IP.destination, flow.IP.ipVersion = packet.src, packet.dst, flow_pb2.IPv4
        if packet.protocol is Protocol.TCP:
            flow.l4.TCP.source_port, flow.l4.TCP.destination_port = packet.sport, packet.dport
        elif packet.protocol is Protocol.UDP:
            flow.l4.UDP.source_port, flow.l4.UDP.destination_port = packet.sport, packet.dport
        else:
            flow.l4.ICMPv4.type = packet.icmp_type
            flow.l4.ICMPv4.SetInParent()
        flow.source.CopyFrom(self._endpoint(packet.src, source))
        flow.destination.CopyFrom(self._endpoint(packet.dst, destination))
        local = tables.by_ip.get(packet.src)
        if local is not None:
            flow.ethernet.source, flow.ethernet.destination = local.mac, local.host_mac
            flow.destination_names.extend(tables.names(local.id, packet.dst))
        target = tables.by_ip.get(packet.dst)
        if target is not None:
            flow.ethernet.source, flow.ethernet.destination = target.host_mac, target.mac
            if local is None:
                flow.source_names.extend(tables.names(target.id, packet.src))
        flow.Type = flow_pb2.L3_L4
        flow.emitter.name, flow.emitter.version = _EMITTER, tables.agent_version
        flow.node_name = self.node_name
        flow.node_labels.extend(tables.labels)
        self._service(flow.source_service, packet.src, packet.sport, packet.protocol)
        self._service(flow.destination_service, packet.dst, packet.dport, packet.protocol)
        if not flow.source_service.name:
            flow.ClearField("source_service")
        if not flow.destination_service.name:
            flow.ClearField("destination_service")
        return flow

    @property
    def node_name(self) -> str:
        """The node as flows name it: with the cluster's name in front, unless that is the default."""
        cluster = self._tables.settings.cluster_name
        return self._tables.name if cluster == "default" else f"{cluster}/{self._tables.name}"

    def _endpoint(self, ip: str, identity: int) -> flow_pb2.Endpoint:
        found = self._endpoints.get((ip, identity))
        if found is None:
            found = self._make_endpoint(ip, identity)
            self._endpoints[ip, identity] = found
        return found

    def _make_endpoint(self, ip: str, identity: int) -> flow_pb2.Endpoint:
        tables = self._tables
        message = flow_pb2.Endpoint(identity=identity)
        local = tables.by_ip.get(ip)
        if local is not None:
            message.ID, message.namespace, message.pod_name = local.id, local.namespace, local.pod
            message.labels.extend(local.labels if local.identity == identity else tables.identity_labels(identity))
            workload = local.workload
        else:
            entry = tables.ipcache.lookup(ip)
            message.namespace, message.pod_name, workload = entry.namespace, entry.pod, entry.workload
            message.labels.extend(tables.identity_labels(identity))
        if workload is not None:
            message.workloads.add(name=workload[0], kind=workload[1])
        prefix = "k8s:io.cilium.k8s.policy.cluster="
        message.cluster_name = next((text[len(prefix) :] for text in message.labels if text.startswith(prefix)), "")
        return message

    def _service(self, message: flow_pb2.Service, ip: str, port: int, protocol: Protocol) -> None:
        services = self._tables.services
        owner = services.owner(ip, port, protocol) if services is not None else None
        if owner is not None:
            message.namespace, message.name = owner

    def _correlate(
        self, flow: flow_pb2.Flow, direction: Direction, names: Sequence[PolicyName], *, allowed: bool
    ) -> None:
        ingress = direction is Direction.INGRESS
        if allowed:
            target = flow.ingress_allowed_by if ingress else flow.egress_allowed_by
        else:
            target = flow.ingress_denied_by if ingress else flow.egress_denied_by
        for name in names:
            target.add(
                name=name.name, namespace=name.namespace, labels=name.labels, revision=name.revision, kind=name.kind
            )

    def _send(self, template: flow_pb2.Flow, packet: Packet, endpoint: Endpoint | None) -> None:
        flow = flow_pb2.Flow()
        flow.CopyFrom(template)
        flags = packet.flags
        if flags:
            tcp = flow.l4.TCP.flags
            if flags & SYN:
                tcp.SYN = True
            if flags & ACK:
                tcp.ACK = True
            if flags & PSH:
                tcp.PSH = True
            if flags & FIN:
                tcp.FIN = True
            if flags & RST:
                tcp.RST = True
        self._stamp(flow)
        flow.Summary = summary(packet.protocol, flags, packet.icmp_type)
        self._deliver(flow, Capture(packet, 0 if endpoint is None else endpoint.id))

    def _stamp(self, flow: flow_pb2.Flow) -> None:
        nanos = self._order.next(self._clock)
        flow.time.seconds, flow.time.nanos = divmod(nanos, 1_000_000_000)
        flow.uuid = str(uuid.uuid4())
        if not flow.node_name:
            flow.node_name = self.node_name
            flow.node_labels.extend(self._tables.labels)

    def _deliver(self, flow: flow_pb2.Flow, capture: Capture | None) -> None:
        for observer in self._tables.observers:
            observer(flow)
        for monitor in self._tables.monitors:
            monitor(flow, capture)


def del_ethernet(flow: flow_pb2.Flow) -> None:
    """Access-log records know no link layer."""
    flow.ClearField("ethernet")
    flow.ClearField("interface")
