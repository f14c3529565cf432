"""Views in a page that takes longer to load their modules than anywidget waits."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

CELLS = [
    "from lab_helpers.course.sessions import Lab\nlab = Lab('hubble')",
    "lab.map()",
    "lab.predict('buffer')",
]
AT_ONCE = """
const timeout = AbortSignal.timeout.bind(AbortSignal);
window.given = 0;
AbortSignal.timeout = (ms) => {
  if (ms !== 2000) return timeout(ms);
  window.given += 1;
  return AbortSignal.abort();
};
const listen = EventTarget.prototype.addEventListener;
AbortSignal.prototype.addEventListener = function (name, then, ...rest) {
  listen.call(this, name, then, ...rest);
  if (this.aborted && name === "abort") then.call(this, new Event("abort"));
};
"""
"""The two seconds of anywidget are over before its module is there."""


def test_views_come_alive_however_late_their_modules_are(sheet: Any) -> None:
    with sheet("slow-page", CELLS, script=AT_ONCE) as opened:
        opened.run(0)
        opened.run(1).locator(".cl-state", has_text="live").wait_for()
        question = opened.run(2).locator(".cl-choice")
        question.locator("input").first.check()
        question.locator("button").click()
        question.locator(".cl-standing", has_text="Committed: ").wait_for()
        assert opened.page.evaluate("window.given") >= 2, "anywidget waits otherwise now: does it still drop messages?"
        assert opened.errors == []
