"""A container's output, kept in bounded memory, with the time of each line (the runtime's log file and the kubelet's
reader)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NamedTuple

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.streams import Output

__all__ = ["Log", "LogOutput"]

LIMIT = 1024 * 1024
LINE_LIMIT = 16 * 1024


class Line(NamedTuple):
    """One line with its newline; ``number`` counts from 0 over the container's life."""

    number: int
    written: datetime
    at: float
    text: bytes


class Log:
    """Lines of one run of a container; the oldest go when more than 1 MiB is held, as log rotation does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: deque[Line] = deque()
        self._size = 0
        self._count = 0
        self._closed = False
        self._waiting: set[asyncio.Future[None]] = set()

    def append(self, text: bytes) -> None:
        """Add one line."""
        if not text.endswith(b"\n"):
            text += b"\n"
        self._lines.append(Line(self._count, self._clock.now(), self._clock.monotonic(), text))
        self._count += 1
        self._size += len(text)
        while self._size > LIMIT and len(self._lines) > 1:
            self._size -= len(self._lines.popleft().text)
        self._notify()

    def close(self) -> None:
        """The container ended: followers end too."""
        self._closed = True
        self._notify()

    async def read(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Lines, oldest first. ``since`` in clock seconds (``Clock.monotonic``); ``tail`` counts from the end of what
        is there now."""
        start = 0 if tail is None else max(self._count - tail, 0)
        left = limit_bytes
        while True:
            for line in [one for one in self._lines if one.number >= start]:
                start = line.number + 1
                if since is not None and line.at < since:
                    continue
                text = _stamp(line.written) + line.text if timestamps else line.text
                if left is not None:
                    text = text[:left]
                    left -= len(text)
                if text:
                    yield text
                if left == 0:
                    return
            if self._lines and self._lines[-1].number >= start:
                continue
            if not follow or self._closed:
                return
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(news)
            try:
                await news
            finally:
                self._waiting.discard(news)

    def _notify(self) -> None:
        for news in self._waiting:
            if not news.done():
                news.set_result(None)


class LogOutput(Output):
    """Standard output or error of a container's main process: cuts the stream into lines."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._partial = bytearray()

    async def write(self, data: bytes) -> None:
        """Add complete lines to the log; keep the rest until its newline comes."""
        self._partial += data
        while (index := self._partial.find(b"\n")) >= 0:
            self._log.append(bytes(self._partial[: index + 1]))
            del self._partial[: index + 1]
        while len(self._partial) >= LINE_LIMIT:
            self._log.append(bytes(self._partial[:LINE_LIMIT]))
            del self._partial[:LINE_LIMIT]

    def close(self) -> None:
        """Write the last, unfinished line."""
        if self._partial:
            self._log.append(bytes(self._partial))
            self._partial.clear()


def _stamp(moment: datetime) -> bytes:
    """RFC 3339 with nanoseconds, as ``kubectl logs --timestamps`` prints (Go's RFC3339Nano)."""
    fraction = f"{moment.microsecond:06d}000".rstrip("0")
    whole = (moment - timedelta(microseconds=moment.microsecond)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}{'.' + fraction if fraction else ''}Z ".encode()
