"""The standard streams of a container's main program, and ``kubectl attach`` to them.

What the program prints goes to its log and to everybody attached. Its standard input is the null device unless the
container's spec says ``stdin``; then it waits for whoever attaches, and ends with the first of them under
``stdinOnce`` (kubernetes pkg/kubelet/cri/streaming, containerd). Whoever comes first to a container with ``stdinOnce``,
as ``kubectl run -i`` makes them, also gets what was printed before: programs here are quicker than people.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from lab_helpers.twin.containers.errors import BrokenPipe
from lab_helpers.twin.containers.logs import Log, LogOutput
from lab_helpers.twin.containers.processes import SIGNALS, Child
from lab_helpers.twin.containers.streams import BytesInput, CallbackOutput, Input, Output, Pipe
from lab_helpers.twin.containers.terminals import Terminal

__all__ = ["MainStreams"]

_MOST_EARLY = 1000
Send = Callable[[bytes], Awaitable[None]]


class MainStreams:
    """Descriptors 0, 1 and 2 of one main program. Make them, start the program with them, then tell ``started``."""

    def __init__(self, log: Log, spec: Mapping[str, Any]) -> None:
        self._once = bool(spec.get("stdinOnce"))
        self._out, self._err = LogOutput(log), LogOutput(log)
        self._attached: set[asyncio.Queue[tuple[int, bytes] | None]] = set()
        self._early: list[tuple[int, bytes]] | None = [] if self._once else None
        self._closed = False
        self._pipe = Pipe() if spec.get("stdin") else None
        self._terminal: Terminal | None = None
        self._helper: asyncio.Task[None] | None = None
        if spec.get("tty"):
            self._terminal = Terminal(
                None if self._pipe is None else self._pipe.reader, lambda data: self._tell(1, data)
            )
            self.descriptors: dict[int, Input | Output] = {0: self._terminal.input, 1: self._terminal.output}
            self.descriptors[2] = self._terminal.output
        else:
            self.descriptors = {0: BytesInput() if self._pipe is None else self._pipe.reader}
            self.descriptors[1] = CallbackOutput(lambda data: self._tell(1, data))
            self.descriptors[2] = CallbackOutput(lambda data: self._tell(2, data))

    @property
    def tty(self) -> bool:
        """Is the program on a terminal?"""
        return self._terminal is not None

    @property
    def unseen(self) -> bool:
        """Is there output that waits for the first to attach?"""
        return bool(self._early)

    def started(self, child: Child) -> None:
        """The program runs: its terminal begins to read keys."""
        if self._terminal is not None:
            self._terminal.interrupt_program = lambda: child.kill(SIGNALS["INT"])
            self._helper = asyncio.create_task(self._terminal.run())

    def close(self) -> None:
        """The program has ended, and so does every attached connection."""
        self._out.close()
        self._err.close()
        self._closed = True
        if self._helper is not None:
            self._helper.cancel()
        for queue in self._attached:
            queue.put_nowait(None)

    async def attach(
        self,
        stdin: AsyncIterator[bytes] | None,
        stdout: Send,
        stderr: Send,
        resize: AsyncIterator[tuple[int, int]] | None,
    ) -> None:
        """Carry bytes both ways until the program ends; a container without ``stdin`` lets what is typed pass."""
        queue: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._attached.add(queue)
        for early in self._early or ():
            queue.put_nowait(early)
        self._early = None
        if self._closed:
            queue.put_nowait(None)
        helpers: list[asyncio.Task[None]] = []
        if stdin is not None:
            helpers.append(asyncio.create_task(self._type(stdin)))
        if resize is not None and self._terminal is not None:
            helpers.append(asyncio.create_task(self._terminal.follow(resize)))
        try:
            while (item := await queue.get()) is not None:
                await (stdout if item[0] == 1 else stderr)(item[1])
        finally:
            self._attached.discard(queue)
            for helper in helpers:
                helper.cancel()
            if helpers:
                await asyncio.wait(helpers)

    async def _type(self, stdin: AsyncIterator[bytes]) -> None:
        async for data in stdin:
            if self._pipe is not None:
                with contextlib.suppress(BrokenPipe):
                    await self._pipe.writer.write(data)
        if self._pipe is not None and self._once:
            self._pipe.writer.close()

    async def _tell(self, descriptor: int, data: bytes) -> None:
        await (self._out if descriptor == 1 else self._err).write(data)
        for queue in self._attached:
            queue.put_nowait((descriptor, data))
        if self._early is not None and len(self._early) < _MOST_EARLY:
            self._early.append((descriptor, data))
