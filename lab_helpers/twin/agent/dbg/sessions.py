"""What every command of ``cilium-dbg`` gets: the agent, an output, and the common forms of printing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from lab_helpers.hubble.printing.tabwriter import TabWriter
from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.dbg.jsonpaths import PathError, evaluate
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.interfaces import Process

__all__ = ["Command", "CommandError", "Session", "table"]


class CommandError(Exception):
    """A command fails: its message, and the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Session:
    """One run of the program in the container of ``agent``'s node."""

    def __init__(self, agents: Agents, agent: NodeAgent, process: Process) -> None:
        self.agents = agents
        self.agent = agent
        self.process = process

    async def out(self, text: str) -> None:
        """Print a line or lines."""
        await self.process.out(text if text.endswith("\n") else text + "\n")

    async def data(self, value: Any, output: str) -> None:
        """Print a value as ``json``, ``yaml`` or ``jsonpath=…``. Raises CommandError for another form."""
        if output == "json":
            await self.out(json.dumps(value, indent=2))
        elif output == "yaml":
            import yaml

            await self.out(yaml.safe_dump(value, default_flow_style=False, sort_keys=True))
        elif output.startswith("jsonpath="):
            try:
                await self.process.out(evaluate(output.removeprefix("jsonpath=").strip("'\""), value) + "\n")
            except PathError as error:
                raise CommandError(f"Couldn't parse jsonpath expression: {error}") from error
        else:
            raise CommandError(f'Error: unsupported output format "{output}": use json, yaml or jsonpath=<expression>')

    def need_agent(self) -> None:
        """Raises CommandError unless the agent answers on its socket."""
        if not self.agent.running:
            raise CommandError(
                'Cannot connect to the agent: Get "http://localhost/v1/config": dial unix /var/run/cilium/cilium.sock: '
                "connect: no such file or directory\nIs the agent running?"
            )


class Command(NamedTuple):
    """A command by its words (``("endpoint", "list")``). ``values``: flags that take a value, by every spelling →
    name; ``switches`` the others. ``arguments``: how many words may follow (least, most; most −1 is any number).
    """

    words: tuple[str, ...]
    short: str
    run: Callable[[Session, Arguments], Awaitable[int]]
    values: Mapping[str, str] = MappingProxyType({})
    switches: Mapping[str, str] = MappingProxyType({})
    arguments: tuple[int, int] = (0, 0)
    usage: str = ""


class Arguments(NamedTuple):
    """The parsed command line. ``times``: how often a switch was given."""

    words: tuple[str, ...]
    values: dict[str, list[str]]
    switches: frozenset[str]
    times: Mapping[str, int] = MappingProxyType({})

    def value(self, name: str, default: str = "") -> str:
        """The last value of a flag."""
        found = self.values.get(name)
        return found[-1] if found else default


OUTPUT = {"-o": "output", "--output": "output"}


def table(rows: Iterable[Sequence[object]], *, minimum: int = 5, padding: int = 3, closed: bool = True) -> str:
    """Rows as Go's tabwriter prints them. ``closed``: every cell ends its column, so lines end with blanks; else the
    last one does not.
    """
    writer = TabWriter(minimum=minimum, padding=padding)
    for row in rows:
        writer.write("\t".join(str(cell) for cell in row) + ("\t\n" if closed else "\n"))
    return writer.flush()
