"""The list of flows on a page of its own: keys while flows come and old ones leave, between two drawings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import lab_helpers.views

VIEWS = Path(lab_helpers.views.__file__).parent
SHOWN = "() => document.querySelector(\".cl-row[tabindex='0']\")?.textContent ?? null"

pytestmark = pytest.mark.browser

LIST = """() => {
  window.rows = {
    base: 0, end: 10000, strings: 0, get length() { return this.end - this.base; }, number: (row) => row,
    find: (number) => number, text: (row, column) => (column ? "" : `flow ${row}`), value: () => 0, port: () => "",
    time: () => NaN,
  };
  const marks = () => ({ icon: "✔", word: "FORWARDED" });
  const listen = (node, event, then) => node.addEventListener(event, then);
  window.grid = clGrid({ rows, marks, open() {}, drawn() {}, label: "flows", listen });
  document.body.append(grid.root);
  grid.draw();
}"""
KEYS = """(gone) => {
  const press = (key) => grid.root.querySelector(".cl-viewport").dispatchEvent(new KeyboardEvent("keydown", { key }));
  grid.focus();
  for (const key of ["PageUp", "PageUp", "ArrowUp"]) {
    rows.base += gone;
    rows.end += gone;
    press(key);
  }
  return grid.active;
}"""


@pytest.mark.parametrize("gone", [0, 3, 60, 400])
def test_the_row_a_key_moves_to_is_in_sight_whatever_left_before(browser: Any, gone: int) -> None:
    page = browser.new_page()
    try:
        page.set_content("<style>.cl-viewport { height: 384px; overflow: auto; position: relative }</style>")
        scripts = (VIEWS / "live" / "frame.js", VIEWS / "explorer" / "grid.js")
        code = "\n".join(script.read_text(encoding="utf-8") for script in scripts)
        page.add_script_tag(content=re.sub(r"^export (default )?", "", code, flags=re.MULTILINE))
        page.evaluate(LIST)
        page.wait_for_function(SHOWN)
        active = page.evaluate(KEYS, gone)
        assert page.evaluate(SHOWN).startswith(f"flow {active}")
    finally:
        page.close()
