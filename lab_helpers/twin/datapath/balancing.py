"""From a service address to a backend: the socket load balancer, or the one in the pod's tc program.

Follows Cilium bpf/bpf_sock.c and bpf/lib/lb.h. The socket load balancer acts once, when a socket connects (or sends
its first datagram), in pods and on nodes; without it, pods still get ClusterIP translation per packet, and nodes
get none.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from lab_helpers.policy.protocols import Protocol
from lab_helpers.twin.datapath.namespaces import Kind, Namespace
from lab_helpers.twin.datapath.netfilter import Hook
from lab_helpers.twin.datapath.netfilter import Packet as FirstPacket
from lab_helpers.twin.datapath.packets import SYN, Packet
from lab_helpers.twin.datapath.plane import Plane
from lab_helpers.twin.datapath.points import SockPoint
from lab_helpers.twin.datapath.services import Backend, Frontend, FrontendType
from lab_helpers.twin.interfaces import ConnectionFailed

__all__ = ["Translation", "translate", "translate_back"]


class Translation(NamedTuple):
    """Where to go really. ``frontend`` None: the address was no service. ``via``: the node that does it for an
    outside client.

    ``lost``: packets to this address go nowhere.
    """

    ip: str
    port: int
    frontend: Frontend | None = None
    backend: Backend | None = None
    via: str = ""
    lost: bool = False


def translate(plane: Plane, source: Namespace, ip: str, port: int, protocol: Protocol) -> Translation:
    """Translate the destination of a new connection. Raises ConnectionFailed(EHOSTUNREACH) when the socket load
    balancer has no backend, and ConnectionFailed(ECONNREFUSED) when a node's iptables reject it.
    """
    by_cilium = _by_cilium(plane, source, ip, port, protocol)
    return by_cilium if by_cilium.via else _by_iptables(plane, source, by_cilium, protocol)


def _by_iptables(plane: Plane, source: Namespace, to: Translation, protocol: Protocol) -> Translation:
    """What the iptables of the sender's node, then of the node that has the address, make of the first packet."""
    for name in dict.fromkeys((source.node, getattr(plane.node_of(to.ip), "name", ""))):
        tables = plane.tables.get(name)
        if tables is None or tables.netfilter.empty:
            continue
        hook = Hook.OUTPUT if source.kind is Kind.NODE and source.node == name else Hook.PREROUTING
        packet = FirstPacket(protocol.name.lower(), source.ip, to.ip, to.port, to.ip in (tables.ip, tables.router_ip))
        verdict = tables.netfilter.judge(hook, packet)
        if verdict.rejected:
            raise ConnectionFailed("ECONNREFUSED", "Connection refused")
        if (verdict.ip, verdict.port) != (to.ip, to.port):
            via = name if source.kind is Kind.OUTSIDE else ""
            return Translation(verdict.ip, verdict.port, via=via)
    return to


def _by_cilium(plane: Plane, source: Namespace, ip: str, port: int, protocol: Protocol) -> Translation:
    if source.kind is Kind.OUTSIDE:
        return _from_outside(plane, source, ip, port, protocol)
    tables = plane.tables[source.node]
    services = tables.services
    if not tables.loaded or services is None:
        return Translation(ip, port)
    settings = tables.settings
    in_pod = source.kind is Kind.POD
    frontend = services.find(ip, port, protocol, node_ip=plane.node_of(ip) is not None)
    if frontend is None or (frontend.node and plane.node_of(ip) is not plane.tables.get(frontend.node)):
        return Translation(ip, port)
    by_socket = settings.socket_lb and not (in_pod and settings.socket_lb_host_only)
    if not by_socket and (not in_pod or frontend.type is not FrontendType.CLUSTER_IP):
        return Translation(ip, port)
    backend = services.select(frontend, source.ip, plane.clock.monotonic(), node=source.node)
    if by_socket:
        if backend is None:
            raise ConnectionFailed("EHOSTUNREACH", "No route to host")
        _report(plane, source, protocol, SockPoint.PRE_FORWARD, ip, port)
        _report(plane, source, protocol, SockPoint.POST_FORWARD, backend.ip, backend.port)
        return Translation(backend.ip, backend.port, frontend, backend)
    if backend is None:
        flags = SYN if protocol is Protocol.TCP else 0
        plane.drop_without_backend(Packet(protocol, source.ip, source.ephemeral(), ip, port, flags), source)
        return Translation(ip, port, frontend, lost=True)
    return Translation(backend.ip, backend.port, frontend, backend)


def translate_back(plane: Plane, source: Namespace, translation: Translation, protocol: Protocol) -> None:
    """A datagram's answer passes the socket load balancer on its way to the program, which sees the service's address
    again.
    """
    frontend, backend = translation.frontend, translation.backend
    if frontend is None or backend is None or source.kind is not Kind.POD:
        return
    if not plane.tables[source.node].settings.socket_lb:
        return
    _report(plane, source, protocol, SockPoint.PRE_REVERSE, backend.ip, backend.port)
    ip = source.ip if frontend.key.ip == "*" else frontend.key.ip
    _report(plane, source, protocol, SockPoint.POST_REVERSE, ip, frontend.key.port)


def _report(plane: Plane, source: Namespace, protocol: Protocol, point: int, ip: str, port: int) -> None:
    tables = plane.tables[source.node]
    endpoint = tables.by_ip.get(source.ip) if source.kind is Kind.POD else None
    if endpoint is not None and tables.settings.trace_sockets and tables.observed:
        cookie = random.getrandbits(20)
        plane.flows(source.node).translation(point, endpoint, protocol, ip, port, cookie)


def _from_outside(plane: Plane, source: Namespace, ip: str, port: int, protocol: Protocol) -> Translation:
    """NodePort, external and load balancer addresses, host ports: done by the node that gets the packet."""
    node = plane.node_of(ip)
    holders = [node] if node is not None else [tables for tables in plane.tables.values() if tables.loaded]
    for tables in holders:
        if not tables.loaded or tables.services is None or not tables.settings.kube_proxy_replacement:
            continue
        frontend = tables.services.find(ip, port, protocol, node_ip=node is not None)
        if frontend is None or frontend.type is FrontendType.CLUSTER_IP:
            continue
        if frontend.node and frontend.node != tables.name:
            continue
        now = plane.clock.monotonic()
        backend = tables.services.select(frontend, source.ip, now, node=tables.name, external=True)
        if backend is None:
            return Translation(ip, port, frontend, lost=True)
        return Translation(backend.ip, backend.port, frontend, backend, via=tables.name)
    return Translation(ip, port, lost=node is None and ip not in plane.outside)
