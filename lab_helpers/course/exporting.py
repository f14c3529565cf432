"""Reports of a run: executed notebooks as HTML, JUnit XML, a JSON summary.

Pages need no network: scripts and fonts from elsewhere are left out, and the HTML form of a widget is preferred to
its model.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from lab_helpers.course.results import LabResult, summary
from lab_helpers.course.sparing import spare_address_parsers
from lab_helpers.course.stamps import meta_tags, stamp_facts, stamp_panel

__all__ = ["junit", "write_page", "write_reports"]

_DARK_THEME = ("lab", "static", "theme-dark.css")
_PREFERRED = (
    "text/html",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/markdown",
    "application/pdf",
    "text/latex",
    "text/plain",
)


def write_page(notebook: Path, page: Path, result: LabResult) -> None:
    """Write an executed notebook as one HTML file with its stamp on top, and in its head for machines."""
    spare_address_parsers()
    import nbformat

    document = nbformat.read(notebook, as_version=4)
    document.metadata["title"] = result.title
    document.metadata.pop("widgets", None)
    panel = stamp_panel(result)
    output = nbformat.v4.new_output("display_data", {"text/html": panel.html(), "text/plain": panel.text()})
    stamp = nbformat.v4.new_code_cell("", outputs=[output], metadata={"tags": ["remove_input"]})
    document.cells = [stamp, *(cell for cell in document.cells if "injected-parameters" not in _tags(cell))]
    with _one_page:
        html, _ = _exporter().from_notebook_node(document)
    html = html.replace("<title>", meta_tags(result) + "<title>", 1)
    page.write_text(_light_and_dark(html), encoding="utf-8")


_one_page = threading.Lock()
"""The exporter is shared, its templates are read once; it keeps what belongs to a page while it makes one."""


@functools.cache
def _exporter() -> Any:
    from nbconvert import HTMLExporter
    from nbconvert.exporters.templateexporter import TemplateExporter
    from nbconvert.filters import DataTypeFilter, Highlight2HTML
    from traitlets.config import Config

    class Exporter(HTMLExporter):  # type: ignore[misc]  # the library has no types
        """Nbconvert's own, but for its last step: it reads the whole page again, styles and all, to give a few elements
        an attribute, which takes as long as all the rest.
        """

        def from_notebook_node(self, nb: Any, resources: Any = None, **rest: Any) -> Any:
            self.register_filter("highlight_code", Highlight2HTML(pygments_lexer=_lexer(nb), parent=self))
            self.register_filter("filter_data_type", DataTypeFilter(parent=self))
            html, resources = TemplateExporter.from_notebook_node(self, nb, resources, **rest)
            return _reachable(html), resources

    config = Config()
    config.NbConvertBase.display_data_priority = list(_PREFERRED)
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_input_tags = {"remove_input"}
    return Exporter(
        config=config, mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="", embed_images=True
    )


def _lexer(notebook: Any) -> str:
    language = notebook.metadata.get("language_info", {})
    return str(language.get("pygments_lexer", language.get("name", "python")))


_WRAPPERS = re.compile(
    r'<div class="(?:[^"]* )?(?:jp-Cell-inputWrapper|jp-OutputArea-output)(?: [^"]*)?"(?![^>]*tabindex)'
)
_UNNAMED = re.compile(r"<img(?![^>]* alt=)")


def _reachable(html: str) -> str:
    """Cells can be reached by keyboard, and every picture says something."""
    html = _WRAPPERS.sub(lambda found: found[0] + ' tabindex="0"', html)
    return _UNNAMED.sub('<img alt="No description has been provided for this image"', html)


def _light_and_dark(html: str) -> str:
    """The page follows the reader's system: JupyterLab's dark theme, which nbconvert brings along, on a dark one."""
    from jupyter_core.paths import jupyter_path

    themes = (Path(folder, *_DARK_THEME) for folder in jupyter_path("nbconvert", "templates"))
    dark = next((theme.read_text(encoding="utf-8") for theme in themes if theme.is_file()), "")
    if not dark:
        return html
    style = f"<style>@media (prefers-color-scheme: dark) {{\n:root {{ color-scheme: dark; }}\n{dark}\n}}</style>\n"
    html = html.replace("</head>", style + "</head>", 1)
    # without the mark of a light theme, views follow the reader's system as well
    return re.sub(
        r'<body class="jp-Notebook" data-jp-theme-light="true"[^>]*>', '<body class="jp-Notebook">', html, count=1
    )


def write_reports(folder: Path, results: Sequence[LabResult]) -> tuple[Path, Path]:
    """Write ``summary.json`` and ``junit.xml``; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, as_xml = folder / "summary.json", folder / "junit.xml"
    as_json.write_text(json.dumps(summary(results), indent=2) + "\n", encoding="utf-8")
    ET.ElementTree(junit(results)).write(as_xml, encoding="utf-8", xml_declaration=True)
    return as_json, as_xml


def junit(results: Sequence[LabResult]) -> ET.Element:
    """One suite per lab: its stamp, a case per cell that ran, and one per failure that belongs to no cell."""
    root = ET.Element("testsuites", name="cilium-labs")
    for result in results:
        suite = ET.SubElement(
            root, "testsuite", name=result.lab, timestamp=result.started, time=f"{result.seconds:.3f}"
        )
        properties = ET.SubElement(suite, "properties")
        for name, value in stamp_facts(result).items():
            ET.SubElement(properties, "property", name=name, value=_printable(value))
        if result.skipped:
            case = ET.SubElement(suite, "testcase", classname=result.lab, name="the lab", time="0")
            ET.SubElement(case, "skipped", message=_printable(result.skipped))
            suite.set("skipped", "1")
        loose = [failure for failure in result.failures if not failure.cell]
        by_source = {failure.source: failure for failure in result.failures if failure.cell}
        for cell in result.cells:
            case = ET.SubElement(suite, "testcase", classname=result.lab, time=f"{cell.seconds:.3f}")
            case.set("name", f"cell {cell.index:03d} {cell.source}".strip())
            failure = by_source.pop(cell.source, None)
            if failure is not None:
                _failed(case, failure.what, failure.reason)
        for failure in (*by_source.values(), *loose):
            case = ET.SubElement(suite, "testcase", classname=result.lab, name=str(failure.what), time="0")
            _failed(case, failure.what, str(failure))
        suite.set("tests", str(len(suite.findall("testcase"))))
        suite.set("failures", str(len(result.failures)))
    root.set("tests", str(sum(int(suite.get("tests", "0")) for suite in root)))
    root.set("failures", str(sum(int(suite.get("failures", "0")) for suite in root)))
    return root


def _failed(case: ET.Element, what: str, reason: str) -> None:
    node = ET.SubElement(case, "failure", message=_printable(f"{what}: {reason}".splitlines()[0]))
    node.text = _printable(reason)


def _printable(text: str) -> str:
    """Without characters XML cannot carry (terminal colours in tracebacks, for example)."""
    return "".join(char for char in text if char in "\t\n\r" or ord(char) >= 0x20)


def _tags(cell: Any) -> Sequence[str]:
    return cell.get("metadata", {}).get("tags", ()) or ()
