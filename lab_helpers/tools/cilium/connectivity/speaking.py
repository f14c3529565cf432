"""Lines of a run: with the time of day when asked for, whole tests at once when several run beside each other."""

import datetime as dt
import threading
from typing import TextIO


class Speaker:
    """Writes to one stream. Several threads may speak: each with a `part` of its own."""

    def __init__(self, out: TextIO, *, timestamps: bool = False) -> None:
        self._out = out
        self._timestamps = timestamps
        self._lock = threading.Lock()
        self._fresh = True

    def say(self, line: str = "") -> None:
        """A line, at once."""
        with self._lock:
            self._out.write(("" if self._fresh else "\n") + self.stamped(line) + "\n")
            self._fresh = True
            self._out.flush()

    def dot(self) -> None:
        """One action went as expected."""
        with self._lock:
            self._out.write(".")
            self._fresh = False
            self._out.flush()

    def stamped(self, line: str) -> str:
        """The line with the time of day in front, when that was asked for."""
        if not self._timestamps or not line:
            return line
        return f"[{dt.datetime.now():%H:%M:%S}] {line}"  # noqa: DTZ005 - a person's clock

    def part(self) -> "Part":
        """A speaker that keeps its lines together until it is told to let go."""
        return Part(self)


class Part(Speaker):
    """What one test says; `flush` hands it on in one piece."""

    def __init__(self, whole: Speaker) -> None:
        self._whole = whole
        self._lines: list[str] = []
        self._dots = ""

    def say(self, line: str = "") -> None:
        """Keep a line."""
        self._end_dots()
        self._lines.append(line)

    def dot(self) -> None:
        """Keep a dot."""
        self._dots += "."

    def flush(self) -> None:
        """Hand everything on."""
        self._end_dots()
        if self._lines:
            self._whole.say("\n".join(self._lines))
        self._lines.clear()

    def _end_dots(self) -> None:
        if self._dots:
            self._lines.append(self._dots)
            self._dots = ""
