"""The identity browser as text and as a page: identities with what uses them, and the timeline of addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lab_helpers.views.display import View, cell_text, escape
from lab_helpers.views.identities.catalogues import Catalogue, Entry, Kind, shown_labels
from lab_helpers.views.identities.histories import History, Line
from lab_helpers.views.style import asset
from lab_helpers.views.tables import Table

__all__ = ["IdentityPage", "entry_lines", "marks_of"]

_LINES: Final = 40
"""Addresses shown in a timeline; those with a story come first."""


@dataclass(frozen=True, slots=True)
class IdentityPage(View):
    """``now``: seconds since 1970 at which the timeline ends. ``note``: why there is nothing, and what to do.

    ``namespaces`` limit pods' identities (none: all).
    """

    catalogue: Catalogue
    history: History
    now: float = 0.0
    note: str = ""
    namespaces: tuple[str, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Identities of pods in the namespaces, reserved ones that rules are about, and addresses outside."""
        return tuple(entry for entry in self.catalogue.entries if self._shown(entry))

    def table(self) -> Table:
        """One row per identity."""
        rows = tuple(
            (
                str(entry.numeric),
                entry.name,
                ", ".join(map(str, entry.seats)) or _where(entry),
                ", ".join(entry.policies()) or "none",
            )
            for entry in self.entries
        )
        header = ("identity", "labels", "who carries it", "policies about it")
        return Table(header, rows, "Security identities", self.note or "no pod has an identity yet")

    def stories(self) -> tuple[Line, ...]:
        """The addresses that changed hands or identity."""
        return tuple(line for line in self._lines() if line.reused or line.relabelled)

    def text(self) -> str:
        """The table, every rule about every identity, and the addresses with a story."""
        parts = [self.table().text()]
        for entry in self.entries:
            if entry.uses:
                parts += ["", f"{entry.numeric} ({entry.name})", *(f"  {use}" for use in entry.uses)]
        parts += ["", "Addresses that changed hands or identity:"] if self.stories() else []
        for line in self.stories():
            parts += [f"  {span.tenure.sentence()}{_marks(line)}" for span in line.spans]
        parts += [note for note in (*self.catalogue.notes, self.note if self.entries else "") if note]
        return "\n".join(parts)

    def body(self) -> str:
        """The table with rules to unfold, and the timeline."""
        if not self.entries:
            return self.table().body()
        head = "".join(f'<th scope="col">{name}</th>' for name in self.table().header)
        rows = "".join(map(_row, self.entries))
        notes = [note for note in (*self.catalogue.notes, self.note) if note]
        return (
            f"<style>{asset('identities/timeline.css')}</style><h4>Security identities</h4>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"{_timeline(self._lines())}{''.join(f'<p>{cell_text(note)}</p>' for note in notes)}"
        )

    def _lines(self) -> tuple[Line, ...]:
        return self.history.lines(self.now, *self.namespaces)[:_LINES]

    def _shown(self, entry: Entry) -> bool:
        if entry.kind is Kind.PODS:
            if not self.namespaces:
                return True
            own = [text.partition("=")[2] for text in entry.labels if text.startswith(_NAMESPACE)]
            return bool(set(own) & set(self.namespaces))
        return bool(entry.uses) or entry.kind is Kind.OUTSIDE


_NAMESPACE: Final = "k8s:io.kubernetes.pod.namespace="


def entry_lines(entry: Entry) -> tuple[str, ...]:
    """Everything about one identity, line by line."""
    lines = [f"identity {entry.numeric}: {entry.name}", *(f"  label {label}" for label in entry.labels)]
    lines += [f"  carried by {seat}" for seat in entry.seats] or [f"  {_where(entry)}"]
    return (*lines, *(f"  {use}" for use in entry.uses))


def _where(entry: Entry) -> str:
    if entry.nodes:
        return f"addresses, by this number on {', '.join(entry.nodes)} only"
    return "reserved" if entry.kind is Kind.RESERVED else "nobody"


def _row(entry: Entry) -> str:
    seats = "<br>".join(escape(seat) for seat in entry.seats) or escape(_where(entry))
    if entry.uses:
        items = "".join(f"<li>{escape(use)}</li>" for use in entry.uses)
        uses = f"<details><summary>{escape(', '.join(entry.policies()))}</summary><ul>{items}</ul></details>"
    else:
        uses = "none"
    labels = "".join(f"<div><code>{escape(label)}</code></div>" for label in shown_labels(entry.labels))
    return f'<tr><th scope="row">{entry.numeric}</th><td>{labels}</td><td>{seats}</td><td>{uses}</td></tr>'


def _timeline(lines: Iterable[Line]) -> str:
    rows = "".join(
        f'<div class="cl-ids-line"><span class="cl-ids-address">{escape(line.address)}{escape(_marks(line))}</span>'
        f'<span class="cl-ids-track">{"".join(_bar(line, index) for index in range(len(line.spans)))}</span></div>'
        for line in lines
    )
    return f'<h4>Who held which address</h4><div class="cl-ids-time">{rows}</div>' if rows else ""


def _bar(line: Line, index: int) -> str:
    tenure, left, width = line.spans[index]
    ended = " cl-ids-ended" if tenure.end is not None else ""
    said = escape(tenure.sentence())
    return (
        f'<span class="cl-ids-bar{ended}" style="left:{left}%;width:{width}%" title="{said}">'
        f"{tenure.numeric} {escape(tenure.pod)}</span>"
    )


def marks_of(line: Line) -> str:
    """What is remarkable about an address, in words; empty when nothing is."""
    told = [word for word, holds in (("reused", line.reused), ("new identity", line.relabelled)) if holds]
    return " and ".join(told)


def _marks(line: Line) -> str:
    return f" ▲ {marks_of(line)}" if marks_of(line) else ""
