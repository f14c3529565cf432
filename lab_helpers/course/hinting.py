"""What ``lab.hint()`` and ``lab.solution()`` show of a task."""

from __future__ import annotations

from lab_helpers.course.tasks import Task
from lab_helpers.views.display import Tones
from lab_helpers.views.panels import Detail, Panel

__all__ = ["hints_so_far", "solution_of"]


def hints_so_far(task: Task, shown: int) -> Panel:
    """The first ``shown`` hints of a task, and how many are left; each says more than the one before."""
    if not task.hints:
        return Panel(task.title, lines=("This task has no hints.",))
    more = len(task.hints) - shown
    tail = f"{more} more: lab.hint()" if more else "That was the last one; lab.solution() shows an answer."
    return Panel(task.title, Tones.NOTE.value, f"hint {shown} of {len(task.hints)}", (*task.hints[:shown], tail))


def solution_of(task: Task) -> Panel:
    """One answer that passes; to be copied into the task's cell and run there."""
    detail = Detail(f"Put this below %%task {task.name}", task.solution)
    return Panel(task.title, Tones.PLAIN.value, "solution", (), (), (detail,))
