"""Rows for the page: binary columns, and a table of the strings they refer to.

A flow is 48 bytes: time (milliseconds since 1970) and number as 64-bit floats, eight columns as 32-bit integers
(the arrow is 0 for a request, 1 for a reply, 2 where that is unknown).
Strings (names, verdicts, summaries) repeat a lot, so they are sent once each; a table that has grown too large is
begun anew. Integers and floats are little-endian.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from lab_helpers.hubble.records import Record
from lab_helpers.views.flows import FlowRow, Peer, row
from lab_helpers.views.verdicts import flow_tone

__all__ = ["COLUMNS", "Packed", "Strings", "marks", "pack"]

COLUMNS: Final = ("left", "left_port", "arrow", "right", "right_port", "verdict", "seen", "details")
_MOST: Final = 50_000


class Strings:
    """Strings by number, in the order of their first use."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._by_key: dict[tuple[object, ...], int] = {}
        self.fresh: list[str] = []

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def full(self) -> bool:
        """Is it time to begin anew?"""
        return len(self._numbers) >= _MOST or len(self._by_key) >= _MOST

    def number(self, text: str) -> int:
        """The number of a string, a new one if need be."""
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self._numbers)
            self.fresh.append(text)
        return found

    def known(self, key: tuple[object, ...]) -> int | None:
        """The number of the string that ``learn`` was told for ``key``."""
        return self._by_key.get(key)

    def learn(self, key: tuple[object, ...], text: str) -> int:
        """The string that ``key`` always gives: looked up from then on, not made again."""
        found = self._by_key[key] = self.number(text)
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


def pack(records: Iterable[tuple[int, Record]], strings: Strings) -> Packed:
    """Pack (number, record) pairs; adds to ``strings``. A row is read in full only for what was not seen before."""
    base = len(strings)
    times, numbers = array("d"), array("d")
    columns = [array("I") for _ in COLUMNS]
    left, left_port, arrow, right, right_port, verdict, seen, details = columns
    for index, record in records:
        flow = record.flow
        times.append(record.time / 1e6)
        numbers.append(index)
        source: tuple[object, ...] = (record.source_ip, record.source_identity, record.source_namespace)
        target: tuple[object, ...] = (record.destination_ip, record.destination_identity, record.destination_namespace)
        place = (record.event_type, record.sub_type, record.direction, record.node_name)
        keys: tuple[tuple[object, ...], ...] = (
            (*source, record.source_pod) if record.source_pod else (*source, *flow.source_names),
            (*target, record.destination_pod) if record.destination_pod else (*target, *flow.destination_names),
            (*place, flow.policy_match_type, flow.sock_xlate_point, record.l7, flow.l7.type if record.l7 else 0),
            (record.verdict,),
        )
        found = [strings.known(key) for key in keys]
        shown: FlowRow | None = None
        if None in found:
            shown = row(flow)
            texts = (_name(shown.source), _name(shown.destination), _seen(shown), shown.verdict)
            found = [strings.learn(key, text) for key, text in zip(keys, texts, strict=True)]
        text = flow.Summary
        if flow.ingress_allowed_by or flow.egress_allowed_by or flow.ingress_denied_by or flow.egress_denied_by:
            shown = shown or row(flow)
            text = f"{shown.summary} · by {', '.join(shown.policies)}"
        ends = [(found[0], max(0, record.source_port)), (found[1], max(0, record.destination_port))]
        if record.is_reply:
            ends.reverse()
        left.append(ends[0][0] or 0)
        left_port.append(ends[0][1])
        arrow.append(2 if record.is_reply is None else int(record.is_reply))
        right.append(ends[1][0] or 0)
        right_port.append(ends[1][1])
        seen.append(found[2] or 0)
        verdict.append(found[3] or 0)
        details.append(strings.number(text))
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


def _name(peer: Peer) -> str:
    return f"{peer.name} ({peer.reserved})" if peer.reserved else peer.name


def _seen(row: FlowRow) -> str:
    return " ".join(part for part in (row.kind, row.direction.lower(), f"on {row.node}" if row.node else "") if part)
