"""A minimal line discipline for ``kubectl exec -it``: echo, erase, Ctrl-C, Ctrl-D, and CR/LF both ways (termios,
canonical mode)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from lab_helpers.twin.containers.streams import CallbackOutput, Input, Pipe

__all__ = ["Terminal"]

_INTERRUPT, _END, _KILL_LINE, _KILL_WORD = 0x03, 0x04, 0x15, 0x17
_ERASE = (0x08, 0x7F)


class _TerminalInput(Input):
    """What programs read: whole lines, once Enter was pressed."""

    tty = True

    def __init__(self, terminal: Terminal, source: Input) -> None:
        super().__init__()
        self.terminal = terminal
        self._source = source

    async def _receive(self) -> bytes:
        return await self._source.read()


class Terminal:
    """Between a client's raw bytes and the programs. ``on_interrupt`` is set by an interactive shell that runs
    something."""

    def __init__(self, source: AsyncIterator[bytes] | None, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._source = source
        self._send = send
        self._pipe = Pipe()
        self._line = bytearray()
        self._reading: asyncio.Task[bytes] | None = None
        self.input = _TerminalInput(self, self._pipe.reader)
        self.output = CallbackOutput(self._write, tty=True)
        self.on_interrupt: Callable[[], None] | None = None
        self.interrupt_program: Callable[[], None] = lambda: None
        self.size = (80, 24)

    async def _write(self, data: bytes) -> None:
        await self._send(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))

    async def run(self) -> None:
        """Take the client's keys until they end."""
        if self._source is not None:
            async for chunk in self._source:
                await self._keys(chunk)
        if self._line:
            await self._pipe.writer.write(bytes(self._line))
        self._pipe.writer.close()

    async def follow(self, resize: AsyncIterator[tuple[int, int]]) -> None:
        """Keep the size (columns, rows) up to date."""
        async for size in resize:
            self.size = size

    async def _keys(self, chunk: bytes) -> None:
        for key in chunk:
            if key == _INTERRUPT:
                await self._send(b"^C")
                self._line.clear()
                self._interrupt()
            elif key == _END:
                if self._line:
                    await self._flush(b"")
                else:
                    self._pipe.writer.close()
                    return
            elif key in _ERASE:
                if self._line:
                    self._line.pop()
                    await self._send(b"\b \b")
            elif key in (_KILL_LINE, _KILL_WORD):
                await self._send(b"\b \b" * len(self._line))
                self._line.clear()
            elif key in (0x0A, 0x0D):
                await self._send(b"\r\n")
                await self._flush(b"\n")
            elif key == 0x1B or (key < 0x20 and key != 0x09):
                continue
            else:
                self._line.append(key)
                await self._send(bytes([key]))

    async def _flush(self, end: bytes) -> None:
        data = bytes(self._line) + end
        self._line.clear()
        await self._pipe.writer.write(data)

    def _interrupt(self) -> None:
        if self.on_interrupt is not None:
            self.on_interrupt()
        elif self._reading is not None:
            self._reading.cancel()
        else:
            self.interrupt_program()

    async def read_line_or_interrupt(self, source: Input) -> bytes | None:
        """A line for an interactive shell's prompt; None when Ctrl-C was pressed instead."""
        self._reading = asyncio.create_task(source.read_line())
        try:
            await asyncio.wait({self._reading})
            if self._reading.cancelled():
                return None
            return self._reading.result()
        except asyncio.CancelledError:
            self._reading.cancel()
            raise
        finally:
            self._reading = None
