"""The printer: one method per kind of response, in every form of output."""

from collections.abc import Callable, Sequence
from typing import Any, TextIO

from lab_helpers.hubble import times
from lab_helpers.hubble.errors import HubbleError
from lab_helpers.hubble.printing import details, parts
from lab_helpers.hubble.printing.coloring import harmless
from lab_helpers.hubble.printing.options import Options, Output
from lab_helpers.hubble.printing.tabwriter import TabWriter
from lab_helpers.hubble.protos import relay_pb2

_SEPARATOR = "------------"
_STATES = relay_pb2.NodeState.DESCRIPTOR.values_by_number
_QUIET_STATES = (relay_pb2.NODE_CONNECTED, relay_pb2.NODE_GONE, relay_pb2.UNKNOWN_NODE_STATE)


def _json(message: Any) -> str:
    from lab_helpers.hubble.jsonwriting import dumps  # text output does not need it

    return dumps(message)


class Printer:
    """Writes responses to `out` and node states to `err`. Call `close` at the end: tables are laid out only then.

    `go_quote` quotes messages as Go does (``%q``); the caller brings it because quoting belongs to the command line.
    """

    def __init__(
        self, options: Options, out: TextIO, err: TextIO | None = None, go_quote: Callable[[str], str] = repr
    ) -> None:
        self.options = options
        self._out = out
        self._err = err
        self._quote = go_quote
        self._table = TabWriter(minimum=2, padding=3) if options.output is Output.TABLE else None
        self._rows = 0

    def close(self) -> None:
        """Write what is held back."""
        if self._table:
            self._out.write(self._table.flush())

    def response(self, response: Any) -> None:
        """Print a GetFlowsResponse of any kind; one without content prints nothing."""
        content = response.WhichOneof("response_types")
        if content == "flow":
            self.flow(response)
        elif content == "lost_events":
            self.lost(response)
        elif content == "node_status":
            self.node_status(response)

    def flow(self, response: Any) -> None:
        """Print a response that carries a flow."""
        options, output, flow = self.options, self.options.output, response.flow
        if output is Output.JSON:
            self._out.write(_json(response) + "\n")
            return
        if output is Output.LEGACY_JSON:
            self._out.write(_json(flow) + "\n")
            return
        source, destination = parts.hosts(flow, options)
        kind, verdict, summary = parts.kind(flow), parts.verdict(flow, options), parts.summary(flow, options)
        time = times.format_stamp(flow.time, options.layout) if flow.HasField("time") else "N/A"
        if output is Output.COMPACT:
            source_id = parts.identity(flow.source.identity, options.color)
            destination_id = parts.identity(flow.destination.identity, options.color)
            arrow = "<>"
            if flow.HasField("is_reply"):
                arrow = "->"
                if flow.is_reply.value:
                    source, destination, arrow = destination, source, "<-"
                    source_id, destination_id = destination_id, source_id
            node = f" [{flow.node_name}]" if options.node_names else ""
            who = f"{source} {source_id} {arrow} {destination} {destination_id}"
            self._out.write(harmless(f"{time}{node}: {who} {kind} {verdict} ({summary})\n", color=options.color))
        else:
            self._fields(
                ("TIMESTAMP", "NODE", "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY"),
                (time, flow.node_name, source, destination, kind, verdict, summary),
            )

    def lost(self, response: Any) -> None:
        """Print a notice of lost events."""
        options, output, lost = self.options, self.options.output, response.lost_events
        if output is Output.JSON:
            self._out.write(_json(response) + "\n")
            return
        if output is Output.LEGACY_JSON:
            self._out.write(_json(lost) + "\n")
            return
        time = self._time(response)
        source, count, cpu = details.lost_source(lost), details.lost_count(lost, options.layout), lost.cpu.value
        if output is Output.COMPACT:
            self._out.write(harmless(f"{time} EVENTS LOST: {source} CPU({cpu}) {count}\n", color=options.color))
        elif output is Output.DICT:
            self._fields(
                ("TIMESTAMP", "NODE", "SOURCE", "TYPE", "VERDICT", "SUMMARY"),
                (time, response.node_name or "-", source, "EVENTS LOST", "-", f"CPU({cpu}) - {count}"),
            )
        else:
            self._fields(
                ("TIMESTAMP", "NODE", "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY"),
                (time, response.node_name or "-", source, "-", "EVENTS LOST", "-", f"CPU({cpu}) - {count}"),
            )

    def _time(self, response: Any) -> str:
        return times.format_stamp(response.time, self.options.layout) if response.HasField("time") else "N/A"

    def _printed_as_json(self, response: Any, event: Any) -> bool:
        """Print the response, or of older formats the event, where the output is JSON."""
        if self.options.output not in (Output.JSON, Output.LEGACY_JSON):
            return False
        self._out.write(_json(response if self.options.output is Output.JSON else event) + "\n")
        return True

    def agent_event(self, response: Any) -> None:
        """Print a GetAgentEventsResponse."""
        options, output = self.options, self.options.output
        if not response.HasField("agent_event"):
            raise HubbleError("not an agent event")
        event = response.agent_event
        if self._printed_as_json(response, event):
            return
        time = self._time(response)
        kind, detail = details.agent_type(event), details.agent_details(event, options.layout)
        if output is Output.COMPACT:
            node = f" [{response.node_name}]" if options.node_names else ""
            self._out.write(harmless(f"{time}{node}: {kind} ({detail})\n", color=options.color))
        else:
            self._fields(
                ("TIMESTAMP", "NODE", "TYPE", "DETAILS"), (time, response.node_name, kind, detail), joined=True
            )

    def debug_event(self, response: Any) -> None:
        """Print a GetDebugEventsResponse."""
        options, output = self.options, self.options.output
        if not response.HasField("debug_event"):
            raise HubbleError("not a debug event")
        event = response.debug_event
        if self._printed_as_json(response, event):
            return
        time = self._time(response)
        kind, source = details.debug_type(event), details.debug_source(event)
        mark, cpu = details.debug_mark(event), details.debug_cpu(event)
        if output is Output.COMPACT:
            node = f" [{response.node_name}]" if options.node_names else ""
            line = f"{time}{node}: {source} {kind} MARK: {mark} CPU: {cpu} ({event.message})\n"
            self._out.write(harmless(line, color=options.color))
        elif output is Output.DICT:
            self._fields(
                ("TIMESTAMP", "NODE", "TYPE", "FROM", "MARK", "CPU", "MESSAGE"),
                (time, response.node_name, kind, source, mark, cpu, event.message),
                joined=True,
            )
        else:
            self._fields(
                ("TIMESTAMP", "NODE", "FROM", "", "TYPE", "CPU/MARK", "MESSAGE"),
                (time, response.node_name, source, "", kind, f"{cpu} {mark}", event.message),
            )

    def node_status(self, response: Any) -> None:
        """Print a change of nodes' states to `err`; without `debug` only errors and unavailable nodes."""
        status = response.node_status
        options, output = self.options, self.options.output
        if self._err is None or (status.state_change in _QUIET_STATES and not options.debug):
            return
        if output is Output.LEGACY_JSON:
            return
        if output is Output.JSON:
            self._err.write(_json(response) + "\n")
            return
        time = self._time(response)
        names = list(status.node_names)
        if output is Output.DICT:
            message = self._quote(status.message) if status.message else "N/A"
            block = self._block(
                ("TIMESTAMP", "STATE", "NODES", "MESSAGE"),
                (time, parts.enum_name(_STATES, status.state_change), details.shortened(names), message),
            )
            head = _SEPARATOR + "\n" if self._rows else ""
            self._rows += 1
            self._err.write(harmless(head + block, color=False))
            return
        shown, count = details.shortened(names), len(names)
        match status.state_change:
            case relay_pb2.NODE_CONNECTED:
                text = f"Receiving flows from {count} nodes: {shown}"
            case relay_pb2.NODE_UNAVAILABLE:
                text = f"{count} nodes are unavailable: {shown}"
            case relay_pb2.NODE_GONE:
                text = f"{count} nodes removed from cluster: {shown}"
            case relay_pb2.NODE_ERROR:
                text = f"Error {self._quote(status.message)} on {count} nodes: {shown}"
            case _:
                text = f"unknown node status event: {status.state_change}"
        self._err.write(harmless(f"{time} [{response.node_name}]: {text}\n", color=False))

    def _block(self, keys: Sequence[str], values: Sequence[str]) -> str:
        return "".join(f"{key:>11}: {value}\n" for key, value in zip(keys, values, strict=True))

    def _fields(self, keys: Sequence[str], values: Sequence[str], *, joined: bool = False) -> None:
        """One row of a table, or one block; NODE only on request. `joined` blocks start on the separator's line."""
        chosen = [i for i, key in enumerate(keys) if key != "NODE" or self.options.node_names]
        keys, values = [keys[i] for i in chosen], [values[i] for i in chosen]
        if self._table:
            if not self._rows:
                self._table.write("\t".join(keys) + "\n")
            self._table.write(harmless("\t".join(values), color=False) + "\n")
        else:
            head = (_SEPARATOR + ("" if joined else "\n")) if self._rows else ""
            self._out.write(harmless(head + self._block(keys, values), color=self.options.color))
        self._rows += 1
