"""Predictions in JupyterLab: by keyboard and by mouse, while a cell runs, light and dark."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

CELLS = [
    "from lab_helpers.course.sessions import Lab\nlab = Lab('hubble')",
    "lab.predict('lines-per-request')",
    "lab.predict('wrong-node')",
    "import time\nwhile True:  # until the notebook is closed\n    time.sleep(0.05)",
]


def test_predictions(sheet: Any) -> None:
    with sheet("choices", CELLS) as opened:
        page = opened.page
        opened.run(0)
        first, second = opened.run(1).locator(".cl-choice"), opened.run(2).locator(".cl-choice")
        first.locator("input").first.wait_for(timeout=120_000)
        assert opened.violations(".cl-choice") == []
        opened.screenshot("choice-light", first)

        # by keyboard: nothing chosen yet, then arrows, then Enter; the notebook's own keys stay out of it
        page.locator(".jp-Notebook .jp-CodeCell").nth(3).locator(".jp-Editor").click()
        page.keyboard.press("Escape")
        first.locator("button").focus()
        page.keyboard.press("Enter")
        first.locator(".cl-problem", has_text="Choose an answer first").wait_for()
        first.locator("input").first.focus()
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        assert first.locator("input").nth(1).evaluate("input => input.checked && input === document.activeElement")
        page.keyboard.press("Enter")
        first.locator(".cl-standing", has_text="Committed: ").wait_for()
        assert first.locator("input:disabled").count() == first.locator("input").count()
        assert first.locator(".cl-problem").is_hidden()
        assert page.locator(".jp-Notebook .jp-CodeCell").count() == len(CELLS)

        # by mouse, while a cell runs
        page.locator(".jp-Notebook .jp-CodeCell").nth(3).locator(".jp-Editor").click()
        page.keyboard.press("Control+Enter")
        running = page.locator(".jp-Notebook .jp-CodeCell").nth(3).locator(".jp-InputPrompt", has_text="[*]")
        running.wait_for()
        second.locator("label").first.click()
        second.locator("button").click()
        second.locator(".cl-standing", has_text="Committed: ").wait_for()
        assert running.is_visible(), "the cell was still running"

        # a second look at the same question shows what was committed
        opened.theme("dark")
        assert opened.violations(".cl-choice") == []
        opened.screenshot("choice-dark", page.locator(".jp-Notebook"))
        assert opened.errors == []
