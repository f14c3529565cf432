"""``hubble`` in the agent's container: it asks the local agent, so it shows the flows of one node only.

The flags that labs use; the workstation's ``hubble`` has them all. Filters and printer are Hubble's own
(``lab_helpers.hubble``).
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any, Final

from lab_helpers.hubble.protos import flow_pb2, observer_pb2
from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.dbg.sessions import CommandError
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.datapath.settings import duration
from lab_helpers.twin.interfaces import Process, Program

__all__ = ["hubble_program"]

_BOTH: Final = {
    "pod": "pod",
    "label": "label",
    "ip": "ip",
    "port": "port",
    "service": "service",
    "identity": "identity",
    "fqdn": "fqdn",
}
_EVENTS: Final = {"drop": 1, "capture": 3, "trace": 4, "policy-verdict": 5, "trace-sock": 7, "l7": 129}
_SHORT: Final = {
    "-n": "--namespace",
    "-l": "--label",
    "-t": "--type",
    "-o": "--output",
    "-f": "--follow",
    "-A": "--all-namespaces",
    "-D": "--debug",
}
_SWITCHES: Final = {
    "--follow",
    "--first",
    "--all",
    "--not",
    "--print-node-name",
    "--print-policy-names",
    "--numeric",
    "--all-namespaces",
    "--use-default-field-masks",
    "--debug",
}


def hubble_program(agents: Agents) -> Program:
    """``hubble``."""

    async def hubble(process: Process) -> int:
        agent = agents.agent(process.node)
        try:
            return await _run(process, agent, list(process.argv[1:]))
        except CommandError as error:
            await process.err(f"{error}\n")
            return error.code

    return hubble


async def _run(process: Process, agent: NodeAgent, words: list[str]) -> int:
    command = next((word for word in words if not word.startswith("-")), "")
    if command == "version":
        await process.out(f"hubble v{agent.version} compiled with go1.26.5 on linux/amd64\n")
        return 0
    if agent.hubble is None:
        raise CommandError(
            "failed to connect to 'unix:///var/run/cilium/hubble.sock': connection error: desc = \"transport: "
            'error while dialing: dial unix /var/run/cilium/hubble.sock: connect: no such file or directory"'
        )
    if command == "observe":
        words.remove(command)
        return await _observe(process, agent, words)
    if command == "status":
        return await _status(process, agent)
    raise CommandError(
        f'unknown command "{command}" for "hubble": in the agent\'s container there are observe, status and version'
    )


async def _status(process: Process, agent: NodeAgent) -> int:
    assert agent.hubble is not None
    status = agent.hubble.status()
    share = 100.0 * status.num_flows / status.max_flows
    await process.out(
        "Healthcheck (via unix:///var/run/cilium/hubble.sock): Ok\n"
        f"Current/Max Flows: {status.num_flows:,}/{status.max_flows:,} ({share:.2f}%)\n"
        f"Flows/s: {status.flows_rate:.2f}\n"
    )
    return 0


def _flags(words: Sequence[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if not name.startswith("--"):
            raise CommandError(f'unknown argument "{word}" for "hubble observe"')
        if name in _SWITCHES:
            found.append((name[2:], value if equals else "true"))
            continue
        if not equals:
            if not queue:
                raise CommandError(f"flag needs an argument: {name}")
            value = queue.pop(0)
        found.append((name[2:], value))
    return found


class _Request:
    """The flags turned into what a request holds. As in the real program "from or to" flags become two filters."""

    def __init__(self, flags: Sequence[tuple[str, str]]) -> None:
        self.allow: list[flow_pb2.FlowFilter] = []
        self.deny: list[flow_pb2.FlowFilter] = []
        self.number = 20
        self.follow = self.first = False
        self.since: int | None = None
        self.output = "compact"
        self.options: set[str] = set()
        self._sets: dict[str, dict[str, list[str]]] = {"allow": {}, "deny": {}}
        negate = False
        numbered = False
        for name, value in flags:
            if name == "not":
                negate = True
                continue
            if name in ("last", "first"):
                self.first, numbered = name == "first" and value != "true", True
                self.number = _number(name, value)
            elif name == "all":
                self.number, numbered = 1 << 31, True
            elif name == "follow":
                self.follow = value != "false"
            elif name == "since":
                self.since = int(_seconds(value) * 1e9)
            elif name == "output":
                self.output = value
            elif name in ("print-node-name", "print-policy-names", "numeric"):
                self.options.add(name)
            elif name in ("use-default-field-masks", "all-namespaces", "debug", "server", "timeout"):
                pass
            else:
                self._sets["deny" if negate else "allow"].setdefault(name, []).append(value)
                negate = False
        if (self.follow or self.since is not None) and not numbered:
            self.number = 0
        self.allow = _filters(self._sets["allow"])
        self.deny = _filters(self._sets["deny"])


def _number(name: str, value: str) -> int:
    if not value.isdigit():
        raise CommandError(
            f'invalid argument "{value}" for "--{name}" flag: strconv.ParseUint: parsing "{value}": invalid syntax'
        )
    return int(value)


def _seconds(value: str) -> float:
    try:
        return duration(value)
    except ValueError as error:
        raise CommandError(f"failed to parse the since time: {error}") from error


def _filters(values: dict[str, list[str]]) -> list[flow_pb2.FlowFilter]:
    """Left and right filter; only one when no "either side" flag is there."""
    if not values:
        return []
    sides = []
    either = any(name in (*_BOTH, "namespace") for name in values)
    for outward in (True, False) if either else (True,):
        flow_filter = flow_pb2.FlowFilter()
        for name, texts in values.items():
            _fill(flow_filter, name, texts, outward=outward)
        sides.append(flow_filter)
    return sides


def _fill(flow_filter: flow_pb2.FlowFilter, name: str, texts: list[str], *, outward: bool) -> None:
    direction, _, subject = name.rpartition("-") if name.startswith(("from-", "to-")) else ("", "", name)
    side = {"from": "source", "to": "destination", "": "source" if outward else "destination"}[direction]
    if subject == "namespace":
        getattr(flow_filter, f"{side}_pod").extend(f"{text}/" for text in texts)
    elif subject == "identity":
        getattr(flow_filter, f"{side}_identity").extend(_identity(text) for text in texts)
    elif subject in _BOTH:
        getattr(flow_filter, f"{side}_{subject}").extend(texts)
    elif name == "verdict":
        for text in texts:
            known = list(flow_pb2.Verdict.keys())
            if text not in known:
                raise CommandError(f'invalid --verdict value "{text}": use one of {", ".join(known)}')
            flow_filter.verdict.append(flow_pb2.Verdict.Value(text))
    elif name == "type":
        for text in texts:
            kind, _, sub_type = text.partition(":")
            if kind not in _EVENTS:
                raise CommandError(f"unknown event type: {kind!r}; expected one of {', '.join(sorted(_EVENTS))}")
            flow_filter.event_type.add(type=_EVENTS[kind])
            if sub_type:
                item = flow_filter.event_type[-1]
                item.match_sub_type, item.sub_type = True, _sub_type(kind, sub_type)
    elif name == "protocol":
        flow_filter.protocol.extend(texts)
    elif name == "http-status":
        flow_filter.http_status_code.extend(texts)
    elif name == "http-method":
        flow_filter.http_method.extend(texts)
    elif name == "http-path":
        flow_filter.http_path.extend(texts)
    elif name == "traffic-direction":
        flow_filter.traffic_direction.extend(flow_pb2.TrafficDirection.Value(text.upper()) for text in texts)
    elif name == "node-name":
        flow_filter.node_name.extend(texts)
    else:
        raise CommandError(f"unknown flag: --{name}")


def _identity(text: str) -> int:
    from lab_helpers.twin.agent.dbg.identities import RESERVED_NAMES

    number = next((n for n, name in RESERVED_NAMES.items() if text in (name, f"reserved:{name}")), None)
    if number is None and not text.isdigit():
        raise CommandError(f'invalid --identity value "{text}"')
    return int(text) if number is None else number


def _sub_type(kind: str, text: str) -> int:
    from lab_helpers.hubble.events import TRACE_POINTS

    if text.isdigit():
        return int(text)
    if kind == "trace" and text in TRACE_POINTS:
        return TRACE_POINTS.index(text)
    raise CommandError(f"unable to parse event sub-type {text!r}")


async def _observe(process: Process, agent: NodeAgent, words: Sequence[str]) -> int:
    from lab_helpers.hubble.errors import HubbleError
    from lab_helpers.hubble.filters import compile_filters
    from lab_helpers.hubble.printing.options import Options, Output
    from lab_helpers.hubble.printing.printers import Printer
    from lab_helpers.hubble.records import Record
    from lab_helpers.hubble.selections import Selection
    from lab_helpers.hubble.serving.observing import flow_response
    from lab_helpers.hubble.serving.streaming import Source, stream

    request = _Request(_flags(words))
    forms = {
        "json": Output.JSON,
        "jsonpb": Output.JSON,
        "compact": Output.COMPACT,
        "dict": Output.DICT,
        "table": Output.TABLE,
    }
    if request.output not in forms:
        raise CommandError(f"invalid output format: {request.output}")
    try:
        matches: Any = compile_filters(request.allow, request.deny)
    except HubbleError as error:
        raise CommandError(str(error)) from error
    log = agent.hubble
    assert log is not None
    since = None if request.since is None else log.clock() - request.since
    selection = Selection(request.number, request.first, request.follow, since, None)
    text = io.StringIO()
    options = Options(
        output=forms[request.output],
        node_names="print-node-name" in request.options,
        policy_names="print-policy-names" in request.options,
        numeric="numeric" in request.options,
    )
    printer = Printer(options, text, text)

    async def flush() -> None:
        if text.tell():
            await process.out(text.getvalue())
            text.seek(0)
            text.truncate()

    async for name, _, event in stream(lambda: [Source(log.name, log.flows)], selection, matches):
        if isinstance(event, Record):
            printer.response(flow_response(event.flow))
        else:
            printer.response(observer_pb2.GetFlowsResponse(lost_events=event, node_name=name))
        if request.follow:
            await flush()
        await asyncio.sleep(0)
    printer.close()
    await flush()
    return 0
