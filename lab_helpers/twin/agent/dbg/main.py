"""The program: finds the command for the words of the command line, reads its flags, runs it."""

from __future__ import annotations

from collections.abc import Sequence

from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.dbg import (
    bpf,
    endpoints,
    identities,
    installing,
    monitoring,
    names,
    policies,
    preflighting,
    services,
    status,
)
from lab_helpers.twin.agent.dbg.sessions import Arguments, Command, CommandError, Session
from lab_helpers.twin.interfaces import Process, Program

__all__ = ["COMMANDS", "dbg_program"]

COMMANDS: tuple[Command, ...] = (
    *bpf.COMMANDS,
    *endpoints.COMMANDS,
    *identities.COMMANDS,
    *installing.COMMANDS,
    *monitoring.COMMANDS,
    *names.COMMANDS,
    *policies.COMMANDS,
    *preflighting.COMMANDS,
    *services.COMMANDS,
    *status.COMMANDS,
)
_HELP = ("-h", "--help")


def dbg_program(agents: Agents) -> Program:
    """``cilium-dbg``, and ``cilium``, its name of old."""

    async def cilium_dbg(process: Process) -> int:
        session = Session(agents, agents.agent(process.node), process)
        words = list(process.argv[1:])
        try:
            return await _run(session, words)
        except CommandError as error:
            await process.err(f"{error}\n")
            return error.code

    return cilium_dbg


async def _run(session: Session, words: Sequence[str]) -> int:
    plain = [word for word in words if not word.startswith("-")]
    command, used = _find(plain)
    if command is None:
        return await _usage(session, plain, asked=not words or any(word in _HELP for word in words))
    rest = list(words)
    for word in plain[:used]:
        rest.remove(word)
    if any(word in _HELP for word in rest):
        flags = ", ".join(sorted({*command.values, *command.switches}))
        line = f"  cilium-dbg {' '.join(command.words)} {command.usage}".rstrip()
        await session.out(f"{command.short}\n\nUsage:\n{line} [flags]\n" + (f"\nFlags:\n  {flags}\n" if flags else ""))
        return 0
    arguments = _arguments(command, rest)
    least, most = command.arguments
    if len(arguments.words) < least:
        raise CommandError(
            f"Error: {' '.join(command.words)}: missing argument: "
            f"usage is cilium-dbg {' '.join(command.words)} {command.usage}"
        )
    if 0 <= most < len(arguments.words):
        raise CommandError(
            f'Error: unknown command "{arguments.words[most]}" for "cilium-dbg {" ".join(command.words)}"'
        )
    return await command.run(session, arguments)


def _find(plain: Sequence[str]) -> tuple[Command | None, int]:
    best: Command | None = None
    for command in COMMANDS:
        count = len(command.words)
        if tuple(plain[:count]) == command.words and (best is None or count > len(best.words)):
            best = command
    return best, 0 if best is None else len(best.words)


def _arguments(command: Command, rest: Sequence[str]) -> Arguments:
    words: list[str] = []
    values: dict[str, list[str]] = {}
    switches: set[str] = set()
    queue = list(rest)
    while queue:
        word = queue.pop(0)
        flag, equals, value = word.partition("=")
        if word == "--":
            words += queue
            break
        if flag in command.values:
            if not equals:
                if not queue:
                    raise CommandError(f"Error: flag needs an argument: {flag}")
                value = queue.pop(0)
            values.setdefault(command.values[flag], []).append(value)
        elif flag in command.switches:
            if value != "false":
                switches.add(command.switches[flag])
        elif word[:2] in command.values and not word.startswith("--") and len(word) > 2:
            values.setdefault(command.values[word[:2]], []).append(word[2:])
        elif word.startswith("-") and len(word) > 1:
            raise CommandError(
                f"Error: unknown flag: {word}"
                if word.startswith("--")
                else f"Error: unknown shorthand flag: {word[1:]!r} in {word}"
            )
        else:
            words.append(word)
    return Arguments(tuple(words), values, frozenset(switches))


async def _usage(session: Session, plain: Sequence[str], *, asked: bool) -> int:
    prefix = tuple(plain)
    known = [command for command in COMMANDS if command.words[: len(prefix)] == prefix]
    if not known:
        raise CommandError(
            f'Error: unknown command "{" ".join(plain)}" for "cilium-dbg"\nThe embedded cluster plays these: '
            + ", ".join(sorted({" ".join(command.words) for command in COMMANDS}))
        )
    lines = ["CLI for interacting with the local Cilium Agent", "", "Available Commands:"]
    lines += [f"  {' '.join(command.words):<22} {command.short}" for command in sorted(known, key=lambda c: c.words)]
    await session.out("\n".join(lines))
    return 0 if asked or plain else 1
