"""``sh``, ``ash`` and ``bash``: ``-c``, script files, standard input, and an interactive prompt on a terminal."""

from __future__ import annotations

import asyncio
import posixpath

from lab_helpers.twin.containers.processes import SIGNALS, SimulatedProcess, program
from lab_helpers.twin.containers.shell.builtins import BUILTINS
from lab_helpers.twin.containers.shell.errors import ExpansionProblem, SyntaxProblem, Unfinished
from lab_helpers.twin.containers.shell.jumps import ExitShell
from lab_helpers.twin.containers.shell.parsing import parse
from lab_helpers.twin.containers.shell.running import Shell
from lab_helpers.twin.containers.shell.trees import Script

__all__ = ["bash", "sh"]


@program
async def sh(process: SimulatedProcess) -> int:
    """BusyBox ash."""
    return await _shell(process, extended=False)


@program
async def bash(process: SimulatedProcess) -> int:
    """GNU bash."""
    return await _shell(process, extended=True)


async def _shell(process: SimulatedProcess, *, extended: bool) -> int:
    arguments = list(process.argv[1:])
    options: list[str] = []
    command: str | None = None
    interactive = False
    while arguments and arguments[0][:1] in ("-", "+") and len(arguments[0]) > 1:
        word = arguments.pop(0)
        if word == "--":
            break
        if word in ("--login", "--norc", "--noprofile", "--posix"):
            continue
        if word.startswith("--"):
            await process.err(f"{process.name}: {word}: invalid option\n")
            return 2
        for letter in word[1:]:
            if letter == "c":
                command = ""
            elif letter == "i":
                interactive = True
            elif letter == "o" and arguments:
                options += ["-o", arguments.pop(0)]
            elif letter not in "ls":
                options.append(word[0] + letter)
    if command is not None:
        if not arguments:
            await process.err(f"{process.name}: -c requires an argument\n")
            return 2
        command = arguments.pop(0)
        name = arguments.pop(0) if arguments else process.argv[0]
    elif arguments:
        name = arguments.pop(0)
        try:
            command = process.read_file(name).decode("utf-8", "surrogateescape")
        except OSError as error:
            text = f"{name}: {error.strerror}" if extended else f"can't open '{name}': {error.strerror}"
            await process.err(f"{process.name}: {text}\n")
            return 127 if isinstance(error, FileNotFoundError) and extended else 2
    else:
        name = process.argv[0]
    shell = Shell(process, name=name, builtins=BUILTINS, extended=extended, positional=arguments)
    if options:
        await BUILTINS["set"](shell, ["set", *options])
    try:
        if command is not None:
            return await _whole(shell, command)
        return await _lines(shell, interactive=interactive or process.stdin.tty)
    except asyncio.CancelledError:
        return await _signalled(shell)


async def _whole(shell: Shell, text: str) -> int:
    try:
        script = parse(text)
    except SyntaxProblem as problem:
        await _syntax(shell, problem)
        return 2
    return await shell.contained(script)


async def _syntax(shell: Shell, problem: SyntaxProblem) -> None:
    name = posixpath.basename(shell.name)
    await shell.err(
        f"{name}: -c: line 1: syntax error: {problem}\n" if shell.extended else f"{name}: syntax error: {problem}\n"
    )


async def _signalled(shell: Shell) -> int:
    """Told to end: run the trap for the signal, if any, and the one for EXIT."""
    number = shell.process.signal or SIGNALS["TERM"]
    name = next((key for key, value in SIGNALS.items() if value == number), "TERM")
    action = shell.traps.pop(name, None)
    if number == SIGNALS["KILL"]:
        return 128 + number
    status = 128 + number
    if action:
        try:
            await shell.text(action)
            status = 0
        except ExitShell as end:
            status = end.code
        except SyntaxProblem as problem:
            await _syntax(shell, problem)
    return await shell.leave(status)


async def _lines(shell: Shell, *, interactive: bool) -> int:
    """Read commands from standard input, one complete command at a time."""
    text = ""
    while True:
        if interactive:
            await shell.err("> " if text else _prompt(shell))
        line = await _read(shell)
        if line is None:
            text = ""
            await shell.err("\n")
            continue
        if not line:
            break
        text += line.decode("utf-8", "surrogateescape")
        try:
            script = parse(text)
        except Unfinished:
            continue
        except SyntaxProblem as problem:
            await _syntax(shell, problem)
            text = ""
            if not interactive:
                return 2
            shell.status = 2
            continue
        text = ""
        try:
            await _one(shell, script, interactive=interactive)
        except ExitShell as end:
            return await shell.leave(end.code)
    if text:
        return await _whole(shell, text)
    if interactive:
        await shell.err("\n" if not shell.extended else "exit\n")
    return await shell.leave(shell.status)


async def _read(shell: Shell) -> bytes | None:
    """The next line; None when Ctrl-C threw the line away."""
    terminal = getattr(shell.process.stdin, "terminal", None)
    if terminal is None:
        return await shell.process.stdin.read_line()
    return await terminal.read_line_or_interrupt(shell.process.stdin)  # type: ignore[no-any-return]


async def _one(shell: Shell, script: Script, *, interactive: bool) -> None:
    """One complete command; on a terminal Ctrl-C ends it and not the shell."""
    terminal = getattr(shell.process.stdin, "terminal", None)
    try:
        if terminal is None or not interactive:
            shell.status = await shell.script(script)
            return
        task = asyncio.create_task(shell.script(script))

        def interrupt() -> None:
            shell.process.signal = SIGNALS["INT"]
            task.cancel()

        terminal.on_interrupt = interrupt
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            terminal.on_interrupt = None
        if task.cancelled():
            shell.process.signal = 0
            shell.status = 130
            await shell.err("\n")
        else:
            shell.status = task.result()
    except ExpansionProblem as problem:
        await shell.complain(str(problem))
        shell.status = 2
        if not interactive:
            raise ExitShell(2) from None


def _prompt(shell: Shell) -> str:
    home = shell.get("HOME") or "/root"
    shown = "~" + shell.cwd[len(home) :] if shell.cwd == home or shell.cwd.startswith(home + "/") else shell.cwd
    if shell.extended:
        return f"{shell.process.machine.hostname}:{shown}# "
    return f"{shown} # "
