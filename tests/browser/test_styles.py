"""What the views' stylesheets make of elements like theirs, on a page of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab_helpers.views.live.widgets import stylesheet

pytestmark = pytest.mark.browser

DETAIL = """<section class="cl-detail"><div class="cl-bar"><h4>kube-system/hubble-relay-c54d7f454-hmdjf:22460 →
10.0.2.217:54139 (host)</h4><button>Why?</button><button>Close (Esc)</button></div>
<dl><dt><b>drop reason</b></dt><dd>Policy denied</dd></dl></section>"""
FLOWS = """<div class="cl-viewport"><div class="cl-row" aria-selected="true"></div><div class="cl-row"></div></div>
<button aria-pressed="true">Replay</button>"""
RULES = """<div class="cl-ids"><div class="cl-ids-scroll" style="width:470px"><table><tr>
<td>CiliumNetworkPolicy/shop/views-http</td><td>spec.ingress[0]</td><td>allows it as source</td>
<td>any:app=frontend, k8s:io.kubernetes.pod.namespace=shop</td><td>8080/TCP</td></tr></table></div></div>"""
VERDICT = """<div class="cl-map-details"><div class="cl-map-scroll" style="width:300px"><table><tr><td>13:31:19.595</td>
<td>dev/intruder</td><td></td><td>shop/backend:8080</td><td>ingress on worker</td><td>✖ DROPPED</td><td>TCP</td></tr>
</table></div></div>"""
LINES = """(element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  return new Set([...range.getClientRects()].map((line) => Math.round(line.top))).size;
}"""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 820, "height": 700})
    yield opened
    opened.close()


def show(page: Any, name: str, body: str) -> None:
    page.set_content(f"<style>{stylesheet(name)}</style><div class='cl-view cl-live'>{body}</div>")


def test_what_a_flow_is_called_and_its_value_stand_apart_and_buttons_beside_each_other(page: Any) -> None:
    show(page, "explorer", DETAIL)
    word, value = (page.locator(part).bounding_box() for part in ("dt b", "dd"))
    assert word["x"] + word["width"] < value["x"]
    why, shut = (page.get_by_role("button", name=name).bounding_box() for name in ("Why?", "Close"))
    assert why["y"] == shut["y"]


def test_what_is_chosen_or_pressed_is_seen_without_colours_of_our_own(page: Any) -> None:
    show(page, "explorer", FLOWS)
    page.emulate_media(forced_colors="active")
    look = "(element) => getComputedStyle(element).outlineStyle"
    found = [page.locator(part).evaluate(look) for part in (".cl-row[aria-selected]", "button", ".cl-row:last-child")]
    assert found == ["solid", "solid", "none"]


def test_pictures_keep_the_paper_their_colours_are_made_for(page: Any) -> None:
    show(page, "plots", "<svg width='10' height='10'></svg>")
    page.evaluate("() => { document.body.dataset.jpThemeLight = 'false'; }")
    page.emulate_media(forced_colors="active")
    paper = page.locator("svg").evaluate("(element) => getComputedStyle(element).backgroundColor")
    assert paper == "rgb(17, 17, 17)"


@pytest.mark.parametrize(
    ("name", "body", "cell", "lines"),
    [("identities", RULES, "td:first-child", 3), ("map", VERDICT, "td:nth-child(6)", 1)],
)
def test_words_in_narrow_tables_stay_whole(page: Any, name: str, body: str, cell: str, lines: int) -> None:
    show(page, name, body)
    assert page.locator(cell).evaluate(LINES) <= lines
