"""What came of running labs, as values, and the judgement: did this lab pass?

Solved, every cell runs, every task passes, every prediction turns out as the course says, and no shell cell fails
unless it is tagged ``may-fail``. Unsolved, every cell runs and no starter passes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lab_helpers.course.records import Records
from lab_helpers.course.tasks import Outline

__all__ = ["MAY_FAIL", "CellTime", "Failure", "LabResult", "judge", "summary"]

MAY_FAIL: Final = "may-fail"
"""Tag of a cell whose shell command is meant to fail."""


@dataclass(frozen=True, slots=True)
class Failure:
    """``cell`` is the execution count as the page shows it (0: no cell), ``source`` the first line of that cell."""

    what: str
    reason: str
    cell: int = 0
    source: str = ""

    def __str__(self) -> str:
        place = f"cell [{self.cell}] {self.source}: " if self.cell else ""
        return f"{place}{self.what}: {self.reason}"


@dataclass(frozen=True, slots=True)
class CellTime:
    """A code cell that ran."""

    index: int
    source: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LabResult:
    """One lab. ``facts`` are backend, versions and the course's revision; ``started`` is ISO 8601 UTC.

    ``skipped`` says why a lab was not run at all; it is empty for one that was.
    """

    lab: str
    title: str
    solved: bool
    started: str
    seconds: float
    cells: tuple[CellTime, ...]
    failures: tuple[Failure, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    notebook: str = ""
    page: str = ""
    skipped: str = ""

    @property
    def passed(self) -> bool:
        """No failure of any kind."""
        return not self.failures

    def stamp(self) -> dict[str, Any]:
        """What a page says about where it comes from."""
        return {
            "lab": self.lab,
            "passed": self.passed,
            **({"skipped": self.skipped} if self.skipped else {}),
            "solved": self.solved,
            "when": self.started,
            "seconds": round(self.seconds, 1),
            **self.facts,
        }


def judge(
    outline: Outline,
    records: Records,
    *,
    solved: bool,
    cells: Sequence[Mapping[str, Any]],
    undecided: Collection[str] = (),
) -> list[Failure]:
    """What is wrong besides cells that raised. ``cells`` are the executed notebook's; ``undecided`` the keys of the
    limitations under which this cluster's answers to predictions count as given, whatever they are.
    """
    tasks = {task: records.task(outline.name, task) for task in outline.tasks}
    if not solved:
        what = "its starter passes, so there is nothing to solve"
        return [Failure(f"task {name}", what) for name, record in tasks.items() if record.passed]
    failures = []
    for name, record in tasks.items():
        if record.last_passed is None:
            failures.append(Failure(f"task {name}", "the notebook never checks it"))
        elif not record.last_passed:
            failures.append(Failure(f"task {name}", "its solution does not pass the last check"))
    for name, asked in outline.predictions.items():
        prediction = records.prediction(outline.name, name)
        if not prediction.truth:
            failures.append(Failure(f"prediction {name}", "the notebook never settles it"))
        elif prediction.truth != prediction.expected and asked.limitation not in undecided:
            reason = f"the course says {prediction.expected}, the cluster says {prediction.truth}"
            failures.append(Failure(f"prediction {name}", reason))
    by_count = {cell.get("execution_count"): cell for cell in cells if cell.get("cell_type") == "code"}
    for _lab, count, code, line in records.shells():
        cell = by_count.get(count, {})
        if MAY_FAIL not in cell.get("metadata", {}).get("tags", ()):
            failures.append(Failure(line, f"exit code {code}", count, first_line(str(cell.get("source", "")))))
    return failures


def summary(results: Sequence[LabResult]) -> dict[str, Any]:
    """All labs as JSON."""
    return {
        "passed": all(result.passed for result in results),
        "labs": [
            {
                **result.stamp(),
                "title": result.title,
                "notebook": result.notebook,
                "page": result.page,
                "failures": [
                    {"what": item.what, "reason": item.reason, "cell": item.cell, "source": item.source}
                    for item in result.failures
                ],
            }
            for result in results
        ],
    }


def first_line(source: str) -> str:
    """The first line of a cell, shortened."""
    line = source.strip().splitlines()[0] if source.strip() else ""
    return line if len(line) <= 60 else line[:59] + "…"
