"""Asking a Hubble server: flows, state, nodes, namespaces, events. Synchronous, safe in a notebook's kernel.

    with HubbleClient("localhost:4245") as hubble:
        for response in hubble.flows(last=20, allow=[flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])]):
            print(response.flow.Summary)

The address is ``host:port``, ``unix:///path`` or ``tls://host:port``. There are no threads and no grpcio behind it (see
``calling``), so kernels may fork. `flows` with ``follow=True`` blocks until the next flow; give `timeout` (seconds) to
end a stream after a while: that is a normal end. Failed calls raise CallError.
"""

import os
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from lab_helpers.hubble import times
from lab_helpers.hubble.calling import Channel, Stream, Tls
from lab_helpers.hubble.errors import CallError
from lab_helpers.hubble.fields import read_fields, text_field
from lab_helpers.hubble.protos import observer_pb2, peer_pb2

DEFAULT_ADDRESS = "localhost:4245"
ALL = (1 << 64) - 1
"""`last=ALL` asks for everything in the buffer."""


class HubbleClient:
    """A connection to an agent's or a relay's Hubble server."""

    def __init__(
        self,
        address: str | None = None,
        *,
        tls: Tls | None = None,
        metadata: Iterable[tuple[str, str]] = (),
        connect_timeout: float | None = 5.0,
        channel: Channel | None = None,
    ) -> None:
        """Without `address`: HUBBLE_SERVER, else localhost:4245. A `channel` replaces all the rest."""
        if channel is not None:
            self.channel = channel
            return
        address = address or os.environ.get("HUBBLE_SERVER") or DEFAULT_ADDRESS
        if address.startswith("tls://"):
            address, tls = address.removeprefix("tls://"), tls or Tls()
        self.channel = Channel(address, tls=tls, metadata=metadata, connect_timeout=connect_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.channel.close()

    def get_flows(
        self, request: observer_pb2.GetFlowsRequest, *, timeout: float | None = None
    ) -> Stream[observer_pb2.GetFlowsResponse]:
        """Send a request as it is and return the stream of its answers."""
        return self.channel.stream(
            "observer.Observer/GetFlows",
            request.SerializeToString(),
            observer_pb2.GetFlowsResponse.FromString,
            timeout=timeout,
        )

    def flows(
        self,
        *,
        last: int = 0,
        first: int = 0,
        follow: bool = False,
        since: int | None = None,
        until: int | None = None,
        allow: Iterable[Any] = (),
        deny: Iterable[Any] = (),
        paths: Iterable[str] = (),
        timeout: float | None = None,
        everything: bool = False,
    ) -> Iterator[observer_pb2.GetFlowsResponse]:
        """Responses that carry flows; with `everything` also node states and notices of lost events.

        `since` and `until` in nanoseconds since 1970; `allow` and `deny` FlowFilter messages; `paths` a field mask.
        With nothing selected it is the last 20 flows. A `timeout` ends the stream quietly.
        """
        request = observer_pb2.GetFlowsRequest(whitelist=allow, blacklist=deny, follow=follow)
        request.number = first or last or (20 if not follow and since is None and until is None else 0)
        request.first = bool(first)
        for stamp, moment in ((request.since, since), (request.until, until)):
            if moment is not None:
                stamp.seconds, stamp.nanos = divmod(moment, times.SECOND)
        chosen = list(paths)
        if chosen:
            request.field_mask.paths.extend(chosen)
        stream = self.get_flows(request, timeout=timeout)
        try:
            for response in stream:
                if everything or response.HasField("flow"):
                    yield response
        except CallError as error:
            if timeout is None or error.code != "DeadlineExceeded":
                raise
        finally:
            stream.cancel()

    def agent_events(self, request: observer_pb2.GetAgentEventsRequest) -> Stream[observer_pb2.GetAgentEventsResponse]:
        """Agent events; a relay has none."""
        return self.channel.stream(
            "observer.Observer/GetAgentEvents",
            request.SerializeToString(),
            observer_pb2.GetAgentEventsResponse.FromString,
        )

    def debug_events(self, request: observer_pb2.GetDebugEventsRequest) -> Stream[observer_pb2.GetDebugEventsResponse]:
        """Debug events of the datapath; a relay has none."""
        return self.channel.stream(
            "observer.Observer/GetDebugEvents",
            request.SerializeToString(),
            observer_pb2.GetDebugEventsResponse.FromString,
        )

    def status(self, *, timeout: float | None = 12.0) -> observer_pb2.ServerStatusResponse:
        """Counters of the server's ring, and a relay's nodes."""
        return self.channel.unary(
            "observer.Observer/ServerStatus", b"", observer_pb2.ServerStatusResponse.FromString, timeout=timeout
        )

    def status_with_headers(
        self, *, timeout: float | None = 12.0
    ) -> tuple[observer_pb2.ServerStatusResponse, dict[bytes, bytes]]:
        """The same, and the response's headers, in which servers tell their version."""
        stream = self.channel.stream(
            "observer.Observer/ServerStatus", b"", observer_pb2.ServerStatusResponse.FromString, timeout=timeout
        )
        answers = list(stream)
        if len(answers) != 1:
            raise CallError("Internal", f"received {len(answers)} messages for a unary call")
        return answers[0], stream.headers

    def nodes(self, *, timeout: float | None = 12.0) -> list[observer_pb2.Node]:
        """The nodes behind a relay."""
        answer = self.channel.unary(
            "observer.Observer/GetNodes", b"", observer_pb2.GetNodesResponse.FromString, timeout=timeout
        )
        return list(answer.nodes)

    def namespaces(self, *, timeout: float | None = 12.0) -> list[observer_pb2.Namespace]:
        """Namespaces that had flows lately."""
        answer = self.channel.unary(
            "observer.Observer/GetNamespaces", b"", observer_pb2.GetNamespacesResponse.FromString, timeout=timeout
        )
        return list(answer.namespaces)

    def peers(self) -> Stream[peer_pb2.ChangeNotification]:
        """The agent's peers, then changes of them."""
        return self.channel.stream("peer.Peer/Notify", b"", peer_pb2.ChangeNotification.FromString)

    def health(self, *, timeout: float | None = 12.0) -> int:
        """The health service's status: 1 serving, 2 not serving."""
        request = text_field(1, "hubble.server.Observer")

        def parse(data: bytes) -> int:
            return next((value for number, value in read_fields(data) if number == 1 and isinstance(value, int)), 0)

        return self.channel.unary("grpc.health.v1.Health/Check", request, parse, timeout=timeout)
