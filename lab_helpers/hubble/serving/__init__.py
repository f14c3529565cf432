"""Hubble's gRPC services over rings, for one event loop (grpc.aio).

A `NodeLog` holds what one node saw; whoever simulates the node appends to it. `AgentObserver` serves one node as the
agent does, `RelayObserver` all nodes merged in time as the relay does::

    log = NodeLog("kind-worker", clock=clock)
    log.add_flow(flow)                       # flow_pb2.Flow with time, node_name, Summary filled in
    server = grpc.aio.server()
    add_agent(server, log, peers=lambda: [Peer("kind-worker", "172.18.0.3:4244")])
    add_relay(server, nodes=lambda: [RelayNode(log, "172.18.0.3:4244")], name="hubble-relay-0", clock=clock)
    server.add_insecure_port("127.0.0.1:0")

Both also serve ``grpc.health.v1.Health`` (service ``hubble.server.Observer``) and server reflection; the agent serves
``peer.Peer``. The clock is a function that returns nanoseconds since 1970. Importing this package imports grpc.
"""

from lab_helpers.hubble.serving.adding import SERVER_OPTIONS, add_agent, add_relay
from lab_helpers.hubble.serving.nodelogs import NodeLog, RelayNode
from lab_helpers.hubble.serving.observing import AgentObserver, RelayObserver
from lab_helpers.hubble.serving.peers import Peer, PeerService

__all__ = [
    "SERVER_OPTIONS",
    "AgentObserver",
    "NodeLog",
    "Peer",
    "PeerService",
    "RelayNode",
    "RelayObserver",
    "add_agent",
    "add_relay",
]
