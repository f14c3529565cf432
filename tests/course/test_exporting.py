"""Pages of executed notebooks: nbconvert's, made in less time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from lab_helpers.course.exporting import write_page
from lab_helpers.course.results import LabResult

RESULT = LabResult(
    lab="04-lab",
    title="Lab 04",
    solved=True,
    started="2026-01-01T00:00:00+00:00",
    seconds=1.0,
    cells=(),
    failures=(),
    facts={},
    notebook="04-lab.ipynb",
    page="04-lab.html",
)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def notebook(folder: Path) -> Path:
    v4: Any = nbformat.v4
    outputs = [
        v4.new_output("stream", name="stdout", text="one <line>\n"),
        v4.new_output("display_data", {"image/png": PIXEL, "text/plain": "a figure"}),
        v4.new_output("display_data", {"text/html": '<p class="mine">words <img src="x.png"></p>', "text/plain": "w"}),
        v4.new_output("display_data", {"text/html": '<img src="y.png" alt="a map">', "text/plain": "m"}),
        v4.new_output("error", ename="E", evalue="no", traceback=["\x1b[31mE\x1b[0m: no"]),
    ]
    cells = [
        v4.new_markdown_cell("# Title\n\nwords, `code`"),
        v4.new_code_cell("solved = True", metadata={"tags": ["injected-parameters"]}),
        v4.new_code_cell("!kubectl get pods\nfor i in range(3): print(i)", outputs=outputs, execution_count=1),
        v4.new_code_cell("pass", execution_count=2),
    ]
    language = {"name": "python", "pygments_lexer": "ipython3"}
    written = folder / "04-lab.ipynb"
    nbformat.write(v4.new_notebook(cells=cells, metadata={"language_info": language}), written)
    return written


def elements(html: str) -> list[Any]:
    bs4 = pytest.importorskip("bs4")
    return [(tag.name, tag.attrs) for tag in bs4.BeautifulSoup(html, "html.parser").find_all(True)]


def test_pages_are_those_of_nbconvert(tmp_path: Path) -> None:
    from nbconvert import HTMLExporter

    from lab_helpers.course.exporting import _exporter

    document = nbformat.read(notebook(tmp_path), as_version=4)
    usual = HTMLExporter(
        config=_exporter().config,
        mathjax_url="",
        require_js_url="",
        jquery_url="",
        mermaid_js_url="",
        embed_images=True,
    )
    theirs, _ = usual.from_notebook_node(document)
    ours, _ = _exporter().from_notebook_node(document)
    assert elements(ours) == elements(theirs)


def test_one_page_leaves_nothing_for_the_next(tmp_path: Path) -> None:
    source = notebook(tmp_path)
    pages = [tmp_path / f"{number}.html" for number in range(2)]
    for page in pages:
        write_page(source, page, RESULT)
    first, second = (page.read_text(encoding="utf-8") for page in pages)
    assert [name for name, _ in elements(first)] == [name for name, _ in elements(second)]
    assert "injected-parameters" not in first
    assert "solved = True" not in first
