"""Byte streams between simulated programs: what a file descriptor stands for.

An :class:`Input` is read, an :class:`Output` is written. Descriptors are shared, as on Unix: whoever reads takes bytes
away from the others, so ``while read line; do … done`` works on any input.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from lab_helpers.twin.containers.errors import BrokenPipe

__all__ = ["BytesInput", "CallbackOutput", "Input", "IteratorInput", "MemoryOutput", "NullOutput", "Output", "Pipe"]

PIPE_CAPACITY = 65536


class Input:
    """A source of bytes. Subclasses implement :meth:`_receive`, which returns b"" at the end and from then on."""

    tty = False

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._ended = False

    async def _receive(self) -> bytes:
        raise NotImplementedError

    async def _fill(self) -> bool:
        if self._ended:
            return False
        chunk = await self._receive()
        if not chunk:
            self._ended = True
            return False
        self._buffer += chunk
        return True

    async def read(self, limit: int = 65536) -> bytes:
        """Up to ``limit`` bytes, at least one; b"" at the end."""
        if not self._buffer and not await self._fill():
            return b""
        taken = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return taken

    async def read_line(self) -> bytes:
        """One line with its newline; without it only at the end; b"" at the end."""
        while True:
            index = self._buffer.find(b"\n")
            if index >= 0:
                line = bytes(self._buffer[: index + 1])
                del self._buffer[: index + 1]
                return line
            if not await self._fill():
                line = bytes(self._buffer)
                self._buffer.clear()
                return line

    async def read_all(self) -> bytes:
        """Everything until the end."""
        while await self._fill():
            pass
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def close(self) -> None:
        """Nobody will read any more."""


class BytesInput(Input):
    """Fixed content: a file that is read, a here-document, /dev/null."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__()
        self._buffer += data
        self._ended = True


class IteratorInput(Input):
    """What an asynchronous iterator delivers, such as the standard input of ``kubectl exec -i``."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        super().__init__()
        self._source = source

    async def _receive(self) -> bytes:
        async for chunk in self._source:
            if chunk:
                return chunk
        return b""


class Output:
    """A destination of bytes."""

    tty = False

    async def write(self, data: bytes) -> None:
        """Write all of it. Raises BrokenPipe when nobody can read it."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing more will be written."""


class NullOutput(Output):
    """/dev/null."""

    async def write(self, data: bytes) -> None:
        """Forget it."""


class MemoryOutput(Output):
    """Collects what is written: command substitution, tests."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: bytes) -> None:
        """Keep it."""
        self.data += data


class CallbackOutput(Output):
    """Hands everything to a coroutine function; ``tty`` tells programs that a terminal is at the other end."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], *, tty: bool = False) -> None:
        self._send = send
        self.tty = tty

    async def write(self, data: bytes) -> None:
        """Pass it on."""
        if data:
            await self._send(data)


class Pipe:
    """A bounded pipe with two ends: closing ``writer`` means end of file, closing ``reader`` makes writers fail."""

    def __init__(self, capacity: int = PIPE_CAPACITY) -> None:
        self.chunks: deque[bytes] = deque()
        self.size = 0
        self.capacity = capacity
        self.writer_open = True
        self.reader_open = True
        self.changed = asyncio.Event()
        self.reader = _PipeReader(self)
        self.writer = _PipeWriter(self)

    async def wait(self) -> None:
        """Until something changed."""
        self.changed.clear()
        await self.changed.wait()


class _PipeReader(Input):
    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe

    async def _receive(self) -> bytes:
        pipe = self._pipe
        while not pipe.chunks:
            if not pipe.writer_open:
                return b""
            await pipe.wait()
        chunk = pipe.chunks.popleft()
        pipe.size -= len(chunk)
        pipe.changed.set()
        return chunk

    def close(self) -> None:
        self._pipe.reader_open = False
        self._pipe.changed.set()


class _PipeWriter(Output):
    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    async def write(self, data: bytes) -> None:
        pipe = self._pipe
        while pipe.reader_open and pipe.size >= pipe.capacity:
            await pipe.wait()
        if not pipe.reader_open or not pipe.writer_open:
            raise BrokenPipe("the reading end is closed")
        if data:
            pipe.chunks.append(bytes(data))
            pipe.size += len(data)
            pipe.changed.set()

    def close(self) -> None:
        self._pipe.writer_open = False
        self._pipe.changed.set()
