"""``cilium-dbg monitor`` (cilium-dbg/cmd/monitor.go, pkg/monitor/format): events as they happen, in the monitor's own
words.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

from lab_helpers.hubble.events import EVENT_TYPES
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.twin.agent.dbg.eventlines import event_line, event_lines, socket_line
from lab_helpers.twin.agent.dbg.eventmodels import agent_json, agent_line, event_json
from lab_helpers.twin.agent.dbg.events import TRACE_SOCK, VERDICT, Event
from lab_helpers.twin.agent.dbg.hosts import host
from lab_helpers.twin.agent.dbg.sessions import Arguments, Command, CommandError, Session
from lab_helpers.twin.datapath.tables import Capture

__all__ = ["COMMANDS"]

_DEBUG, _VERBOSE = 1, 2
"""How often ``-v`` is given; more often means not at all."""
_FILTERS: Final = ("from", "to", "related-to")
_MOST_ENDPOINTS: Final = 65535


class _Wanted(NamedTuple):
    """What is printed: kinds of events (none: all), endpoints by filter, and the form."""

    kinds: frozenset[int]
    endpoints: dict[str, frozenset[int]]
    json: bool
    verbosity: int
    hex: bool
    numeric: bool

    def takes(self, kind: int, source: int, destination: int) -> bool:
        """Is an event wanted?"""
        if self.kinds and kind not in self.kinds:
            return False
        given = self.endpoints
        if given["from"] and source not in given["from"]:
            return False
        if given["to"] and destination not in given["to"]:
            return False
        return not given["related-to"] or bool({source, destination} & given["related-to"])

    def text(self, event: Event) -> str:
        """An event as it is printed; "" when this form has nothing for it."""
        if event.kind == TRACE_SOCK:
            return socket_line(event) + "\n" if self.verbosity == _DEBUG and not self.json else ""
        if not self.takes(event.kind, event.source, event.destination):
            return ""
        if self.json and event.kind != VERDICT:
            return event_json(event) + "\n"
        if self.verbosity == _VERBOSE and not self.json:
            return event_lines(event, dissect=not self.hex, numeric=self.numeric)
        return event_line(event, numeric=self.numeric) + "\n"


def _wanted(arguments: Arguments) -> _Wanted:
    """Raises CommandError for a value that a flag cannot have."""
    kinds = []
    for name in arguments.values.get("type", []):
        if name not in EVENT_TYPES:
            known = " ".join(f"{known}:{EVENT_TYPES[known]}" for known in sorted(EVENT_TYPES))
            raise CommandError(
                f'Error: invalid argument "{name}" for "-t, --type" flag: Unknown type ({name}). '
                f"Please use one of the following ones map[{known}]"
            )
        kinds.append(EVENT_TYPES[name])
    endpoints = {name: frozenset(map(_number(name), arguments.values.get(name, []))) for name in _FILTERS}
    return _Wanted(
        frozenset(kinds),
        endpoints,
        "json" in arguments.switches,
        arguments.times.get("verbose", 0),
        "hex" in arguments.switches,
        "numeric" in arguments.switches,
    )


def _number(flag: str) -> Any:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) > _MOST_ENDPOINTS:
            why = "value out of range" if text.isdigit() else "invalid syntax"
            raise CommandError(
                f'Error: invalid argument "{text}" for "--{flag}" flag: strconv.ParseUint: parsing "{text}": {why}'
            )
        return int(text)

    return read


async def _monitor(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    agent = session.agent
    wanted = _wanted(arguments)
    _need_endpoints(session, wanted.endpoints)
    queue: asyncio.Queue[tuple[Any, Capture | None]] = asyncio.Queue()

    def take(flow: Any, capture: Capture | None) -> None:
        queue.put_nowait((flow, capture))

    def hear(event: Any) -> None:
        queue.put_nowait((event, None))

    monitors, listeners = agent.tables.monitors, agent.notifier.listeners
    monitors.append(take)
    listeners.append(hear)
    try:
        await session.process.err(f"{host(agent).monitor_line}\nPress Ctrl-C to quit\n")
        while agent.running:
            found, capture = await queue.get()
            if not isinstance(found, flow_pb2.AgentEvent):
                text = wanted.text(Event(agent, found, capture))
            elif wanted.takes(EVENT_TYPES["agent"], 0, 0):
                text = (agent_json(found) if wanted.json else agent_line(found)) + "\n"
            else:
                continue
            if text:
                await session.out(text)
    finally:
        if take in monitors:
            monitors.remove(take)
        if hear in listeners:
            listeners.remove(hear)
    raise CommandError("EOF")


def _need_endpoints(session: Session, wanted: dict[str, frozenset[int]]) -> None:
    """Raises CommandError when all three filters are given and no endpoint of them exists, as the real one does."""
    if not all(wanted.values()):
        return
    missing = sorted(number for numbers in wanted.values() for number in numbers - set(session.agent.endpoints))
    if len(missing) == sum(map(len, wanted.values())):
        raise CommandError("\n".join(f"endpoint {number} not found" for number in missing))


COMMANDS = (
    Command(
        ("monitor",),
        "Display BPF program events",
        _monitor,
        {
            "-t": "type",
            "--type": "type",
            "--from": "from",
            "--to": "to",
            "--related-to": "related-to",
            "--monitor-socket": "socket",
        },
        {
            "-n": "numeric",
            "--numeric": "numeric",
            "-j": "json",
            "--json": "json",
            "-v": "verbose",
            "--verbose": "verbose",
            "--hex": "hex",
        },
    ),
)
