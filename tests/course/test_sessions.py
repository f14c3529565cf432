"""``Lab``: bootstrap, answers, checks, hints, predictions, reset. Against a cluster of fakes."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_helpers.clusters.waiting import Waited
from lab_helpers.course import notebooks, observing, sessions
from lab_helpers.course.api import Executed
from lab_helpers.course.errors import StageError, UnknownLab, UnknownTask
from lab_helpers.course.notebooks import Parameters
from lab_helpers.course.sessions import Lab
from lab_helpers.course.tooling import Ran
from tests.course.fakes import ANSWERED, SILENT, FakeApi, FakeCluster, FakeFlows, FakeTools, cilium, kube_system, shop

TASK = """\
task: only-frontend
title: Only the frontend
kind: manifest
statement: Do it.
starter: |
  kind: CiliumNetworkPolicy
  metadata: {name: starter, namespace: shop}
solution: |
  kind: CiliumNetworkPolicy
  metadata: {name: solution, namespace: shop}
hints: [look, look closer]
checks:
  - key: out
    says: the intruder is out
    hint: it is not
    probe: {from: dev/intruder, run: curl x, expect: timeout}
"""
LAB = """\
number: "77"
name: tiny
title: Tiny
minutes: 5
start: shop
goals: [see]
tasks: [only-frontend]
"""
PREDICTIONS = """\
predictions:
  - name: open
    question: Is it open?
    options: {answered: yes it is, timeout: no}
    answer: answered
    why: Nobody closed it.
    proof:
      - key: p
        says: a pod answers
        probe: {from: shop/frontend, run: curl x, expect: answered}
"""


class World:
    """A lab folder, a cluster, and a switch that closes the door for the intruder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lab = folder / "77-tiny"
        (lab / "tasks").mkdir(parents=True)
        (lab / "lab.yaml").write_text(LAB, encoding="utf-8")
        (lab / "predictions.yaml").write_text(PREDICTIONS, encoding="utf-8")
        (lab / "tasks" / "only-frontend.yaml").write_text(TASK, encoding="utf-8")
        self.folder = folder
        self.closed = False
        self.api = FakeApi(self.decide).put(*kube_system(), *cilium(), *shop())
        self.tools = FakeTools()
        self.cluster = FakeCluster(folder / "state")
        monkeypatch.setattr(sessions, "Api", lambda _client: self.api)
        monkeypatch.setattr(sessions, "Tools", lambda _environment: self.tools)
        monkeypatch.setattr(sessions, "SETTLING", 0.0)
        monkeypatch.setattr(observing, "_PATIENCE", 0.0)
        for name in self.cluster.environment():
            monkeypatch.setenv(name, "before")
        monkeypatch.setenv("KUBE_EDITOR", "an editor with windows")

    def decide(self, pod: str, _command: str) -> Executed:
        return SILENT if self.closed and pod.startswith("dev/intruder") else ANSWERED

    def lab(self) -> Lab:
        return Lab("tiny", cluster=self.cluster, labs=self.folder, flows=FakeFlows())  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def unattended(monkeypatch: pytest.MonkeyPatch, *, solved: bool, **predictions: str) -> None:
    monkeypatch.setattr(notebooks, "parameters", lambda: Parameters(solved, predictions))


def test_bootstrap_sets_the_environment_and_shows_a_card(world: World) -> None:
    import os

    lab = world.lab()
    assert os.environ["CILIUM_LABS_BACKEND"] == "twin"
    text = lab.text()
    assert "Lab 77 · Tiny · about 5 minutes" in text
    assert "network: Cilium 1.20.2" in text
    assert "● Only the frontend (open)" in text


def test_a_cell_has_no_editor_unless_one_with_windows_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    world.lab()
    assert os.environ["KUBE_EDITOR"] == "an editor with windows"
    monkeypatch.delenv("KUBE_EDITOR")
    world.lab()
    done = subprocess.run(
        [*shlex.split(os.environ["KUBE_EDITOR"], posix=os.name != "nt"), "object.yaml"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "run kubectl edit in a terminal" in done.stderr


def test_checks_are_values_and_are_remembered(world: World) -> None:
    lab = world.lab()
    assert not lab.check()
    world.closed = True
    assert lab.check("only-frontend").passed
    assert "✔ passed" in lab.progress().text()
    assert world.lab().records.task("tiny", "only-frontend").passed


def test_a_check_says_when_another_lab_has_taken_the_cluster(world: World) -> None:
    lab = world.lab()
    lab.records.enter("uid-1", "hubble")
    assert "prepared for another lab since, `hubble`" in lab.check().text()


def test_an_answer_is_applied_and_shown(world: World) -> None:
    lab = world.lab()
    panel = lab.answer("only-frontend", "kind: CiliumNetworkPolicy\nmetadata: {name: mine, namespace: shop}\n")
    assert "✔ applied: Only the frontend" in panel.text()
    assert [item.name for item in lab.records.applied("uid-1")] == ["mine"]
    assert "kept from last time" not in lab.text(), "it is not there, or not any more"
    world.api.put({"kind": "CiliumNetworkPolicy", "metadata": {"name": "mine", "namespace": "shop"}})
    assert "kept from last time: mine (" in lab.text()


def test_what_kubectl_refuses_is_shown_and_raises_nothing(world: World) -> None:
    world.tools.replies["kubectl apply"] = Ran(1, "error: error parsing STDIN: yaml: line 3\n")
    text = world.lab().answer("only-frontend", "a: [").text()
    assert "✖ refused" in text
    assert "error parsing STDIN: yaml: line 3" in text


def test_a_policy_that_cilium_refuses_is_shown(world: World) -> None:
    condition = {"type": "Valid", "status": "False", "message": "rule must have at least one of Ingress"}
    lab = world.lab()
    world.api.put(
        {
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": "mine", "namespace": "shop"},
            "status": {"conditions": [condition]},
        }
    )
    text = lab.apply("kind: CiliumNetworkPolicy\nmetadata: {name: mine, namespace: shop}\n").text()
    assert "Stored, but refused by Cilium (`Valid` is `False`): rule must have at least one of Ingress" in text


def test_in_an_unattended_run_the_solution_takes_the_place_of_the_cell(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = world.lab()
    given: list[str] = []
    world.tools.on_run = lambda _line, stdin: given.append(stdin)
    unattended(monkeypatch, solved=True)
    assert "The solution was put in place" in lab.answer("only-frontend", "mine").text()
    unattended(monkeypatch, solved=False)
    lab.answer("only-frontend", "mine")
    assert ["name: solution" in text for text in given] == [True, False]
    assert given[1] == "mine"


def test_hints_are_graded_and_the_solution_is_counted(world: World) -> None:
    lab = world.lab()
    assert "hint 1 of 2" in lab.hint().text()
    assert "look closer" not in lab.solution().text()
    text = lab.hint().text()
    assert "look closer" in text
    assert "That was the last one" in text
    assert "hint 2 of 2" in lab.hint().text()
    assert lab.records.task("tiny", "only-frontend").solution_seen


def test_a_prediction_is_settled_by_an_attempt(world: World) -> None:
    lab = world.lab()
    assert "Not committed yet" in lab.predict("open").text()
    assert "Committed: no" in lab.predict("open", "timeout").text()
    attempt = lab.try_("dev/intruder", "curl x", settles="open")
    assert attempt.settled == 'You predicted: "no". Nobody closed it.'
    assert "0 of 1 predictions right" in lab.progress().text()


def test_a_prediction_is_revealed_by_proof(world: World) -> None:
    lab = world.lab()
    lab.predict("open", "answered")
    text = lab.reveal("open").text()
    assert "you were right" in text
    assert "a pod answers" in text


def test_an_answer_of_the_cluster_that_the_course_does_not_expect_is_said(world: World) -> None:
    world.closed = True
    lab = world.lab()
    assert "not what the course expects" in lab.try_("dev/intruder", "curl x", settles="open").settled
    record = lab.records.prediction("tiny", "open")
    assert (record.truth, record.expected) == ("timeout", "answered")


def test_predictions_may_come_as_parameters(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    unattended(monkeypatch, solved=True, open="answered")
    assert "Committed: yes it is" in world.lab().predict("open").text()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda lab: lab.check("nothing"), 'no task "nothing"[\\s\\S]*only-frontend'),
        (lambda lab: lab.predict("nothing"), 'no prediction "nothing"'),
        (lambda lab: lab.predict("open", "perhaps"), '"perhaps" is no answer'),
    ],
)
def test_unknown_names(world: World, call: object, message: str) -> None:
    with pytest.raises(UnknownTask, match=message):
        call(world.lab())  # type: ignore[operator]


def test_an_unknown_lab_names_those_there_are(world: World) -> None:
    with pytest.raises(UnknownLab, match="one of: 77-tiny"):
        Lab("large", cluster=world.cluster, labs=world.folder)  # type: ignore[arg-type]


def test_reset_removes_what_was_applied_and_keeps_progress(world: World) -> None:
    lab = world.lab()
    world.closed = True
    lab.check()
    policy = {"kind": "CiliumClusterwideNetworkPolicy", "metadata": {"name": "wide"}}
    world.api.put(policy)
    lab.apply("kind: CiliumClusterwideNetworkPolicy\nmetadata: {name: wide}\n")
    lab.reset()
    assert world.api.get("CiliumClusterwideNetworkPolicy", "wide") is None
    assert lab.records.applied("uid-1") == []
    assert lab.records.task("tiny", "only-frontend").passed


def test_a_second_bootstrap_keeps_the_work_in_the_same_lab(world: World) -> None:
    world.lab()
    policy = {"kind": "CiliumNetworkPolicy", "metadata": {"name": "mine", "namespace": "shop"}}
    world.api.put(policy)
    world.lab()
    assert world.api.get("CiliumNetworkPolicy", "mine", "shop") is policy


def test_export_writes_a_file(world: World, tmp_path: Path) -> None:
    lab = world.lab()
    lab.check()
    lab.export(str(tmp_path / "p.json"))
    assert '"only-frontend"' in (tmp_path / "p.json").read_text(encoding="utf-8")


def test_matrix_and_identities(world: World) -> None:
    lab = world.lab()
    before = lab.matrix()
    world.closed = True
    assert len(lab.matrix(before).changed()) == 2
    endpoint = {
        "kind": "CiliumEndpoint",
        "metadata": {"name": "frontend-1", "namespace": "shop"},
        "status": {
            "identity": {"id": 4242, "labels": ["k8s:app=frontend"]},
            "networking": {"addressing": [{"ipv4": "10.0.1.9"}]},
        },
    }
    world.api.put(endpoint)
    assert "4242" in lab.identities().text()
    assert "shop/frontend-1 (10.0.1.9)" in lab.identities("shop").text()


def test_a_lab_that_starts_bare_gets_a_fresh_cluster(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file = world.folder / "77-tiny" / "lab.yaml"
    file.write_text(LAB.replace("start: shop", "start: bare"), encoding="utf-8")

    def renew(cluster: FakeCluster) -> FakeCluster:
        assert cluster is world.cluster
        world.api = FakeApi(world.decide).put(*kube_system())
        return FakeCluster(cluster.state_dir, name="fresh")

    monkeypatch.setattr("lab_helpers.clusters.renew", renew)
    lab = world.lab()
    assert lab.cluster.name == "fresh"
    assert "no network plug-in yet" in lab.text()


def test_a_lab_that_installs_says_what_to_write_without_internet(world: World) -> None:
    (world.folder / "77-tiny" / "lab.yaml").write_text(LAB.replace("start: shop", "start: bare"), encoding="utf-8")
    world.api = FakeApi(world.decide).put(*kube_system())
    assert "internet" not in world.lab().text()
    chart = world.folder / "room" / "charts" / "cilium-1.20.2.tgz"
    chart.parent.mkdir(parents=True)
    chart.write_bytes(b"chart")
    world.cluster.facts = {"bundle": str(world.folder / "room")}
    said = " ".join(world.lab().text().split())
    assert "leave them out, and write" in said
    assert "where cells and solutions say cilium/cilium --version 1.20.2" in said
    (world.folder / "77-tiny" / "lab.yaml").write_text(LAB, encoding="utf-8")
    world.api.put(*cilium(), *shop())
    assert "internet" not in world.lab().text(), "other labs do not install"


def test_a_cluster_that_cannot_be_renewed_is_left_alone(world: World) -> None:
    file = world.folder / "77-tiny" / "lab.yaml"
    file.write_text(LAB.replace("start: shop", "start: bare"), encoding="utf-8")
    world.cluster.backend = "existing"
    with pytest.raises(StageError, match=r"without Cilium: this cluster is not ours to wipe[\s\S]*backend twin"):
        world.lab()


@pytest.mark.parametrize(("jumped", "how"), [(True, "the twin's clock was moved"), (False, "waited in real time")])
def test_waiting_says_how_the_time_passed(
    world: World, monkeypatch: pytest.MonkeyPatch, jumped: bool, how: str
) -> None:
    def wait(_cluster: object, seconds: float, *, progress: Callable[[float], None]) -> Waited:
        progress(seconds)
        progress(0.0)
        return Waited(seconds, jumped)

    monkeypatch.setattr(type(world.cluster), "wait", wait, raising=False)
    told = world.lab().wait(70, "the TTL to pass").text()
    assert "70 seconds, for the TTL to pass" in told
    assert how in told
