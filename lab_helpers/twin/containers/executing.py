"""``kubectl exec``: a command in a running container, with or without a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from lab_helpers.twin.containers.machines import Machine
from lab_helpers.twin.containers.processes import SIGNALS
from lab_helpers.twin.containers.streams import BytesInput, CallbackOutput, Input, IteratorInput
from lab_helpers.twin.containers.terminals import Terminal
from lab_helpers.twin.interfaces import ExecResult

__all__ = ["execute"]


async def execute(
    machine: Machine,
    command: Sequence[str],
    *,
    stdin: AsyncIterator[bytes] | None,
    tty: bool,
    stdout: Callable[[bytes], Awaitable[None]],
    stderr: Callable[[bytes], Awaitable[None]],
    resize: AsyncIterator[tuple[int, int]] | None = None,
) -> ExecResult:
    """Run to the end. A command that is not there gives 126 (127 for a path) and the OCI runtime's message; nothing is
    printed then.

    Cancelling kills the command.
    """
    terminal: Terminal | None = None
    source: Input = BytesInput()
    output = CallbackOutput(stdout)
    errors = CallbackOutput(stderr)
    env = dict(machine.env)
    if tty:
        terminal = Terminal(stdin, stdout)
        source, output = terminal.input, terminal.output
        errors = output
        env.setdefault("TERM", "xterm")
    elif stdin is not None:
        source = IteratorInput(stdin)
    try:
        child = machine.spawn(list(command), env=env, descriptors={0: source, 1: output, 2: errors})
    except FileNotFoundError:
        return _missing(command[0])
    except ProcessLookupError:
        return ExecResult(128, "cannot exec in a stopped container")
    helpers: list[asyncio.Task[None]] = []
    if terminal is not None:
        terminal.interrupt_program = lambda: child.kill(SIGNALS["INT"])
        helpers.append(asyncio.create_task(terminal.run()))
        if resize is not None:
            helpers.append(asyncio.create_task(terminal.follow(resize)))
    try:
        return ExecResult(await child.wait(), "")
    except asyncio.CancelledError:
        child.kill(SIGNALS["KILL"])
        await child.wait()
        raise
    finally:
        for helper in helpers:
            helper.cancel()
        if helpers:
            await asyncio.wait(helpers)


def _missing(name: str) -> ExecResult:
    where = f"stat {name}: no such file or directory" if "/" in name else "executable file not found in $PATH"
    text = f'OCI runtime exec failed: exec failed: unable to start container process: exec: "{name}": {where}: unknown'
    return ExecResult(127 if "/" in name else 126, text)
