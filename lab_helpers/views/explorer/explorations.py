"""What the flow explorer shows, as text and as HTML: the command, the state of the source, the newest flows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from lab_helpers.views.display import View, badge, cell_text, escape
from lab_helpers.views.explorer.commands import Command
from lab_helpers.views.flows import FlowRow, FlowTable
from lab_helpers.views.live.statuses import Status
from lab_helpers.views.verdicts import flow_tone

__all__ = ["SHOWN", "Exploration"]

SHOWN = 30
"""Flows in the static forms."""


@dataclass(frozen=True, slots=True)
class Exploration(View):
    """``rows`` are the newest flows that pass, oldest first; ``passed`` of ``known`` flows did; ``lost`` never came.

    The state of the source is told only when something is wrong with it: on paper nothing is live.
    """

    command: Command
    status: Status
    rows: tuple[FlowRow, ...]
    passed: int
    known: int
    lost: int = 0

    def table(self) -> FlowTable:
        """The newest flows."""
        empty = "no flow passes the filters" if self.known else "no flows yet"
        return FlowTable(self.rows[-SHOWN:], "", empty)

    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many of ``rows`` have each verdict, most first."""
        found = Counter(row.verdict for row in self.rows)
        return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def text(self) -> str:
        """State, command, counts, newest flows."""
        state = [] if self.status.live else [self.status.text()]
        lines = ["Flow explorer", *state, f"$ {self.command.shell}"]
        if self.command.fault:
            fault = self.command.fault
            lines += [f"  {self.command.line}", f"  {' ' * fault.start}{'^' * (fault.end - fault.start)} {fault.what}"]
        lines += list(self.command.notes)
        counts = " · ".join(f"{flow_tone(verdict).icon} {verdict} {number}" for verdict, number in self.counts())
        lines.append(f"{self._amount()}{': ' + counts if counts else ''}")
        return "\n".join([*lines, self.table().text()])

    def body(self) -> str:
        """The same, as a panel."""
        counts = " ".join(badge(flow_tone(verdict), f"{verdict} {number}") for verdict, number in self.counts())
        fault = ""
        if self.command.fault:
            start, end = self.command.fault.start, self.command.fault.end
            line = self.command.line
            marked = f"{escape(line[:start])}<mark>{escape(line[start:end])}</mark>{escape(line[end:])}"
            fault = f"<p><code>{marked}</code> {cell_text(self.command.fault.what)}</p>"
        notes = "".join(f'<p class="cl-faint">{cell_text(note)}</p>' for note in self.command.notes)
        return (
            f'<div class="cl-panel cl-plain"><h4>Flow explorer</h4>{"" if self.status.live else self.status.body()}'
            f"<p><code>$ {escape(self.command.shell)}</code></p>{fault}{notes}"
            f"<p>{self._amount()} {counts}</p>{self.table().body()}</div>"
        )

    def _amount(self) -> str:
        shown = min(len(self.rows), SHOWN)
        newest = f", the newest {shown} below" if shown < self.passed else ""
        lost = f"; Hubble lost {self.lost} more" if self.lost else ""
        return f"{self.passed} of {self.known} flows pass{newest}{lost}"
