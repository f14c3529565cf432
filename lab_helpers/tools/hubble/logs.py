"""Log lines on stderr as Go's log/slog writes them in text form."""

import re
import sys
import time
from typing import Any, TextIO

from lab_helpers.tools.goflags import go_quote

_NEEDS_QUOTES = re.compile(r'[\s="\x00-\x1f\x7f\u2028\u2029\ufffd]')


def _value(value: Any) -> str:
    text = str(value)
    if not text or _NEEDS_QUOTES.search(text) or not text.isprintable():
        return go_quote(text)
    return text


def log(level: str, message: str, stream: TextIO | None = None, **attributes: Any) -> None:
    """One line; underscores in attribute names stand for dashes."""
    now = time.time()
    zone = time.strftime("%z", time.localtime(now))
    shown = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now)) + f".{int(now % 1 * 1000):03d}{shown}"
    rest = "".join(f" {key.replace('_', '-')}={_value(value)}" for key, value in attributes.items())
    (stream or sys.stderr).write(f"time={stamp} level={level} msg={_value(message)}{rest}\n")
