"""The runner: labs by papermill, the judgement, the reports. Small labs are built here; no cluster is needed."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import nbformat
import pytest
from click.testing import CliRunner

from lab_helpers.cli.run import run
from lab_helpers.course.catalogue import find_lab, labs_folder, notebook
from lab_helpers.course.errors import UnknownLab
from lab_helpers.course.exporting import junit
from lab_helpers.course.limitations import without_consent
from lab_helpers.course.records import Records
from lab_helpers.course.results import CellTime, Failure, LabResult, judge, summary
from lab_helpers.course.running import Runner, Settings
from lab_helpers.course.tasks import Outline, Prediction, Stage, Task, TaskKind
from tests.course.fakes import FakeCluster

LAB = 'number: "{number}"\nname: {name}\ntitle: The {name}\nminutes: 5\nstart: bare\ngoals: [run]\n'


def make_lab(folder: Path, number: str, name: str, cells: Sequence[str]) -> Path:
    lab = folder / f"{number}-{name}"
    (lab / "tasks").mkdir(parents=True)
    (lab / "lab.yaml").write_text(LAB.format(number=number, name=name), encoding="utf-8")
    document = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Title"), *map(nbformat.v4.new_code_cell, cells)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(document, lab / f"{lab.name}.ipynb")
    return lab


INSIDE = (
    """\
from lab_helpers.course import notebooks
from lab_helpers.views.panels import Panel
failed = []
notebooks.watch_shell_cells(lambda count, code, line: failed.append(f"[{code}] {line}"))
notebooks.register_magic("say", lambda line, cell: Panel(f"magic of {line}: {cell.strip()}"))
place = notebooks.place()
place.show(Panel("first view"))
place.show(Panel("second view"))
found = notebooks.parameters()
print("parameters", found.unattended and found.solved, found.predictions)""",
    "%%say x\nbody",
    "!exit 3",
    "print('failed', *failed)",
)
"""Cells that use the course's way into IPython."""


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def started(self, lab: str) -> None:
        self.lines.append(("started", lab))

    def cell(self, lab: str, done: int, total: int) -> None:
        self.lines.append(("cell", lab, done, total))

    def finished(self, result: LabResult) -> None:
        self.lines.append(("finished", result.lab, result.passed))


@pytest.fixture
def clusters() -> list[FakeCluster]:
    return []


def runner(report: Path, clusters: list[FakeCluster], **settings: Any) -> tuple[Runner, Heard]:
    def start(home: Path) -> FakeCluster:
        clusters.append(FakeCluster(home))
        return clusters[-1]

    heard = Heard()
    return Runner(Settings(report, **settings), heard, start), heard  # type: ignore[arg-type]


def test_labs_are_run_and_reported(tmp_path: Path, clusters: list[FakeCluster]) -> None:
    good = make_lab(tmp_path, "01", "good", ["print('hello', solved)", "!exit 0", *INSIDE])
    bad = make_lab(tmp_path, "02", "bad", ["x = 1", "raise ValueError('no such policy')", "never = 1"])
    run_labs, heard = runner(tmp_path / "reports", clusters, jobs=2)
    results = run_labs.run([good, bad])

    assert [result.passed for result in results] == [True, False]
    failure = results[1].failures[0]
    assert (failure.what, failure.reason, failure.source) == (
        "ValueError",
        "no such policy",
        "raise ValueError('no such policy')",
    )
    assert failure.cell > 0
    assert ("finished", "01-good", True) in heard.lines
    assert ("cell", "01-good", 7, 7) in heard.lines
    assert [cluster.downs for cluster in clusters] == [1, 1]
    assert not any(cluster.state_dir.exists() for cluster in clusters)

    document = json.loads((tmp_path / "reports" / "summary.json").read_text(encoding="utf-8"))
    assert document["passed"] is False
    assert document["labs"][0]["backend"] == "twin"
    assert document["labs"][0]["cilium"] == "1.20.2"
    assert document["labs"][1]["failures"][0]["source"] == "raise ValueError('no such policy')"
    executed = nbformat.read(tmp_path / "reports" / "01-good.ipynb", as_version=4)
    assert executed.metadata["cilium_labs"]["passed"] is True
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    said = "".join(str(output.get("text", "") or output.get("data", "")) for output in outputs)
    assert "hello True" in said
    assert "parameters True {}" in said
    assert "magic of x: body" in said
    assert "failed [3] !exit 3" in said
    assert "second view" in said
    assert "first view" not in said

    page = (tmp_path / "reports" / "01-good.html").read_text(encoding="utf-8")
    assert "Executed with solutions on the twin, Cilium 1.20.2, Kubernetes v1.34.2." in page
    assert '<meta name="cilium-labs:cilium" content="1.20.2">' in page.partition("</head>")[0]
    assert not re.search(r'(?:src|href)="https?://', page)
    assert "solved = True" not in page
    suites = ET.parse(tmp_path / "reports" / "junit.xml").getroot()
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [("01-good", "0"), ("02-bad", "1")]


def test_a_lab_that_takes_too_long_is_ended(tmp_path: Path, clusters: list[FakeCluster]) -> None:
    slow = make_lab(tmp_path, "01", "slow", ["import time; time.sleep(600)"])
    run_labs, _ = runner(tmp_path / "reports", clusters, timeout=4)
    result = run_labs.run([slow])[0]
    assert not result.passed
    assert "4 s" in str(result.failures[0]) or "Timeout" in str(result.failures[0])


def test_a_cluster_that_does_not_start_is_that_labs_failure(tmp_path: Path) -> None:
    def start(_home: Path) -> Any:
        raise OSError("no space left on device")

    result = Runner(Settings(tmp_path / "reports"), Heard(), start).run([make_lab(tmp_path, "01", "lab", [])])[0]
    assert str(result.failures[0]) == "the lab could not be run: OSError: no space left on device"


def outline(*tasks: str, predictions: Sequence[str] = ()) -> Outline:
    made = {name: Task(name, name, TaskKind.SHELL, "", "", "", (), ()) for name in tasks}
    asked = {name: Prediction(name, "?", (("a", "A"), ("b", "B")), "a", "") for name in predictions}
    return Outline("01", "lab", "Lab", 5, Stage.BARE, (), made, asked)


def test_judgement_of_a_solved_run(tmp_path: Path) -> None:
    records = Records(tmp_path / "p.db")
    records.checked("lab", "good", passed=True)
    records.checked("lab", "bad", passed=False)
    records.settle("lab", "right", "a", "a")
    records.settle("lab", "drifted", "b", "a")
    records.shell("lab", 3, 1, "!false")
    records.shell("lab", 4, 1, "!helm install")
    cells = [
        {"cell_type": "code", "execution_count": 3, "source": "!false", "metadata": {}},
        {"cell_type": "code", "execution_count": 4, "source": "!helm", "metadata": {"tags": ["may-fail"]}},
    ]
    plan = outline("good", "bad", "never", predictions=("right", "drifted", "open"))
    found = [str(failure) for failure in judge(plan, records, solved=True, cells=cells)]
    assert found == [
        "task bad: its solution does not pass the last check",
        "task never: the notebook never checks it",
        "prediction drifted: the course says a, the cluster says b",
        "prediction open: the notebook never settles it",
        "cell [3] !false: !false: exit code 1",
    ]


@pytest.mark.parametrize(("cluster_wide", "wrong"), [(True, 1), (False, 0)])
def test_what_needs_consent_may_turn_out_otherwise_without_it(tmp_path: Path, cluster_wide: bool, wrong: int) -> None:
    records = Records(tmp_path / "p.db")
    records.settle("lab", "deny-wins", "b", "a")
    asked = Prediction("deny-wins", "?", (("a", "A"), ("b", "B")), "a", "", limitation="clusterwide")
    plan = dataclasses.replace(outline(), predictions={"deny-wins": asked})
    undecided = without_consent("existing", cluster_wide=cluster_wide)
    assert len(judge(plan, records, solved=True, cells=[], undecided=undecided)) == wrong
    assert not without_consent("kind", cluster_wide=False)


def test_judgement_of_an_unsolved_run(tmp_path: Path) -> None:
    records = Records(tmp_path / "p.db")
    records.checked("lab", "honest", passed=False)
    records.checked("lab", "given-away", passed=True)
    found = judge(outline("honest", "given-away"), records, solved=False, cells=[])
    assert [failure.what for failure in found] == ["task given-away"]


def test_junit_has_no_characters_xml_cannot_carry() -> None:
    failure = Failure("Error", "\x1b[31mred\x1b[0m\nmore", 2, "x = 1")
    result = LabResult("lab", "Lab", True, "2026-01-01T00:00:00", 1.0, (CellTime(1, "x = 1", 0.5),), (failure,))
    text = ET.tostring(junit([result]), encoding="unicode")
    assert "\x1b" not in text
    assert 'failures="1"' in text
    assert summary([result])["passed"] is False


def test_labs_are_found_from_any_folder_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab(tmp_path / "labs", "01", "good", [])
    deep = tmp_path / "labs" / "01-good" / "deep"
    deep.mkdir()
    monkeypatch.delenv("CILIUM_LABS_COURSE", raising=False)
    assert labs_folder(deep) == labs_folder(tmp_path) == tmp_path / "labs"
    assert find_lab("1", tmp_path / "labs") == find_lab("good", tmp_path / "labs") == lab
    assert notebook(lab).name == "01-good.ipynb"
    with pytest.raises(UnknownLab, match="one of: 01-good"):
        find_lab("nothing", tmp_path / "labs")


def test_the_command_names_the_cell_and_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_lab(tmp_path / "labs", "02", "bad", ["raise ValueError('no such policy')"])
    monkeypatch.setenv("CILIUM_LABS_COURSE", str(tmp_path / "labs"))
    eager = []

    def start(home: Path, *, eager_clock: bool) -> FakeCluster:
        eager.append(eager_clock)
        return FakeCluster(home)

    monkeypatch.setattr("lab_helpers.clusters.start_twin", start)
    result = CliRunner().invoke(run, ["bad", "--real-time", "--report", str(tmp_path / "r")])
    assert (result.exit_code, eager) == (1, [False])
    assert "cell [2] raise ValueError('no such policy'): ValueError: no such policy" in result.output
    assert "0 of 1 labs passed" in result.output


def test_the_command_knows_unknown_labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_lab(tmp_path / "labs", "02", "bad", [])
    monkeypatch.setenv("CILIUM_LABS_COURSE", str(tmp_path / "labs"))
    result = CliRunner().invoke(run, ["large"])
    assert result.exit_code == 1
    assert 'there is no lab "large"' in result.output
