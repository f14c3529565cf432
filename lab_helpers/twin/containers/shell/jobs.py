"""The builtins about jobs and signals: wait, jobs, kill, trap."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lab_helpers.twin.containers.processes import SIGNALS, Child
from lab_helpers.twin.containers.shell.running import Shell

__all__ = ["jobs_", "kill_", "quoted", "trap_", "wait_"]


def _job(shell: Shell, name: str) -> Child | None:
    if name.startswith("%"):
        index = int(name[1:]) - 1 if name[1:].isdigit() else len(shell.jobs) - 1
        return shell.jobs[index] if 0 <= index < len(shell.jobs) else None
    return next((child for child in shell.jobs if str(child.pid) == name), None)


async def wait_(shell: Shell, words: Sequence[str]) -> int:
    """``wait [pid|%job]``"""
    if len(words) < 2:
        for child in shell.jobs:
            await child.wait()
        shell.jobs.clear()
        return 0
    status = 0
    for name in words[1:]:
        job = _job(shell, name)
        if job is None:
            await shell.complain(f"wait: pid {name} is not a child of this shell")
            status = 127
        else:
            status = await job.wait()
    return status


async def jobs_(shell: Shell, _words: Sequence[str]) -> int:
    """``jobs``"""
    for number, child in enumerate(shell.jobs, 1):
        state = "Running" if child.running else f"Done({child.code()})" if child.code() else "Done"
        await shell.out(f"[{number}]{'+' if number == len(shell.jobs) else ' '} {state}\n")
    shell.jobs = [child for child in shell.jobs if child.running]
    return 0


async def kill_(shell: Shell, words: Sequence[str]) -> int:
    """``kill [-signal] pid|%job``"""
    arguments = list(words[1:])
    signal = SIGNALS["TERM"]
    if arguments and arguments[0] == "-l":
        numbers = {str(number): name for name, number in SIGNALS.items()}
        names = [numbers.get(str(int(one) & 127) if one.isdigit() else one, one) for one in arguments[1:]]
        await shell.out("\n".join(names or [" ".join(SIGNALS)]) + "\n")
        return 0
    if not arguments:
        if shell.extended:
            usage = "[-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]"
            await shell.err(f"kill: usage: kill {usage}\n")
            return 2
        await shell.complain("you need to specify whom to kill")
        return 1
    if arguments and arguments[0].startswith("-") and len(arguments[0]) > 1:
        name = arguments.pop(0)[1:]
        if name == "s" and arguments:
            name = arguments.pop(0)
        name = name.upper().removeprefix("SIG")
        if not name.isdigit() and name not in SIGNALS:
            await shell.complain(f"kill: invalid signal '{name}'")
            return 1
        signal = int(name) if name.isdigit() else SIGNALS[name]
    status = 0
    for name in arguments:
        if name == str(shell.process.pid) and not shell.subshell:
            await _self(shell, signal)
            continue
        child = _job(shell, name) or shell.process.machine.children.get(int(name) if name.isdigit() else -1)
        if child is None or not child.running:
            gone = f"kill: ({name}) - No such process" if shell.extended else f"can't kill pid {name}: No such process"
            await shell.complain(gone)
            status = 1
        else:
            child.kill(signal)
    return status


async def _self(shell: Shell, signal: int) -> None:
    """The shell's own trap, or its end."""
    name = next((name for name, number in SIGNALS.items() if number == signal), "")
    action = shell.traps.get(name)
    if action is not None and name != "KILL":
        await shell.text(action)
        return
    shell.process.machine.children[shell.process.pid].kill(signal)
    await asyncio.sleep(0)


async def trap_(shell: Shell, words: Sequence[str]) -> int:
    """``trap [action] signal``: EXIT, INT, TERM, HUP …"""
    arguments = [word for word in words[1:] if word != "--"]
    if not arguments:
        for name, action in shell.traps.items():
            await shell.out(f"trap -- {quoted(action)} {name}\n")
        return 0
    action, *names = arguments
    if not names:
        action, names = "-", [action]
    numbers = {str(number): name for name, number in SIGNALS.items()} | {"0": "EXIT"}
    for word in names:
        name = numbers.get(word, word.upper().removeprefix("SIG"))
        if name not in ("EXIT", "ERR", *SIGNALS) or (name == "ERR" and not shell.extended):
            kind = (
                "is not played in the embedded cluster"
                if name in ("DEBUG", "RETURN")
                else "invalid signal specification"
            )
            await shell.complain(f"trap: {word}: {kind}")
            return 1
        if name in SIGNALS and not shell.subshell:
            (shell.process.ignored.add if action == "" else shell.process.ignored.discard)(SIGNALS[name])
        if action == "-":
            shell.traps.pop(name, None)
        else:
            shell.traps[name] = action
    return 0


def quoted(text: str) -> str:
    """In single quotes, to be read again."""
    return "'" + text.replace("'", "'\"'\"'") + "'"
