"""Putting the services into a grpc.aio server."""

from collections.abc import Callable, Iterable
from typing import Any

from lab_helpers.hubble.protos import observer_pb2_grpc, peer_pb2_grpc
from lab_helpers.hubble.serving.health import health_handler
from lab_helpers.hubble.serving.nodelogs import Clock, NodeLog, RelayNode
from lab_helpers.hubble.serving.observing import AgentObserver, RelayObserver
from lab_helpers.hubble.serving.peers import Peer, PeerService
from lab_helpers.hubble.serving.reflection import reflection_handler
from lab_helpers.hubble.serving.refusing import refusing_handler

_observer_stubs: Any = observer_pb2_grpc  # generated without types
_peer_stubs: Any = peer_pb2_grpc

SERVER_OPTIONS: list[tuple[str, Any]] = [("grpc.so_reuseport", 0), ("grpc.max_send_message_length", -1)]
"""Options for ``grpc.aio.server(options=…)``: a port in use is an error instead of a second listener."""


def _ready() -> bool:
    return True


def add_agent(
    server: Any, log: NodeLog, *, peers: Callable[[], Iterable[Peer]], serving: Callable[[], bool] = _ready
) -> PeerService:
    """Serve one node as its agent does: Observer, Peer, Health, reflection. Returns the peer service."""
    peer_service = PeerService(peers)
    _observer_stubs.add_ObserverServicer_to_server(AgentObserver(log), server)
    _peer_stubs.add_PeerServicer_to_server(peer_service, server)
    services = ("observer.Observer", "peer.Peer")
    server.add_generic_rpc_handlers((health_handler(serving), *reflection_handler(services)))
    server.add_generic_rpc_handlers((refusing_handler(*services),))
    return peer_service


def add_relay(
    server: Any,
    nodes: Callable[[], Iterable[RelayNode]],
    *,
    name: str,
    clock: Clock,
    version: str = "",
    serving: Callable[[], bool] = _ready,
) -> RelayObserver:
    """Serve all nodes as the relay does: Observer, Health, reflection. `name` is the relay pod's.

    Returns the Observer service, to `leave` before the server stops.
    """
    observer = RelayObserver(nodes, name=name, clock=clock, version=version)
    _observer_stubs.add_ObserverServicer_to_server(observer, server)
    services = ("observer.Observer",)
    server.add_generic_rpc_handlers((health_handler(serving), *reflection_handler(services)))
    server.add_generic_rpc_handlers((refusing_handler(*services),))
    return observer
