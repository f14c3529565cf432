"""One browser, one JupyterLab and one twin with the shop for all tests in a browser; notebooks are made in code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest

from lab_helpers.clusters import Cluster, start_twin

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--js-flags=--expose-gc"]
REPORTS = Path(__file__).resolve().parents[2] / "reports" / "browser"
"""Screenshots go here; git ignores the folder."""
_HARMLESS = re.compile(
    r"favicon|ResizeObserver loop|/lab/api/(workspaces|settings)|Canceled"
    r"|Failed to initialize model"  # anywidget's patience with a slow page, which views do not depend on (frame.js)
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever is first here also starts a twin, the shop, JupyterLab and Chromium, on whatever machine."""
    for item in items:
        if item.get_closest_marker("browser") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))


@dataclass
class Desk:
    """A running JupyterLab. ``folder`` is its root."""

    url: str
    token: str
    folder: Path
    environment: dict[str, str]


@dataclass
class Sheet:
    """A notebook open in a page. ``errors`` are what the console complained about."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def run(self, index: int, *, patience: float = 120.0) -> Any:
        """Run a code cell and wait until it has ended; its output area."""
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)
        cell.locator(".jp-Editor").click()
        prompt = cell.locator(".jp-InputPrompt")
        prompt.evaluate("prompt => { prompt.textContent = ''; }")  # the number of an earlier run does not count
        cell.locator(".jp-Editor .cm-content").press("Control+Enter")
        prompt.filter(has_text=re.compile(r"\[\d+\]")).wait_for(timeout=patience * 1000)
        return cell.locator(".jp-Cell-outputArea")

    def screenshot(self, name: str, of: Any = None) -> Path:
        """Keep a picture of the page, or of an element of it."""
        REPORTS.mkdir(parents=True, exist_ok=True)
        path = REPORTS / f"{name}.png"
        (of or self.page).screenshot(path=str(path))
        return path

    def theme(self, name: str) -> None:
        """Switch JupyterLab between ``light`` and ``dark``."""
        light = name == "light"
        wanted = "JupyterLab Light" if light else "JupyterLab Dark"
        self.page.evaluate(
            "async (theme) => { const app = window.jupyterapp; "
            "await app.commands.execute('apputils:change-theme', { theme }); }",
            wanted,
        )
        self.page.wait_for_selector(f'body[data-jp-theme-light="{str(light).lower()}"]', state="attached")

    def heap(self) -> int:
        """Bytes of JavaScript's heap after collecting garbage."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("HeapProfiler.collectGarbage")
        used = session.send("Runtime.getHeapUsage")["usedSize"]
        session.detach()
        return int(used)

    def violations(self, selector: str) -> list[str]:
        """What axe finds wrong with the elements of a selector, as one line each."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: '.[test]'")
        result = axe.Axe().run(self.page, context=selector)
        return [
            f"{found['id']}: {found['help']} at {node['target']}: {node.get('failureSummary', '')}"
            for found in result.response["violations"]
            for node in found["nodes"]
        ]


def write_notebook(desk: Desk, name: str, cells: list[str]) -> str:
    """A notebook of code cells in the desk's folder; its name."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index}"
    (desk.folder / name).write_text(json.dumps(notebook), encoding="utf-8")
    return name


@contextmanager
def _sheet(browser: Any, desk: Desk, name: str, cells: list[str], script: str = "") -> Iterator[Sheet]:
    """Open a notebook made of ``cells`` in a page of its own, and wait for its kernel. ``script`` runs first there."""
    write_notebook(desk, name, cells)
    context = browser.new_context(viewport={"width": 1400, "height": 1300}, accept_downloads=True)
    page = context.new_page()
    if script:
        page.add_init_script(script)
    page.set_default_timeout(120_000)
    opened = Sheet(page)
    page.on(
        "console",
        lambda message: (
            opened.errors.append(message.text)
            if message.type == "error" and not _HARMLESS.search(message.text + str(message.location))
            else None
        ),
    )
    page.on("pageerror", lambda error: None if _HARMLESS.search(str(error)) else opened.errors.append(str(error)))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.goto(f"{desk.url}/lab/workspaces/{Path(name).stem}/tree/{name}?token={desk.token}&reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120_000)
    page.get_by_text("| Idle").wait_for(timeout=120_000)
    opened.theme("light")
    try:
        yield opened
    finally:
        page.evaluate(
            "async () => { const app = window.jupyterapp; if (app) await app.serviceManager.sessions.shutdownAll(); }"
        )
        context.close()


@contextmanager
def _open_desk(folder: Path, environment: dict[str, str]) -> Iterator[Desk]:
    """Start JupyterLab on a free port, with settings of its own."""
    root, token, log = folder / "notebooks", "desk", folder / "jupyter.log"
    root.mkdir()
    settings = {**os.environ, **environment}
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        settings[f"JUPYTER_{name}"] = str(folder / name.lower())
    settings["JUPYTER_CONFIG_PATH"] = str(Path(__file__).resolve().parents[2] / "lab_helpers" / "cli" / "desk")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"]
    command += [f"--ServerApp.root_dir={root}", "--ServerApp.port=0", f"--IdentityProvider.token={token}"]
    if os.name == "posix" and os.geteuid() == 0:
        command.append("--allow-root")
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=settings, stdout=stream, stderr=stream)
    try:
        yield Desk(_address(log, process), token, root, environment)
    finally:
        process.terminate()
        process.wait(timeout=120)


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        text = log.read_text(encoding="utf-8")
        found = re.search(r"http://(?:127\.0\.0\.1|localhost):(\d+)/lab", text)
        if found:
            return f"http://127.0.0.1:{found[1]}"
        assert process.poll() is None, text
        time.sleep(0.1)
    raise AssertionError(log.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, without a head; for a module only, as nothing else of this process can use asyncio meanwhile."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on PATH")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install '.[test]')")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A twin with Cilium, Relay and the shop."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on PATH")
    cluster = start_twin(tmp_path_factory.mktemp("desk-twin"))
    kept = dict(os.environ)
    try:
        from lab_helpers.course.sessions import Lab

        try:
            Lab("hubble", cluster=cluster).close()
        finally:
            os.environ.clear()
            os.environ.update(kept)  # at once: other tests of this process are not to find this cluster
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="session")
def desk(shop: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """JupyterLab on that twin."""
    with _open_desk(tmp_path_factory.mktemp("desk"), shop.environment()) as opened:
        yield opened


@pytest.fixture(scope="module")
def sheet(browser: Any, desk: Desk) -> Callable[..., AbstractContextManager[Sheet]]:
    """``with sheet("name", [cell, …]) as opened:`` opens a notebook; see Sheet. ``script=`` runs first in its page."""
    return lambda name, cells, script="": _sheet(browser, desk, f"{name}.ipynb", cells, script)
