"""Steps that say what they do and how long it took, and that do nothing when their work is done already."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = ["Lines", "Noted", "Reporter", "reporter", "reporting"]


class Reporter(Protocol):
    """Told what happens. ``seconds`` is how long a step took."""

    def begin(self, step: str) -> None:
        """A step begins."""

    def detail(self, line: str) -> None:
        """It says something."""

    def end(self, step: str, seconds: float, note: str) -> None:
        """It is done; ``note`` is what is worth saying of it."""

    def broke(self, step: str, seconds: float) -> None:
        """It failed, or was interrupted."""


class Lines:
    """A line for each step, for logs and for terminals that are none."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def begin(self, step: str) -> None:
        """Said when a step begins: it may take minutes."""
        self._write(f"… {step}")

    def detail(self, line: str) -> None:
        """What the program says is only quoted when it fails."""

    def end(self, step: str, seconds: float, note: str) -> None:
        """The result."""
        self._write(f"✔ {step} ({seconds:.1f} s){': ' + note if note else ''}")

    def broke(self, step: str, seconds: float) -> None:
        """The failure."""
        self._write(f"✖ {step} (after {seconds:.1f} s)")


class _Live:
    """The running step with its seconds and last words, on a terminal."""

    def __init__(self, console: Any) -> None:
        self._console = console
        self._status: Any = None
        self._step: Any = None

    def begin(self, step: str) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        said = TextColumn("{task.fields[said]}")
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), said)
        self._status = Progress(*columns, console=self._console, transient=True)
        self._status.start()
        self._step = self._status.add_task(step, total=None, said="")

    def detail(self, line: str) -> None:
        if self._status is not None:
            self._status.update(self._step, said=line.strip()[:70])

    def end(self, step: str, seconds: float, note: str) -> None:
        self._stop()
        self._console.print(f"✔ {step} ({seconds:.1f} s){': ' + note if note else ''}", highlight=False)

    def broke(self, step: str, seconds: float) -> None:
        self._stop()
        self._console.print(f"✖ {step} (after {seconds:.1f} s)", highlight=False)

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def reporter(*, quiet: bool = False) -> Reporter:
    """For standard error: live on a terminal, lines elsewhere, nothing when quiet."""
    if quiet:
        return Lines(lambda _line: None)
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal and "CI" not in os.environ:
        return _Live(console)
    return Lines(lambda line: print(line, file=sys.stderr, flush=True))


class Noted:
    """What a step found out, for its line."""

    def __init__(self) -> None:
        self.text = ""


@contextmanager
def reporting(to: Reporter, step: str) -> Iterator[Noted]:
    """Report a step around the block; set ``text`` of what is given to say more."""
    began, noted = time.monotonic(), Noted()
    to.begin(step)
    try:
        yield noted
    except BaseException:
        to.broke(step, time.monotonic() - began)
        raise
    to.end(step, time.monotonic() - began, noted.text)
