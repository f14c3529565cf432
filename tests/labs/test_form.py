"""The form of the notebooks: short cells, one import, no outputs, exercises equal to their task files."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from lab_helpers.course.catalogue import notebook
from lab_helpers.course.reading import read_lab
from lab_helpers.course.results import MAY_FAIL

LABS = Path(__file__).resolve().parents[2] / "labs"
FOLDERS = sorted(mark.parent for mark in LABS.glob("*/lab.yaml"))
LINES, COLUMNS = 15, 79
KNOWN_TAGS = {MAY_FAIL}


def cells(folder: Path) -> list[dict[str, Any]]:
    found = json.loads(notebook(folder).read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in found]


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.param  # type: ignore[no-any-return]


def test_there_are_labs() -> None:
    assert {folder.name for folder in FOLDERS} >= {
        "00-start-here",
        "02-installing-cilium",
        "04-l3-l4-policies",
        "08-hubble",
    }


def test_cells_are_short(folder: Path) -> None:
    for number, cell in enumerate(cells(folder), 1):
        lines = cell["source"].split("\n")
        assert len(lines) <= LINES, f"cell {number} has {len(lines)} lines"
        assert max(map(len, lines)) <= COLUMNS, f"cell {number}: {max(lines, key=len)}"
        assert cell["source"].strip(), f"cell {number} is empty"


def test_outputs_and_counts_are_stripped(folder: Path) -> None:
    document = json.loads(notebook(folder).read_text(encoding="utf-8"))
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
        assert set(cell["metadata"].get("tags", [])) <= KNOWN_TAGS
    assert set(document["metadata"]) == {"kernelspec", "language_info"}
    assert document["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in document["cells"]]
    assert len(ids) == len(set(ids))


def test_one_import_and_one_bootstrap_call(folder: Path) -> None:
    code = [cell["source"] for cell in cells(folder) if cell["cell_type"] == "code"]
    outline = read_lab(folder)
    assert code[0] == f'from lab_helpers import Lab\n\nlab = Lab("{outline.name}")'
    assert not [line for source in code[1:] for line in source.splitlines() if re.match(r"(import|from)\s", line)]


def test_python_cells_are_python(folder: Path) -> None:
    transform = TransformerManager().transform_cell
    for cell in cells(folder):
        if cell["cell_type"] == "code" and not cell["source"].startswith("%%"):
            ast.parse(transform(cell["source"]))


def test_exercises_equal_their_task_files(folder: Path) -> None:
    outline = read_lab(folder)
    starters = {}
    for cell in cells(folder):
        magic, _, body = cell["source"].partition("\n")
        if magic.startswith("%%task"):
            starters[magic.removeprefix("%%task").strip()] = body
    assert list(starters) == list(outline.tasks), "the order of tasks in lab.yaml is that of the notebook"
    for name, task in outline.tasks.items():
        assert starters[name] == task.starter.rstrip("\n"), f"the starter of {name}"


def test_every_task_is_checked_and_every_prediction_settled_after_it_was_asked(folder: Path) -> None:
    outline = read_lab(folder)
    code = [cell["source"] for cell in cells(folder) if cell["cell_type"] == "code"]
    for name in outline.tasks:
        given = next(n for n, source in enumerate(code) if source.startswith(f"%%task {name}\n"))
        assert any(f'lab.check("{name}")' in source for source in code[given:]), name
    for name in outline.predictions:
        asked = next(n for n, source in enumerate(code) if f'lab.predict("{name}")' in source)
        settled = [
            n for n, source in enumerate(code) if f'settles="{name}"' in source or f'lab.reveal("{name}")' in source
        ]
        assert len(settled) == 1, name
        assert settled[0] > asked, name
    asked_for = set(re.findall(r'lab\.(?:predict|reveal)\("([^"]+)"', "\n".join(code)))
    assert asked_for <= set(outline.predictions)


def test_folder_and_names_agree(folder: Path) -> None:
    outline = read_lab(folder)
    assert folder.name == f"{outline.number}-{outline.name}"
    title = cells(folder)[0]["source"].splitlines()[0]
    assert title == f"# {outline.number} · {outline.title}"
    assert f"{outline.minutes} minutes" in cells(folder)[0]["source"]


def test_solutions_and_starters_fit_a_cell(folder: Path) -> None:
    for task in read_lab(folder).tasks.values():
        for text in (task.starter, task.solution):
            assert len(text.splitlines()) < LINES, task.name
            assert max(map(len, text.splitlines())) <= COLUMNS, task.name


def test_every_task_has_hints_and_known_wrong_answers(folder: Path) -> None:
    for task in read_lab(folder).tasks.values():
        assert task.hints, task.name
        assert task.wrong, task.name
        assert all(check.says for check in task.checks), task.name


def test_links_between_labs_lead_somewhere(folder: Path) -> None:
    for cell in cells(folder):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", cell["source"]):
            assert (folder / target).resolve().exists(), target


def test_the_end_of_a_lab_leads_to_the_next_one(folder: Path) -> None:
    following = FOLDERS[FOLDERS.index(folder) + 1 :]
    end = cells(folder)[-1]["source"]
    assert end.startswith("**Next:**")
    if following:
        assert f"](../{following[0].name}/{following[0].name}.ipynb)" in end
