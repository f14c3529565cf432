"""Hubble: wire-compatible messages, filters, the printer, a server and a client. Used on both sides of the wire.

Messages are protobuf messages (upb), generated from our own ``.proto`` files and committed::

    from lab_helpers.hubble.protos import flow_pb2, observer_pb2, relay_pb2, peer_pb2
    from lab_helpers.hubble.protos import observer_pb2_grpc, peer_pb2_grpc  # imports grpc: only where served

    flow = flow_pb2.Flow(verdict=flow_pb2.FORWARDED, node_name="kind-worker", Type=flow_pb2.L3_L4)

``python -m lab_helpers.hubble.protos`` regenerates the stubs. Importing this package imports neither protobuf nor grpc.

What is where:

- ``protos``: schema and stubs; ``jsonpb``: messages to and from JSON as Go's protojson writes them;
- ``events``: numbers and names of the monitor (drop reasons, trace points, match types, reserved identities);
- ``summaries``: the text a server writes into ``Flow.Summary``;
- ``records``: flows as a ring keeps them; ``filters``: FlowFilter messages compiled to functions of records;
- ``masks``: field masks; ``rings``, ``selections``: the ring buffer and which of its entries a request gets;
- ``serving``: the gRPC services over rings (agent view and relay view), with grpcio;
- ``client``: asking such a server; ``calling``: the small gRPC client below it, without grpcio;
- ``printing``: compact, dict, table and JSON output; ``times``: moments as printed and read.

Upstream counterparts: Cilium ``pkg/hubble`` (filters, container, observer, relay) and ``hubble/pkg/printer``.
"""
