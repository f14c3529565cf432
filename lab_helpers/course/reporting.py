"""A learner's progress as a view."""

from __future__ import annotations

from dataclasses import dataclass

from lab_helpers.course.records import PredictionRecord, Records, TaskRecord
from lab_helpers.course.tasks import Outline
from lab_helpers.views.display import Tones, View, cell_text
from lab_helpers.views.tables import Marked, Table

__all__ = ["Progress", "learner_progress"]


@dataclass(frozen=True, slots=True)
class Progress(View):
    """Tasks and predictions of one lab."""

    title: str
    tasks: tuple[tuple[str, TaskRecord], ...]
    predictions: tuple[PredictionRecord, ...]

    @property
    def score(self) -> str:
        """How the predictions fared."""
        settled = [record for record in self.predictions if record.right is not None]
        if not settled:
            return "no prediction settled yet"
        return f"{sum(bool(record.right) for record in settled)} of {len(settled)} predictions right"

    def table(self) -> Table:
        """One row per task."""
        rows = []
        for title, record in self.tasks:
            tone, word = (Tones.GOOD, "passed") if record.passed else (Tones.PLAIN, "open")
            seen = "seen" if record.solution_seen else ""
            rows.append((title, Marked(tone.value, word), str(record.attempts), str(record.hints), seen))
        return Table(("task", "state", "checks", "hints", "solution"), tuple(rows), self.title, "this lab has no tasks")

    def text(self) -> str:
        """Table and score."""
        return f"{self.table().text()}\n{self.score}"

    def body(self) -> str:
        """Table and score."""
        return f"{self.table().body()}<p>{cell_text(self.score)}</p>"


def learner_progress(outline: Outline, records: Records) -> Progress:
    """What the records say about one lab."""
    tasks = tuple((task.title, records.task(outline.name, task.name)) for task in outline.tasks.values())
    return Progress(f"Lab {outline.number} · {outline.title}", tasks, tuple(records.predictions(outline.name)))
