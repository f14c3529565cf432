"""Lab folders become values; what is wrong with a file is said with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_helpers.course.errors import TaskFileError
from lab_helpers.course.fields import matches, select
from lab_helpers.course.reading import read_predictions, read_task
from lab_helpers.course.tasks import FlowCheck, ObjectCheck, ProbeCheck, TaskKind
from lab_helpers.views.verdicts import Outcome

TASK = """\
task: one
title: The first
kind: manifest
statement: Do it.
starter: |
  kind: A
solution: |
  kind: B
hints:
  - Look closer.
checks:
  - key: works
    says: it works
    hint: it does not
    probe: {from: shop/frontend, url: "http://backend/", expect: 200}
  - key: silent
    says: nobody else
    probe: {from: dev/intruder, run: "nc -z redis 6379", expect: [timeout, refused]}
  - key: seen
    says: Hubble saw it
    flow: {from: dev/intruder, run: "nc -z redis 6379", verdict: DROPPED}
  - key: there
    says: the policy is valid
    object:
      kind: CiliumNetworkPolicy
      namespace: shop
      fields: {"status.conditions[?type=Valid].status": "True"}
diagnoses:
  - key: port
    failed: [works]
    hint: mind the port
wrong:
  - name: service port
    answer: |
      kind: C
    hinted: port
"""


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "one.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_task_is_read(tmp_path: Path) -> None:
    task = read_task(write(tmp_path, TASK))
    works, silent, seen, there = task.checks
    assert task.kind is TaskKind.MANIFEST
    assert (task.starter, task.solution) == ("kind: A\n", "kind: B\n")
    assert isinstance(works, ProbeCheck)
    assert works.output == "200"
    assert (
        works.probe.command == "curl -s -o /dev/null --connect-timeout 1 --max-time 3 -w '%{http_code}' http://backend/"
    )
    assert isinstance(silent, ProbeCheck)
    assert silent.expect == (Outcome.TIMEOUT, Outcome.REFUSED)
    assert isinstance(seen, FlowCheck)
    assert seen.fields == {"verdict": "DROPPED"}
    assert isinstance(there, ObjectCheck)
    assert task.wrong[0].hinted == task.diagnoses[0].key == "port"


def test_a_field_may_be_wanted_as_a_whole(tmp_path: Path) -> None:
    whole = '      fields: {"spec.from[*].matchLabels": [{app: a}, {app: b}]}'
    text = TASK.replace('      fields: {"status.conditions[?type=Valid].status": "True"}', whole)
    (path, wanted) = read_task(write(tmp_path, text)).checks[-1].fields[0]  # type: ignore[union-attr]
    one, other = {"spec": {"from": [{"matchLabels": {"app": "b"}}]}}, {"spec": {"from": [{"matchLabels": {"c": "b"}}]}}
    assert matches(select(one, path), wanted)
    assert not matches(select(other, path), wanted)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: manifest", "kind: essay", r'"essay" is none of manifest, shell\nwhere: .*one.yaml:3, field kind'),
        ("title: The first\n", "", 'the field "title" is missing'),
        ("hints:", "hint:", r'unknown field "hint"'),
        ("expect: 200", "expect: perhaps", "has a word that is none of answered"),
        ("kind: CiliumNetworkPolicy", "kind: Unicorn", 'unknown kind "Unicorn"'),
        ("from: shop/frontend", "from: frontend", "names no workload"),
        ("hinted: port", "hinted: nowhere", 'unknown diagnosis "nowhere"'),
        ("task: one", "task: two", 'the task is called "two"'),
        ("task: one", "task: [", "not YAML"),
        ("says: it works", "says: 3", '"says" must be str, not'),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(TaskFileError, match=message):
        read_task(write(tmp_path, TASK.replace(old, new, 1)))


def test_predictions(tmp_path: Path) -> None:
    text = """\
predictions:
  - name: q
    question: What?
    options: {a: Apple, b: Pear}
    answer: a
    why: Because.
"""
    found = read_predictions(write(tmp_path, text))
    assert found["q"].options == (("a", "Apple"), ("b", "Pear"))
    with pytest.raises(TaskFileError, match='"c" is not among the options'):
        read_predictions(write(tmp_path, text.replace("answer: a", "answer: c")))
    assert read_predictions(tmp_path / "none.yaml") == {}


OBJECT = {
    "metadata": {"labels": {"app.kubernetes.io/name": "x"}},
    "spec": {"ingress": [{"toPorts": [{"ports": [{"port": "80"}, {"port": "81"}]}]}, {}]},
    "status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Valid", "status": "True"}]},
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("spec.ingress[*].toPorts[*].ports[*].port", ["80", "81"]),
        ("status.conditions[?type=Valid].status", ["True"]),
        ("metadata.labels.app/.kubernetes/.io/name", ["x"]),
        ("spec.egress[*]", []),
        ("spec.ingress.toPorts", []),
    ],
)
def test_paths(path: str, values: list[str]) -> None:
    assert select(OBJECT, path) == values


def test_a_path_that_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="cannot read the path"):
        select(OBJECT, "spec.ingress[0]")


@pytest.mark.parametrize(
    ("found", "wanted", "fits"),
    [
        ([80], "80", True),
        ([True], True, True),
        ([True], "true", True),
        (["a", "b"], ("b", "c"), True),
        ([], None, True),
        (["a"], None, False),
        ([], "a", False),
    ],
)
def test_values_are_compared_as_text(found: list[object], wanted: object, fits: bool) -> None:
    assert matches(found, wanted) is fits
