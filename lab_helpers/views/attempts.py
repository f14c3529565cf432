"""One attempt to connect: what was run, how it ended, and the flows that explain it."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab_helpers.views.display import View, badge, cell_text, escape
from lab_helpers.views.flows import FlowRow, FlowTable
from lab_helpers.views.verdicts import Outcome

__all__ = ["Attempt", "explaining"]

_SHOWN_OUTPUT = 600


@dataclass(frozen=True, slots=True)
class Attempt(View):
    """``source`` is ``namespace/workload``, ``pod`` the pod that ran ``command``; ``note`` says why flows are missing.

    ``settled`` is the line about a prediction that this attempt decided.
    """

    source: str
    pod: str
    command: str
    exit_code: int
    output: str
    outcome: Outcome
    seconds: float
    flows: tuple[FlowRow, ...] = field(default=())
    note: str = ""
    settled: str = ""

    @property
    def answered(self) -> bool:
        """Did the command get its answer?"""
        return self.outcome is Outcome.ANSWERED

    @property
    def reason(self) -> str:
        """Where and why the connection was dropped, from the flows; empty when nothing was."""
        for row in self.flows:
            if row.verdict == "DROPPED" and row.reason:
                by = f", by {', '.join(row.policies)}" if row.policies else ""
                where = f" at the {row.direction.lower()} of {_policed(row)}" if row.direction else ""
                return f"{row.reason}{where}, on {row.node}{by}" if row.node else f"{row.reason}{where}{by}"
        return ""

    def text(self) -> str:
        """Verdict, output, explaining flows."""
        lines = [f"{self.source} $ {self.command}", f"{self.outcome.tone.icon} {self.outcome.words}{self._ending()}"]
        if self.reason:
            lines.append(f"  why: {self.reason}")
        if self.output.strip():
            lines += ["  " + line for line in _short(self.output).splitlines()]
        table = FlowTable(explaining(self.flows))
        if table.rows:
            lines.append(table.text())
        lines += [part for part in (self.note, self.settled) if part]
        return "\n".join(lines)

    def body(self) -> str:
        """The same, as a panel."""
        tone = self.outcome.tone
        parts = [
            f'<div class="cl-panel {tone.css}"><p><code>{escape(self.source)} $ {escape(self.command)}</code></p>',
            f"<p>{badge(tone, self.outcome.words)}{escape(self._ending())}</p>",
        ]
        if self.reason:
            parts.append(f"<p><b>Why:</b> {cell_text(self.reason)}</p>")
        if self.output.strip():
            parts.append(f"<pre>{escape(_short(self.output))}</pre>")
        shown = explaining(self.flows)
        if shown:
            parts.append(FlowTable(shown).body())
        if self.note:
            parts.append(f'<p class="cl-faint">{cell_text(self.note)}</p>')
        if self.settled:
            parts.append(f"<p><b>{cell_text(self.settled)}</b></p>")
        return "".join(parts) + "</div>"

    def _ending(self) -> str:
        return "" if self.exit_code == 0 or self.outcome is Outcome.NOT_RUN else f" (exit code {self.exit_code})"


def explaining(flows: tuple[FlowRow, ...], limit: int = 7) -> tuple[FlowRow, ...]:
    """The flows that explain an outcome: translation, first packet, decisions, drops; at most ``limit``.

    Looking up the name is left out unless that is what failed. Repetitions (each SYN is sent again) count once.
    """
    own = [row for row in flows if not _is_lookup(row)] or list(flows)
    seen: set[tuple[str, ...]] = set()
    kept = []
    for row in own:
        key = (row.source.name, row.destination.name, row.kind, row.verdict, row.direction, row.node, row.summary)
        if key not in seen and (row.verdict == "DROPPED" or _begins(row)):
            seen.add(key)
            kept.append(row)
    return tuple(kept[:limit])


def _is_lookup(row: FlowRow) -> bool:
    return row.verdict != "DROPPED" and 53 in (row.source.port, row.destination.port)


def _begins(row: FlowRow) -> bool:
    """Translation, decision, first packet, its answer."""
    if row.kind.startswith(("policy-verdict", "http", "pre-xlate-fwd", "post-xlate-fwd")):
        return True
    return row.kind.startswith("to-") and "FIN" not in row.summary and not row.summary.endswith((": ACK", "PSH"))


def _policed(row: FlowRow) -> str:
    return row.destination.name if row.direction == "INGRESS" else row.source.name


def _short(output: str) -> str:
    output = output.rstrip()
    return output if len(output) <= _SHOWN_OUTPUT else output[:_SHOWN_OUTPUT] + " …"
