"""A view and its list on a page of its own: keys and clicks while flows come and leave, between two drawings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lab_helpers.views

VIEWS = Path(lab_helpers.views.__file__).parent
SHOWN = "() => document.querySelector(\".cl-row[tabindex='0']\")?.textContent ?? null"

SCRIPTS = (VIEWS / "live" / "frame.js", VIEWS / "explorer" / "grid.js", VIEWS / "explorer" / "widget.js")

pytestmark = pytest.mark.browser

LIST = """() => {
  window.opened = [];
  window.model = { on(name, then) { model[name] = then; }, off() {}, set() {}, send() {} };
  window.frame = clFrame({ model, el: document.body, label: "Flows" });
  window.rows = {
    base: 0, end: 10000, strings: 0, get length() { return this.end - this.base; }, numbered: (row) => row,
    number(row) { return this.numbered(row); }, find(number) { return number - this.numbered(0); },
    text(row, column) { return column ? "" : `flow ${this.numbered(row)}`; }, value: () => 0, port: () => "",
    time: () => NaN,
  };
  const marks = () => ({ icon: "✔", word: "FORWARDED" });
  window.grid = clGrid({
    rows, marks, open: (row) => opened.push(row), drawn() {}, label: "flows", listen: frame.listen,
    pressed: () => frame.pressed });
  frame.body.append(grid.root);
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


AGAIN = """async ([comes, times]) => {
  const press = (key) => grid.root.querySelector(".cl-viewport").dispatchEvent(new KeyboardEvent("keydown", { key }));
  const come = (count) => {
    rows.end += count;
    rows.base += count;
    grid.draw();
  };
  const drawn = () => new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)));
  const told = () => {  // the same flows from the beginning, as a second page's hello brings them
    const place = grid.place(), first = rows.numbered(rows.base);
    rows.numbered = (row) => row + first;
    rows.end -= rows.base;
    rows.base = 0;
    rows.strings = [];
    grid.reset(place);
  };
  grid.focus();
  for (const key of ["PageUp", "PageUp"]) press(key);
  await drawn();
  const before = rows.numbered(grid.active);
  for (let time = 0; time < times; time++) {
    come(comes);
    told();
  }
  come(comes);
  await drawn();
  const held = rows.numbered(grid.active);
  come(comes);
  told();
  press("ArrowUp");
  await drawn();
  return [before, held, rows.numbered(grid.active)];
}"""
LEFT = """() => {
  const area = document.body.appendChild(clNode("div", { class: "jp-Cell-outputArea" }));
  const open = () => {
    const model = { on(name, then) { model[name] = then; }, off() {}, set() {}, send() {} };
    return [clFrame({ model, el: area, label: "Left" }), model];
  };
  const [first, kernel] = open();
  first.keep("", "--type drop", () => {});
  kernel["comm:close"]();
  first.end();
  const [second] = open(), said = [];
  for (const value of [null, null, "--type drop", "--type drop", null]) {
    second.keep("", value, (left) => said.push(left));
    said.push(area.querySelector("p").hidden ? "" : "said");
  }
  return said;
}"""
TYPED = """() => {
  const model = { on(name, then) { model[name] = then; }, off() {}, set() {}, send() {} };
  const el = document.body.appendChild(clNode("div", {}));
  widget.render({ model, el });
  const input = el.querySelector(".cl-line"), shown = [];
  const tell = (line) => {
    const rest = { shell: "", own: "", conditions: [], fault: null, notes: [] };
    model["msg:custom"]({ kind: "command", line, valid: line, ...rest });
    shown.push(input.value);
  };
  tell("--type drop");
  input.value = "--port 80";
  tell("--type drop");
  tell("--port 443");
  el.querySelector("button[type=submit]").click();
  tell("--port 8080");
  return shown;
}"""
COME = """() => {
  rows.end += 10;
  rows.base += 10;
  grid.draw();
  return new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)));
}"""
ASKED = """() => {
  const ask = () => {
    const button = clNode("button", { type: "button", onclick: () => { opened.push("asked"); } }, "Ask");
    document.querySelector("#asked").replaceChildren(button);
  };
  frame.body.append(clNode("div", { id: "asked" }));
  frame.on("news", ask);
  ask();
}"""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page()
    opened.set_default_timeout(120_000)
    style = ".cl-viewport { height: 384px; overflow: auto; position: relative }"
    style += " .cl-row { position: absolute; height: 24px; display: flex }"
    opened.set_content(f"<style>{style}</style>")
    code = "\n".join(script.read_text(encoding="utf-8") for script in SCRIPTS)
    opened.add_script_tag(content=code.replace("export default ", "window.widget = "))
    opened.evaluate(LIST)
    opened.wait_for_function(SHOWN)
    yield opened
    opened.close()


@pytest.mark.parametrize("gone", [0, 3, 60, 400])
def test_the_row_a_key_moves_to_is_in_sight_whatever_left_before(page: Any, gone: int) -> None:
    active = page.evaluate(KEYS, gone)
    assert page.evaluate(SHOWN).startswith(f"flow {active}")


@pytest.mark.parametrize("comes", [0, 3, 60])
@pytest.mark.parametrize("times", [1, 2])
def test_the_reader_stays_with_a_row_when_all_is_told_again_before_it_is_drawn(
    page: Any, comes: int, times: int
) -> None:
    before, held, after = page.evaluate(AGAIN, [comes, times])
    assert (held, after) == (before, before - 1)
    assert page.evaluate(SHOWN).startswith(f"flow {after}")


def test_a_row_is_clicked_where_it_was_pressed_whatever_comes_meanwhile(page: Any) -> None:
    row = page.locator(".cl-viewport .cl-row:not([hidden])", has_text="flow 9995")
    place = row.bounding_box()
    page.mouse.move(place["x"] + 5, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.evaluate(COME)
    page.mouse.up()
    page.wait_for_function("() => opened.length")
    assert page.evaluate("() => opened") == [9995]
    page.evaluate(COME)  # drawn again, the reader stays with the row
    page.wait_for_function("() => grid.root.querySelector('[role=grid]').getAttribute('aria-rowcount') === '10001'")


def test_what_is_pressed_stays_until_it_is_let_go_and_what_came_meanwhile_is_shown_then(page: Any) -> None:
    page.evaluate(ASKED)
    button = page.locator("#asked button")
    before, place = button.element_handle(), button.bounding_box()
    page.mouse.move(place["x"] + 5, place["y"] + 5)
    page.mouse.down()
    page.evaluate("() => model['msg:custom']({ kind: 'news' })")
    page.mouse.up()
    page.wait_for_function("() => opened.length")
    assert page.evaluate("() => opened") == ["asked"]
    page.wait_for_function("(button) => !button.isConnected", arg=before)


def test_messages_wait_for_a_pointer_that_never_comes_back_only_a_moment(page: Any) -> None:
    page.evaluate(ASKED)
    button = page.locator("#asked button").element_handle()
    button.dispatch_event("pointerdown")
    page.evaluate("() => model['msg:custom']({ kind: 'news' })")
    page.wait_for_function("(button) => !button.isConnected", arg=button)


def test_what_a_reader_left_is_said_until_it_is_changed_though_a_page_be_told_twice_what_was_before(page: Any) -> None:
    assert page.evaluate(LEFT) == ["--type drop", "said", "said", "said", "said", ""]


def test_what_is_being_typed_stays_until_it_is_sent_whatever_a_page_is_told(page: Any) -> None:
    assert page.evaluate(TYPED) == ["--type drop", "--port 80", "--port 80", "--port 8080"]
