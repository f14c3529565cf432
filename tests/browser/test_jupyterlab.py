"""A learner's first minutes: ``cilium-labs lab``, lab 00 in JupyterLab, in a real Chromium, by keyboard."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

LABS = Path(__file__).resolve().parents[2] / "labs"
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on PATH")
    if os.name != "posix":
        pytest.skip("Ctrl-C is sent as a POSIX signal here")
    folder = tmp_path_factory.mktemp("browser")
    shutil.copytree(LABS, folder / "labs")
    log = folder / "jupyter.log"
    home = folder / "home"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab_helpers.cli", "lab", "--no-browser", "--port", "0", str(folder / "labs")],
            stdout=stream,
            stderr=stream,
            env={**os.environ, "CILIUM_LABS_HOME": str(home), "JUPYTER_CONFIG_DIR": str(folder / "config")},
            start_new_session=True,
        )
    try:
        yield _url(log, process)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=120)
    assert "The twin is stopped" in log.read_text(encoding="utf-8")
    assert not (home / "twin" / "twin.json").exists()


def _url(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        found = re.search(r"http://127\.0\.0\.1:\d+/lab\S*\?token=\w+", log.read_text(encoding="utf-8"))
        if found:
            return found[0]
        assert process.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.2)
    raise AssertionError(log.read_text(encoding="utf-8"))


def test_lab_00_by_keyboard(address: str, browser: Any) -> None:
    base, _, token = address.partition("/lab")
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.set_default_timeout(120_000)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{base}/lab/tree/00-start-here/00-start-here.ipynb?{token.partition('?')[2]}")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120_000)
    page.get_by_text("| Idle").wait_for(timeout=120_000)
    page.locator(".jp-CodeCell .jp-Editor").first.click()
    page.keyboard.press("Shift+Enter")
    page.get_by_text("You will be able to").wait_for(timeout=120_000)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    page.get_by_text("cilium-labs-worker2").first.wait_for(timeout=120_000)
    assert errors == []
    page.close()
