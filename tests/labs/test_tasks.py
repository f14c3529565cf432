"""Every task, on a twin: the solution passes, the starter fails, a known wrong answer gets the hint meant for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab_helpers.course.checking import CheckResult
from lab_helpers.course.reading import read_lab
from lab_helpers.course.sessions import Lab
from lab_helpers.course.tasks import OutputCheck, Task, WrongAnswer
from tests.labs.conftest import time_lapse

LABS = Path(__file__).resolve().parents[2] / "labs"
TASKS = [
    (outline.name, task)
    for outline in (read_lab(mark.parent) for mark in sorted(LABS.glob("*/lab.yaml")))
    for task in outline.tasks.values()
]


EVERY = [pytest.param(lab, task, id=f"{lab}-{task.name}") for lab, task in TASKS]
WRONG = [
    pytest.param(lab, task, wrong, id=f"{lab}-{task.name}-{wrong.name.replace(' ', '-')}")
    for lab, task in TASKS
    for wrong in task.wrong
]


def attempt(lab: Lab, task: Task, answer: str) -> CheckResult:
    """What a learner does in the notebook: what came before, the answer, the check."""
    if task.begins_with:
        assert "✔ applied" in lab.apply(task.begins_with).text()
    if any(isinstance(check, OutputCheck) for check in task.checks):
        lab.matrix()
    with time_lapse(lambda: lab.cluster):
        if task.begins_after:
            done = lab.tools.shell(task.begins_after)
            assert done, done.output
        lab.answer(task.name, answer)
    return lab.check(task.name)


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_the_solution_passes(at_start: Callable[[str], Lab], name: str, task: Task) -> None:
    result = attempt(at_start(name), task, task.solution)
    assert result.passed, result.text()


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_the_starter_fails_with_a_hint(at_start: Callable[[str], Lab], name: str, task: Task) -> None:
    result = attempt(at_start(name), task, task.starter)
    assert not result.passed
    assert result.hint


@pytest.mark.parametrize(("name", "task", "wrong"), WRONG)
def test_a_known_wrong_answer_gets_its_own_hint(
    at_start: Callable[[str], Lab], name: str, task: Task, wrong: WrongAnswer
) -> None:
    result = attempt(at_start(name), task, wrong.answer)
    assert not result.passed
    assert result.hinted == wrong.hinted, result.text()
