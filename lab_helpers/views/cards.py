"""The card at the top of a lab: what it is about, what it needs, and what is running."""

from __future__ import annotations

from dataclasses import dataclass

from lab_helpers.views.display import Tones, View, badge, cell_text, escape

__all__ = ["LabCard"]


@dataclass(frozen=True, slots=True)
class LabCard(View):
    """``facts`` are short name/value pairs: backend, versions, namespaces. ``tasks`` are (title, passed)."""

    number: str
    title: str
    goals: tuple[str, ...]
    minutes: int
    facts: tuple[tuple[str, str], ...]
    tasks: tuple[tuple[str, bool], ...] = ()

    def text(self) -> str:
        """Title, goals, facts, tasks."""
        lines = [f"Lab {self.number} · {self.title} · about {self.minutes} minutes", "You will be able to:"]
        lines += [f"  - {goal}" for goal in self.goals]
        lines += [f"{name}: {value}" for name, value in self.facts]
        lines += [f"  {_mark(passed)[0]} {title} ({_mark(passed)[1]})" for title, passed in self.tasks]
        return "\n".join(lines)

    def body(self) -> str:
        """A panel."""
        goals = "".join(f"<li>{cell_text(goal)}</li>" for goal in self.goals)
        facts = " · ".join(f"{escape(name)}: <b>{cell_text(value)}</b>" for name, value in self.facts)
        tasks = ""
        if self.tasks:
            tasks = "".join(
                f"<li>{badge((Tones.GOOD if passed else Tones.PLAIN).value, _mark(passed)[1])} {cell_text(title)}</li>"
                for title, passed in self.tasks
            )
            tasks = f"<p>Tasks</p><ul>{tasks}</ul>"
        return (
            f'<div class="cl-panel cl-plain"><h4>Lab {escape(self.number)} · {cell_text(self.title)}'
            f' <span class="cl-faint">about {self.minutes} minutes</span></h4>'
            f"<p>You will be able to</p><ul>{goals}</ul>{tasks}<p>{facts}</p></div>"
        )


def _mark(passed: bool) -> tuple[str, str]:
    return ("✔", "passed") if passed else ("●", "open")
