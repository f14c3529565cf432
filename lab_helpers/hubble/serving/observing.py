"""The Observer service: of one node (agent) and of all nodes (relay)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc

from lab_helpers.hubble import times
from lab_helpers.hubble.errors import FilterError, MaskError, RequestError
from lab_helpers.hubble.filters import compile_filters
from lab_helpers.hubble.masks import compile_mask
from lab_helpers.hubble.protos import flow_pb2, observer_pb2, observer_pb2_grpc, relay_pb2
from lab_helpers.hubble.records import Record
from lab_helpers.hubble.rings import Ring
from lab_helpers.hubble.selections import Selection
from lab_helpers.hubble.serving.nodelogs import Clock, NodeLog, RelayNode, namespaces_message
from lab_helpers.hubble.serving.streaming import Source, never_lost, stream

Context = grpc.aio.ServicerContext[Any, Any]


def _stamp(message: Any, moment: int) -> None:
    message.time.seconds, message.time.nanos = divmod(moment, times.SECOND)


def flow_response(flow: Any) -> observer_pb2.GetFlowsResponse:
    """A response around a flow; time and node name are those of the (masked) flow."""
    response = observer_pb2.GetFlowsResponse(flow=flow, node_name=flow.node_name)
    if flow.HasField("time"):
        response.time.CopyFrom(flow.time)
    return response


def lost_response(lost: Any, node_name: str, moment: int) -> observer_pb2.GetFlowsResponse:
    """A response around a notice of lost events."""
    response = observer_pb2.GetFlowsResponse(lost_events=lost, node_name=node_name)
    _stamp(response, moment)
    return response


def status_response(state: int, names: list[str], relay: str, moment: int) -> observer_pb2.GetFlowsResponse:
    """A response that says which nodes changed their state."""
    event = relay_pb2.NodeStatusEvent(state_change=state, node_names=names)  # type: ignore[arg-type]
    response = observer_pb2.GetFlowsResponse(node_status=event, node_name=relay)
    _stamp(response, moment)
    return response


def everything(_event: Any) -> bool:
    """Matches every event."""
    return True


async def _checked(request: Any, context: Context) -> tuple[Selection, Callable[[Any], bool], Callable[[Any], Any]]:
    """Selection, filter and mask of a GetFlowsRequest; ends the call with Hubble's status when one is wrong."""
    try:
        selection = Selection.of(request)
        matches: Callable[[Any], bool] = everything
        if request.whitelist or request.blacklist:
            matches = compile_filters(request.whitelist, request.blacklist)
        masked = compile_mask(request.field_mask.paths) if request.field_mask.paths else _whole
    except RequestError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except (FilterError, MaskError) as error:
        await context.abort(grpc.StatusCode.UNKNOWN, str(error))
    return selection, matches, masked


def _whole(flow: Any) -> Any:
    return flow


async def _unimplemented(method: str, context: Context) -> AsyncIterator[Any]:
    """A stream that ends at once with the status a server gives for what it does not have."""
    for _ in ():
        yield
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method} not implemented")


class _LeftError(Exception):
    """The relay goes while one of its streams looks for flows."""


class AgentObserver(observer_pb2_grpc.ObserverServicer):
    """The Observer service of one node."""

    def __init__(self, log: NodeLog) -> None:
        self._log = log

    async def GetFlows(self, request: Any, context: Context) -> AsyncIterator[Any]:
        """Flows and notices of lost events."""
        selection, matches, masked = await _checked(request, context)
        log = self._log
        async for name, moment, event in stream(lambda: [Source(log.name, log.flows)], selection, matches):
            if isinstance(event, flow_pb2.LostEvent):
                yield lost_response(event, name, moment)
            else:
                yield flow_response(masked(event.flow))

    async def GetAgentEvents(self, request: Any, context: Context) -> AsyncIterator[Any]:
        """Agent events."""
        async for name, moment, event in self._events(request, context, self._log.agent_events):
            response = observer_pb2.GetAgentEventsResponse(agent_event=event, node_name=name)
            _stamp(response, moment)
            yield response

    async def GetDebugEvents(self, request: Any, context: Context) -> AsyncIterator[Any]:
        """Debug events."""
        async for name, moment, event in self._events(request, context, self._log.debug_events):
            response = observer_pb2.GetDebugEventsResponse(debug_event=event, node_name=name)
            _stamp(response, moment)
            yield response

    async def GetNodes(self, _request: Any, context: Context) -> Any:
        """Only a relay knows nodes."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "GetNodes not implemented")

    async def GetNamespaces(self, _request: Any, _context: Context) -> Any:
        """Namespaces of the last hour."""
        return namespaces_message([self._log])

    async def ServerStatus(self, _request: Any, _context: Context) -> Any:
        """Counters of the ring."""
        return self._log.status()

    async def _events(self, request: Any, context: Context, ring: Ring[Any]) -> AsyncIterator[tuple[str, int, Any]]:
        selection = await self._selection(request, context)
        sources = [Source(self._log.name, ring)]
        async for found in stream(lambda: sources, selection, everything, never_lost):
            yield found

    async def _selection(self, request: Any, context: Context) -> Selection:
        try:
            return Selection.of(request)
        except RequestError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise


class RelayObserver(observer_pb2_grpc.ObserverServicer):
    """The Observer service of all nodes. `nodes` is asked anew for every request and on every wake-up of a stream."""

    def __init__(self, nodes: Callable[[], Iterable[RelayNode]], *, name: str, clock: Clock, version: str = "") -> None:
        self._nodes = nodes
        self._name = name
        self._clock = clock
        self._version = version
        self._wakes: set[asyncio.Event] = set()
        self._left = False

    def leave(self) -> None:
        """End the streams as a relay's exit does: their clients find the connection closed.

        Each ends where it next looks for flows. Cancelling its task would not do: when that happens amid gRPC's own
        sending, no status reaches the client.
        """
        self._left = True
        for wake in self._wakes:
            wake.set()

    async def GetFlows(self, request: Any, context: Context) -> AsyncIterator[Any]:
        """First which nodes answer and which do not, then their flows merged in time."""
        wake = asyncio.Event()
        self._wakes.add(wake)
        try:
            async for response in self._flows(request, context, wake):
                yield response
        except _LeftError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "error reading from server: EOF")
        finally:
            self._wakes.discard(wake)

    async def _flows(self, request: Any, context: Context, wake: asyncio.Event) -> AsyncIterator[Any]:
        selection, matches, masked = await _checked(request, context)
        nodes = list(self._nodes())
        for state, available in ((relay_pb2.NODE_CONNECTED, True), (relay_pb2.NODE_UNAVAILABLE, False)):
            names = sorted(node.log.name for node in nodes if node.available is available)
            if names:
                yield status_response(state, names, self._name, self._clock())
        async for name, moment, event in stream(self._sources, selection, matches, joined=self._joined, wake=wake):
            if isinstance(event, Record):
                yield flow_response(masked(event.flow))
            elif isinstance(event, flow_pb2.LostEvent):
                yield lost_response(event, name, moment)
            else:
                yield event

    async def GetNodes(self, _request: Any, _context: Context) -> Any:
        """The nodes."""
        return observer_pb2.GetNodesResponse(nodes=[node.message() for node in self._nodes()])

    async def GetNamespaces(self, _request: Any, _context: Context) -> Any:
        """Namespaces of the last hour on any node."""
        return namespaces_message(node.log for node in self._nodes() if node.available)

    async def ServerStatus(self, _request: Any, _context: Context) -> Any:
        """Sums over the nodes that answer, and who does not."""
        nodes = list(self._nodes())
        missing = sorted(node.log.name for node in nodes if not node.available)
        response = observer_pb2.ServerStatusResponse(version=self._version)
        for node in nodes:
            if node.available:
                status = node.log.status()
                response.num_flows += status.num_flows
                response.max_flows += status.max_flows
                response.seen_flows += status.seen_flows
                response.flows_rate += status.flows_rate
                response.uptime_ns = max(response.uptime_ns, status.uptime_ns)
        response.num_connected_nodes.value = len(nodes) - len(missing)
        response.num_unavailable_nodes.value = len(missing)
        response.unavailable_nodes.extend(missing[:10])
        return response

    def _sources(self) -> list[Source]:
        if self._left:
            raise _LeftError
        return [Source(node.log.name, node.log.flows) for node in self._nodes() if node.available]

    def _joined(self, names: list[str]) -> Any:
        return status_response(relay_pb2.NODE_CONNECTED, names, self._name, self._clock())

    async def GetAgentEvents(self, _request: Any, context: Context) -> AsyncIterator[Any]:
        """A relay has none."""
        async for response in _unimplemented("GetAgentEvents", context):
            yield response

    async def GetDebugEvents(self, _request: Any, context: Context) -> AsyncIterator[Any]:
        """A relay has none."""
        async for response in _unimplemented("GetDebugEvents", context):
            yield response
