"""A command of ours as a program: UTF-8 on its streams, Ctrl-C, and readers that leave early, as with ``| head``."""

import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import TextIO

__all__ = ["execute", "utf8"]

INTERRUPTED = 130


def utf8(stream: TextIO) -> TextIO:
    """`stream` writing UTF-8 with ``\\n``, whatever the locale; undecodable bytes pass through."""
    if isinstance(stream, io.TextIOWrapper):
        with contextlib.suppress(ValueError, OSError):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
    return stream


def execute(run: Callable[[], int], out: TextIO, *, unread: int) -> int:
    """Call `run` and return its exit status: 130 after Ctrl-C, `unread` when whoever read `out` has left."""
    try:
        status = run()
        out.flush()
    except BrokenPipeError:
        # keeps the interpreter from complaining when it flushes at its end
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return unread
    except KeyboardInterrupt:
        return INTERRUPTED
    return status
