"""An answer that had no effect gets a hint about itself, not about the cluster."""

from __future__ import annotations

import dataclasses

import pytest

from lab_helpers.course.answering import Answer
from lab_helpers.course.checking import check_task
from lab_helpers.course.obstacles import ELSEWHERE, FAILED, NOT_APPLIED, REFUSED, obstacle_of, other_lab
from lab_helpers.course.tasks import Diagnosis, ObjectCheck, OutputCheck, Task, TaskKind
from lab_helpers.course.tooling import Ran
from tests.course.fakes import FakeApi

GONE = ObjectCheck("gone", "it is gone", "the pods get in", "CiliumNetworkPolicy", "shop")
VALID = ObjectCheck(
    "valid", "Cilium took it", "one rule, please", "CiliumNetworkPolicy", "shop",
    fields=(("status.conditions[?type=Valid].status", "True"),),
)  # fmt: skip
TASK = Task("t", "Nobody", TaskKind.MANIFEST, "", "", "", (), (GONE,))

YAML = "error: error parsing STDIN: error converting YAML to JSON: yaml: line 7: found a tab\n"
ESCAPE = "error: error parsing STDIN: error converting YAML to JSON: yaml: line 11: found unknown escape character\n"
FIELD = (
    'Error from server (BadRequest): error when creating "STDIN": CiliumNetworkPolicy in version "v2" cannot be handled'
    ' as a CiliumNetworkPolicy: strict decoding error: unknown field "spec.ingress[0].matchLabels"\n'
)
TYPE = (
    'The CiliumNetworkPolicy "x" is invalid: \n* spec.ingress[0].port: Invalid value: "integer":'
    ' spec.ingress[0].port in body must be of type string: "integer"\n* <nil>: Invalid value: null\n'
)


def answer(code: int = 0, output: str = "", *refused: str) -> Answer:
    return Answer("", Ran(code, output), (), refused)


@pytest.mark.parametrize(
    ("output", "quoted", "advice"),
    [
        (YAML, "`yaml: line 7: found a tab`", "never with tabs"),
        (ESCAPE, "`yaml: line 11: found unknown escape character`", "single quotes"),
        (FIELD, '`unknown field "spec.ingress[0].matchLabels"`', "wrong depth"),
        (TYPE, "must be of type string", "in quotes"),
        ("", "nothing has changed.", ""),
    ],
)
def test_what_kubectl_did_not_take(output: str, quoted: str, advice: str) -> None:
    obstacle = obstacle_of(answer(1, output), TaskKind.MANIFEST)
    assert obstacle is not None
    assert obstacle.key == NOT_APPLIED
    assert quoted in obstacle.hint
    assert advice in obstacle.hint


def test_a_command_that_failed() -> None:
    obstacle = obstacle_of(answer(1, "one\nError: unknown flag: --replica\nsee --help\n"), TaskKind.SHELL)
    assert obstacle == (FAILED, "A command of the cell ended with an error: `Error: unknown flag: --replica`.")


def test_what_is_wrong_may_stand_in_the_lines_after_it() -> None:
    said = "Error: INSTALLATION FAILED: values do not fit:\ncilium:\n- at '/hubble/relay': got boolean, want object\n"
    obstacle = obstacle_of(answer(1, said), TaskKind.SHELL)
    assert obstacle is not None
    assert "do not fit: cilium: - at '/hubble/relay': got boolean, want object" in obstacle.hint


def test_a_list_where_one_value_belongs() -> None:
    said = 'The policy "x" is invalid: spec.a: Invalid value: "array": spec.a in body must be of type string: "array"'
    obstacle = obstacle_of(answer(1, said), TaskKind.MANIFEST)
    assert obstacle is not None
    assert obstacle.hint.endswith("no list.")


def test_a_command_that_failed_printed_its_error_and_not_what_was_asked_for() -> None:
    wanted = OutputCheck("drops", "every line is a drop", "filter by verdict", every="DROPPED")
    task = dataclasses.replace(TASK, kind=TaskKind.SHELL, checks=(wanted,), diagnoses=())
    said = "unknown flag: --verdicts\n"
    obstacle = obstacle_of(answer(1, said), TaskKind.SHELL)
    result = check_task(FakeApi(), None, task, output=said, obstacle=obstacle)
    assert result.hinted == FAILED
    assert "verdict" in result.hint
    assert "filter by" not in result.hint
    nothing = check_task(FakeApi(), None, task, output="", obstacle=obstacle_of(answer(1, ""), TaskKind.SHELL))
    assert nothing.hint == "A command of the cell ended with an error. filter by verdict"


def test_an_answer_that_was_taken_stands_in_nobodys_way() -> None:
    assert obstacle_of(answer(0, "created\n"), TaskKind.MANIFEST) is None


def test_what_was_not_applied_comes_before_everything_else() -> None:
    task = dataclasses.replace(TASK, diagnoses=(Diagnosis("known", "a known mistake"),))
    result = check_task(FakeApi(), None, task, obstacle=obstacle_of(answer(1, FIELD), TaskKind.MANIFEST))
    assert result.hinted == NOT_APPLIED


def test_another_lab_since_is_told() -> None:
    assert other_lab("", "hubble") is other_lab("hubble", "hubble") is None
    result = check_task(FakeApi(), None, TASK, obstacle=other_lab("l3-l4-policies", "hubble"))
    assert result.hinted == ELSEWHERE
    assert "`l3-l4-policies`" in result.hint
    assert "first cell again" in result.hint


def test_a_refused_policy_is_named_unless_the_task_knows_better() -> None:
    refused = obstacle_of(answer(0, "created", "port range is invalid"), TaskKind.MANIFEST)
    result = check_task(FakeApi(), None, TASK, obstacle=refused)
    assert result.hinted == REFUSED
    assert "port range is invalid" in result.hint
    known = dataclasses.replace(TASK, diagnoses=(Diagnosis("known", "a known mistake"),))
    assert check_task(FakeApi(), None, known, obstacle=refused).hinted == "known"
    asked = dataclasses.replace(TASK, checks=(VALID,))
    assert check_task(FakeApi(), None, asked, obstacle=refused).hint == "one rule, please"


def test_a_failed_command_is_told_before_the_hint() -> None:
    failed = obstacle_of(answer(1, "Error: no"), TaskKind.SHELL)
    result = check_task(FakeApi(), None, TASK, obstacle=failed)
    assert result.hinted == "gone"
    assert result.hint == "A command of the cell ended with an error: `Error: no`. the pods get in"
