"""Rows for the page: binary columns, and a table of the strings they refer to.

A flow is 48 bytes: time (milliseconds since 1970) and number as 64-bit floats, eight columns as 32-bit integers.
Strings (names, verdicts, summaries) repeat a lot, so they are sent once each; a table that has grown too large is
begun anew. Integers and floats are little-endian.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from lab_helpers.views.flows import FlowRow
from lab_helpers.views.verdicts import flow_tone

__all__ = ["COLUMNS", "Packed", "Strings", "pack"]

COLUMNS: Final = ("left", "left_port", "arrow", "right", "right_port", "verdict", "seen", "details")
_ARROWS: Final = {"->": 0, "<-": 1, "<>": 2}
_MOST: Final = 50_000


class Strings:
    """Strings by number, in the order of their first use."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.fresh: list[str] = []

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def full(self) -> bool:
        """Is it time to begin anew?"""
        return len(self._numbers) >= _MOST

    def number(self, text: str) -> int:
        """The number of a string, a new one if need be."""
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self._numbers)
            self.fresh.append(text)
        return found

    def take(self) -> list[str]:
        """The strings that were added since the last call."""
        taken, self.fresh = self.fresh, []
        return taken


class Packed(NamedTuple):
    """``buffers``: times, numbers, then the columns in one; ``strings`` begin at ``base`` of the page's table."""

    amount: int
    base: int
    strings: Sequence[str]
    buffers: tuple[bytes, bytes, bytes]


def pack(rows: Iterable[tuple[int, FlowRow]], strings: Strings) -> Packed:
    """Pack (number, row) pairs; adds to ``strings``."""
    base = len(strings)
    times, numbers = array("d"), array("d")
    columns = [array("I") for _ in COLUMNS]
    left, left_port, arrow, right, right_port, verdict, seen, details = columns
    number = strings.number
    for index, row in rows:
        times.append(row.time.timestamp() * 1000)
        numbers.append(index)
        first, second = row.ends
        left.append(number(_name(first.name, first.reserved)))
        left_port.append(first.port)
        arrow.append(_ARROWS[row.arrow])
        right.append(number(_name(second.name, second.reserved)))
        right_port.append(second.port)
        verdict.append(number(row.verdict))
        seen.append(number(_seen(row)))
        details.append(number(f"{row.summary} · by {', '.join(row.policies)}" if row.policies else row.summary))
    if sys.byteorder == "big":
        times.byteswap()
        numbers.byteswap()
        for column in columns:
            column.byteswap()
    body = b"".join(column.tobytes() for column in columns)
    return Packed(len(times), base, strings.take(), (times.tobytes(), numbers.tobytes(), body))


def marks(verdicts: Iterable[str]) -> dict[str, dict[str, str]]:
    """Icon and mark of verdicts, for the page."""
    found = {}
    for verdict in verdicts:
        tone = flow_tone(verdict)
        found[verdict] = {"icon": tone.icon, "mark": tone.css.replace("cl-", "cl-mark-"), "word": verdict}
    return found


def _name(name: str, reserved: str) -> str:
    return f"{name} ({reserved})" if reserved else name


def _seen(row: FlowRow) -> str:
    return " ".join(part for part in (row.kind, row.direction.lower(), f"on {row.node}" if row.node else "") if part)
