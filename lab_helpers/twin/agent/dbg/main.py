"""The program: finds the command for the words of the command line, reads its flags, runs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.dbg import (
    bpf,
    configuring,
    connections,
    endpoints,
    identities,
    installing,
    maps,
    metering,
    monitoring,
    names,
    nodes,
    policies,
    preflighting,
    services,
    status,
    translations,
    troubleshooting,
)
from lab_helpers.twin.agent.dbg.helping import NOT_PLAYED, command_help, group_help, suggestions
from lab_helpers.twin.agent.dbg.sessions import Arguments, Command, CommandError, Session
from lab_helpers.twin.interfaces import Process, Program

__all__ = ["COMMANDS", "dbg_program"]

COMMANDS: tuple[Command, ...] = (
    *bpf.COMMANDS,
    *configuring.COMMANDS,
    *connections.COMMANDS,
    *endpoints.COMMANDS,
    *identities.COMMANDS,
    *installing.COMMANDS,
    *maps.COMMANDS,
    *metering.COMMANDS,
    *monitoring.COMMANDS,
    *names.COMMANDS,
    *nodes.COMMANDS,
    *policies.COMMANDS,
    *preflighting.COMMANDS,
    *services.COMMANDS,
    *status.COMMANDS,
    *translations.COMMANDS,
    *troubleshooting.COMMANDS,
)
_HELP: Final = ("-h", "--help")
_GLOBAL_VALUES: Final = ("-H", "--host", "--config", "--log-driver", "--log-opt")
_GLOBAL_SWITCHES: Final = ("-D", "--debug")
_ALIASES: Final = {"ls": "list"}


class _UsageError(Exception):
    """A mistake in the command line, told on both outputs as the real program does; ``hint`` follows it on stderr."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def dbg_program(agents: Agents) -> Program:
    """``cilium-dbg``, and ``cilium``, its name of old."""

    async def cilium_dbg(process: Process) -> int:
        session = Session(agents, agents.agent(process.node), process)
        words = list(process.argv[1:])
        try:
            return await _run(session, words)
        except _UsageError as error:
            await process.err(f"Error: {error}\n{error.hint}\n")
            await process.out(f"{error}\n")
            return 1
        except CommandError as error:
            await process.err(f"{error}\n")
            return error.code

    return cilium_dbg


async def _run(session: Session, words: Sequence[str]) -> int:
    rest = _without_globals(words)
    plain = [_ALIASES.get(word, word) for word in rest if not word.startswith("-")]
    command, used = _find(plain)
    if command is None:
        return await _no_command(session, plain)
    for word in [word for word in rest if not word.startswith("-")][:used]:
        rest.remove(word)
    if any(word in _HELP for word in rest):
        await session.out(command_help(command))
        return 0
    arguments = _arguments(command, rest)
    least, most = command.arguments
    if len(arguments.words) < least:
        named = next((name for name in ("endpoint id", "config name") if name in command.usage), "")
        what = f"{named} argument" if named else f"argument {command.usage}"
        raise CommandError(f"Error: Missing {what}\n\n{command_help(command)}")
    if 0 <= most < len(arguments.words):
        path = " ".join(("cilium-dbg", *command.words))
        raise _UsageError(
            f'unknown command "{arguments.words[most]}" for "{path}"', command_help(command, usage_only=True)
        )
    return await command.run(session, arguments)


def _without_globals(words: Sequence[str]) -> list[str]:
    """The words without the flags that every command has; they change nothing here."""
    found: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word in _GLOBAL_VALUES:
            queue[:1] = []
        elif word not in _GLOBAL_SWITCHES and word.partition("=")[0] not in _GLOBAL_VALUES:
            found.append(word)
    return found


def _find(plain: Sequence[str]) -> tuple[Command | None, int]:
    best: Command | None = None
    for command in COMMANDS:
        count = len(command.words)
        if tuple(plain[:count]) == command.words and (best is None or count > len(best.words)):
            best = command
    return best, 0 if best is None else len(best.words)


async def _no_command(session: Session, plain: Sequence[str]) -> int:
    """Words that lead to no command: those of a group print its help, as the real program does for nested mistakes."""
    for count in (1, 2, 3):
        name = " ".join(plain[:count])
        if name in NOT_PLAYED:
            raise CommandError(
                f"Error: cilium-dbg {name} is not part of the embedded cluster: it has nothing that this command "
                "could show. Run it on a real cluster"
            )
    depth = 0
    while depth < len(plain) and any(command.words[: depth + 1] == tuple(plain[: depth + 1]) for command in COMMANDS):
        depth += 1
    if plain and not depth:
        near = suggestions(plain[0], COMMANDS)
        raise _UsageError(f'unknown command "{plain[0]}" for "cilium-dbg"{near}', "Run 'cilium-dbg --help' for usage.")
    await session.out(group_help(plain[:depth], COMMANDS))
    return 0


def _arguments(command: Command, rest: Sequence[str]) -> Arguments:
    words: list[str] = []
    values: dict[str, list[str]] = {}
    switches: set[str] = set()
    times: Counter[str] = Counter()
    usage = command_help(command, usage_only=True)
    queue = list(rest)
    while queue:
        word = queue.pop(0)
        flag, equals, value = word.partition("=")
        if word == "--":
            words += queue
            break
        if len(flag) > 2 and flag[0] == "-" != flag[1] and flag[:2] in command.switches:
            queue.insert(0, f"-{word[2:]}")  # several switches in one word
            flag, equals, value = flag[:2], "", ""
        if flag in command.values:
            if not equals:
                if not queue:
                    wrong = flag if flag.startswith("--") else f"{flag[1:]!r} in {flag}"
                    raise _UsageError(f"flag needs an argument: {wrong}", usage)
                value = queue.pop(0)
            values.setdefault(command.values[flag], []).append(value)
        elif flag in command.switches:
            if value != "false":
                switches.add(command.switches[flag])
                times[command.switches[flag]] += 1
        elif word[:2] in command.values and not word.startswith("--") and len(word) > 2:
            values.setdefault(command.values[word[:2]], []).append(word[2:])
        elif word.startswith("-") and len(word) > 1:
            raise _UsageError(
                f"unknown flag: {flag}" if word.startswith("--") else f"unknown shorthand flag: {word[1]!r} in {word}",
                usage,
            )
        else:
            words.append(word)
    return Arguments(tuple(words), values, frozenset(switches), times)
