"""Log lines as Cilium's programs write them (Go's slog text handler)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from lab_helpers.twin.clock import Clock

__all__ = ["AgentLog", "format_line"]


_BARE = re.compile(r'[^\s"=]+')


def _quote(value: object) -> str:
    text = str(value)
    if _BARE.fullmatch(text) and text.isprintable():
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def format_line(time: str, level: str, message: str, fields: dict[str, object]) -> str:
    """``time=… level=info msg="…" key=value``."""
    parts = [f"time={time}", f"level={level}", f"msg={_quote(message)}"]
    return " ".join([*parts, *(f"{key}={_quote(value)}" for key, value in fields.items())])


class AgentLog:
    """Lines wait here until the program whose log it is writes them out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self.mirror: Callable[[str], None] | None = None

    def info(self, message: str, **fields: object) -> None:
        """An ordinary event."""
        self._add("info", message, fields)

    def warning(self, message: str, **fields: object) -> None:
        """Something a person should look at."""
        self._add("warn", message, fields)

    def error(self, message: str, **fields: object) -> None:
        """A failure."""
        self._add("error", message, fields)

    def _add(self, level: str, message: str, fields: dict[str, object]) -> None:
        stamp = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line = format_line(stamp, level, message, fields)
        self._lines.put_nowait(line)
        if self.mirror is not None:
            self.mirror(line)

    async def next(self) -> str:
        """The oldest line not yet written."""
        return await self._lines.get()

    def drain(self) -> list[str]:
        """All lines not yet written."""
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get_nowait())
        return lines
