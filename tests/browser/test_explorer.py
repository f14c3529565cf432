"""The flow explorer in JupyterLab: by mouse and keyboard, in light and dark, with many flows, when Hubble leaves."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.clusters import Cluster

pytestmark = pytest.mark.browser

OPEN = "from lab_helpers.course.sessions import Lab\nlab = Lab('hubble')\nexplorer = lab.explorer()\nexplorer"
MANY = """
from lab_helpers.hubble.records import Record
from lab_helpers.hubble.protos import flow_pb2
known = explorer.follower.ring.window(0)[1]
copies = []
for number in range(12_000):
    flow = flow_pb2.Flow()
    flow.CopyFrom(known[number % len(known)].flow)
    flow.time.seconds += 3600
    flow.l4.TCP.source_port = 20_000 + number
    copies.append(Record(flow, compact=True))
explorer.follower.feed(tuple(copies))
"""
OpenSheet = Callable[[str, list[str]], AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file the fourth cell waits for."""
    return tmp_path_factory.mktemp("gate") / "open"


@pytest.fixture(scope="module")
def opened(sheet: OpenSheet, gate: Path) -> Iterator[Any]:
    """One notebook for all tests of this module; its first cell shows the explorer."""
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists():\n    time.sleep(0.05)"
    with sheet("explorer", [OPEN, MANY, "explorer", wait, "lab.map()"]) as opened:
        opened.run(0)
        yield opened


@pytest.fixture
def output(opened: Any) -> Any:
    """The explorer as it was first shown, without a filter, live."""
    area = opened.page.locator(".jp-Notebook .jp-CodeCell").nth(0).locator(".jp-Cell-outputArea")
    area.scroll_into_view_if_needed()
    if area.get_by_role("button", name="Resume").is_visible():
        area.get_by_role("button", name="Resume").click()
    if area.locator(".cl-chip").count():
        area.get_by_label("Filter, as flags of hubble observe").fill("")
        area.get_by_role("button", name="Apply").click()
        until(lambda: not area.locator(".cl-chip").count())
    try:
        rows_of(area).nth(5).wait_for(timeout=120_000)
    except BaseException:
        opened.screenshot("explorer-failed")
        print(opened.errors)
        raise
    opened.errors.clear()
    return area


def rows_of(output: Any) -> Any:
    return output.locator(".cl-viewport .cl-row:not([hidden])")


def run(shop: Cluster, command: str) -> None:
    environment = shop.environment()
    program = str(shop.bin_dir / shlex.split(command)[0])  # type: ignore[operator]
    subprocess.run([program, *shlex.split(command)[1:]], env=environment, check=True, capture_output=True, timeout=240)


def until(condition: Callable[[], bool], patience: float = 120.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_by_mouse_in_light_and_dark(opened: Any, output: Any) -> None:
    assert output.locator(".cl-state").inner_text() == "✔ live"

    output.get_by_label("Filter, as flags of hubble observe").fill("hubble observe -n shop --port 8080")
    output.get_by_role("button", name="Apply").click()
    output.locator(".cl-chip", has_text="--namespace shop").wait_for()
    assert output.locator(".cl-command").inner_text() == "hubble observe --namespace shop --port 8080 --follow"
    output.get_by_role("button", name="Remove --port 8080").click()
    until(lambda: output.locator(".cl-command").inner_text() == "hubble observe --namespace shop --follow")
    output.get_by_label("Filter, as flags of hubble observe").fill("--verdict DROPED")
    output.get_by_role("button", name="Apply").click()
    assert output.locator(".cl-fault mark").inner_text() == "--verdict DROPED"
    opened.screenshot("explorer-fault-light")

    output.get_by_label("Filter, as flags of hubble observe").fill("")
    output.get_by_label("Flag of the new filter").select_option("to-port")
    output.get_by_label("Value of the new filter").fill("8080")
    output.get_by_role("button", name="Add", exact=True).click()
    until(lambda: output.locator(".cl-command").inner_text() == "hubble observe --to-port 8080 --follow")

    rows_of(output).filter(has_text="FORWARDED").first.click()
    output.locator(".cl-detail h4").wait_for()
    output.get_by_role("button", name="Why?").click()
    output.locator(".cl-why pre").wait_for(timeout=120_000)
    assert "ALLOWED" in output.locator(".cl-why pre").inner_text()
    opened.screenshot("explorer-detail-light")
    assert opened.violations(".cl-live") == []
    opened.theme("dark")
    opened.screenshot("explorer-detail-dark")
    assert opened.violations(".cl-live") == []
    output.get_by_role("button", name="Close (Esc)").click()

    output.get_by_role("button", name="Replay").click()
    output.get_by_label("Time of the replay").fill("500")
    assert re.fullmatch(r"\d+ of \d+ flows", output.locator(".cl-count").inner_text())
    output.get_by_label("Speed of the replay").select_option("100")
    output.get_by_role("button", name="▶ Play").click()
    until(lambda: " of " not in output.locator(".cl-count").inner_text())
    opened.screenshot("explorer-replay-dark")
    output.get_by_role("button", name="Replay", exact=True).click()
    with opened.page.expect_download() as download:
        output.get_by_role("button", name="Export").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert all(json.loads(line)["flow"]["uuid"] for line in lines)
    assert opened.errors == []
    opened.theme("light")


def test_by_keyboard(opened: Any, output: Any) -> None:
    keys = opened.page.keyboard
    focused = opened.page.locator("*:focus")

    output.get_by_role("button", name="Pause").focus()
    keys.press("Enter")
    output.get_by_role("button", name="Resume").wait_for()
    assert output.locator(".cl-state").inner_text().startswith("❚❚ paused")
    keys.press("/")
    assert focused.get_attribute("aria-label") == "Filter, as flags of hubble observe"
    keys.type("--type trace")
    keys.press("Enter")
    output.locator(".cl-chip").wait_for()
    grid = output.get_by_role("grid")
    until(lambda: f"{int(grid.get_attribute('aria-rowcount')) - 1} flows" == output.locator(".cl-count").inner_text())
    for _ in range(20):
        keys.press("Tab")
        if focused.get_attribute("role") == "row":
            break
    total = int(grid.get_attribute("aria-rowcount"))
    assert int(focused.get_attribute("aria-rowindex")) == total
    keys.press("ArrowUp")
    assert int(focused.get_attribute("aria-rowindex")) == total - 1
    keys.press("PageUp")
    assert int(focused.get_attribute("aria-rowindex")) < total - 10
    keys.press("Home")
    assert int(focused.get_attribute("aria-rowindex")) == 2
    keys.press("Enter")
    output.locator(".cl-detail h4").wait_for()
    assert focused.get_attribute("aria-label") == "The flow in detail"
    opened.screenshot("explorer-keyboard-light")
    keys.press("Escape")
    output.locator(".cl-detail").wait_for(state="hidden")
    assert int(focused.get_attribute("aria-rowindex")) == 2
    keys.press("End")
    assert int(focused.get_attribute("aria-rowindex")) == total
    assert output.locator("[role=status]").inner_text() == "Paused"
    assert opened.errors == []


def test_in_a_narrow_page_the_verdict_stays_in_sight(opened: Any, output: Any) -> None:
    inside = """(box) => {
        const verdict = box.querySelector(".cl-row:not([hidden]) > div:nth-child(5)").getBoundingClientRect();
        return verdict.width > 0 && verdict.right <= box.getBoundingClientRect().right;
    }"""
    before = opened.page.viewport_size
    for width, height in ((1024, 768), (853, 533)):
        opened.page.set_viewport_size({"width": width, "height": height})
        until(lambda: bool(output.locator(".cl-viewport").evaluate(inside)))
    opened.screenshot("explorer-narrow")
    opened.page.set_viewport_size(before)


def test_ten_thousand_flows(opened: Any, output: Any) -> None:
    opened.run(1)
    output = opened.run(2)
    until(lambda: output.locator(".cl-count").inner_text() == "10000 flows")
    view = output.locator(".cl-live")
    until(lambda: view.get_attribute("data-first-paint") is not None)
    figures = {name: int(view.get_attribute(f"data-{name}")) for name in ("first-paint", "update")}
    assert rows_of(output).count() < 40
    frames = opened.page.evaluate(
        """async (viewport) => {
          const slow = [];
          let before = performance.now();
          for (let step = 0; step < 60; step++) {
            viewport.scrollTop = step * 4000;
            await new Promise(requestAnimationFrame);
            const now = performance.now();
            slow.push(now - before);
            before = now;
          }
          return slow.sort((a, b) => a - b);
        }""",
        output.locator(".cl-viewport").element_handle(),
    )
    print(f"10,000 flows: {figures}, frames while scrolling: median {frames[30]:.0f} ms, worst {frames[-1]:.0f} ms")
    assert rows_of(output).count() < 40
    assert opened.errors == []


def test_a_second_view_leaves_the_first_where_it_was(opened: Any, output: Any) -> None:
    keys = opened.page.keyboard
    output.get_by_role("grid").wait_for()
    rows_of(output).last.click()
    output.locator(".cl-detail h4").wait_for()
    keys.press("Escape")
    output.locator(".cl-detail").wait_for(state="hidden")
    for _ in range(3):
        keys.press("PageUp")
    active = output.locator(".cl-row:focus")
    before = active.inner_text()
    opened.page.evaluate("index => window.jupyterapp.shell.currentWidget.content.activeCellIndex = index", 2)
    opened.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")
    second = opened.page.locator(".jp-Notebook .jp-CodeCell").nth(2).locator(".cl-live")
    second.locator(".cl-state", has_text="✔ live").wait_for(timeout=120_000)
    second.locator(".cl-viewport .cl-row").first.wait_for(timeout=120_000)
    assert output.locator(".cl-viewport .cl-row[tabindex='0']").inner_text() == before
    output.get_by_label("Filter, as flags of hubble observe").fill("--namespace shop")
    output.get_by_role("button", name="Apply").click()
    output.locator(".cl-chip").wait_for()
    assert opened.errors == []


def test_hubble_leaves_and_comes_back(opened: Any, output: Any, shop: Cluster) -> None:
    state = output.locator(".cl-state")
    run(shop, "kubectl -n kube-system scale deployment/hubble-relay --replicas=0")
    try:
        until(lambda: "Hubble Relay is scaled to 0" in state.inner_text())
        opened.screenshot("explorer-no-hubble-light")
    finally:
        run(shop, "kubectl -n kube-system scale deployment/hubble-relay --replicas=1")
    until(lambda: state.inner_text() == "✔ live")
    assert opened.errors == []


def test_flows_arrive_and_filters_work_while_a_cell_runs(opened: Any, output: Any, shop: Cluster, gate: Path) -> None:
    cell = opened.page.locator(".jp-Notebook .jp-CodeCell").nth(3)
    cell.locator(".jp-Editor").click()
    opened.page.keyboard.press("Control+Enter")
    output.locator(".cl-state").scroll_into_view_if_needed()
    before = output.locator(".cl-row").last.inner_text()
    run(shop, "kubectl -n shop exec deploy/frontend -- curl -s -o /dev/null http://backend:8080/api/v1/products")
    until(lambda: output.locator(".cl-row").last.inner_text() != before)
    output.get_by_label("Filter, as flags of hubble observe").first.fill("-n shop")
    output.get_by_role("button", name="Apply").first.click()
    output.locator(".cl-chip").first.wait_for()
    assert "*" in cell.locator(".jp-InputPrompt").inner_text()
    gate.touch()
    cell.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]")).wait_for()


def test_a_restarted_kernel_is_said_and_the_cell_brings_everything_back(opened: Any, output: Any) -> None:
    page = opened.page
    output.get_by_label("Filter, as flags of hubble observe").fill("--namespace shop --type trace")
    output.get_by_role("button", name="Apply").click()
    output.locator(".cl-chip", has_text="--type trace").wait_for()
    page.evaluate("() => { window.jupyterapp.commands.execute('kernelmenu:restart'); }")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    until(lambda: "run the cell again" in output.locator(".cl-state").first.inner_text())
    opened.screenshot("explorer-no-kernel-light")
    opened.run(0)
    again = page.locator(".jp-Notebook .jp-CodeCell").nth(0).locator(".jp-Cell-outputArea")
    until(lambda: again.locator(".cl-state").last.inner_text() == "✔ live")
    again.locator(".cl-chip", has_text="--type trace").wait_for()  # what was typed is in force again, and it is said
    again.get_by_text("As you left it before the kernel was restarted: --namespace shop --type trace").first.wait_for()
    until(lambda: rows_of(again).count() > 5)
    opened.screenshot("explorer-again-light")
    assert opened.violations(".cl-live") == []
    again.get_by_role("button", name="Remove --type trace").click()
    again.get_by_text("As you left it").first.wait_for(state="hidden")
    opened.run(0)
    again.locator(".cl-state", has_text="✔ live").wait_for()
    assert again.locator(".cl-chip").count() == 0  # run again without a restart, the cell's own word counts


def test_an_exported_notebook_shows_the_static_form_and_loads_nothing(
    opened: Any, output: Any, browser: Any, desk: Any, tmp_path: Path
) -> None:
    opened.page.keyboard.press("Escape")
    opened.page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save'); }")
    exported = opened.page.request.get(f"{desk.url}/nbconvert/html/explorer.ipynb?token={desk.token}")
    page_file = tmp_path / "explorer.html"
    page_file.write_bytes(exported.body())
    for scheme in ("light", "dark"):
        context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": 1200, "height": 1300})
        page = context.new_page()
        errors: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message, into=errors: into.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request, into=requests: into.append(request.url))
        page.goto(page_file.as_uri())
        panel = page.locator(".cl-panel", has_text="Flow explorer").first
        assert "hubble observe --follow" in panel.inner_text()
        assert "FORWARDED" in panel.inner_text()
        opened.screenshot(f"explorer-exported-{scheme}", panel)
        assert (errors, requests) == ([], [page_file.as_uri()])
        context.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_memory_is_flat_over_ten_minutes_of_live_flows(opened: Any, output: Any, shop: Cluster) -> None:
    loop = "while true; do curl -s -o /dev/null http://backend:8080/api/v1/products; sleep 0.1; done"
    command = [str(shop.bin_dir / "kubectl"), "-n", "shop", "exec", "deploy/frontend", "--", "sh", "-c", loop]  # type: ignore[operator]
    shown = opened.run(4)
    shown.get_by_role("button", name="shop/backend, workload").wait_for()
    busy = subprocess.Popen(command, env=shop.environment())
    try:
        used = []
        for _ in range(20):
            opened.page.wait_for_timeout(30_000)
            used.append(opened.heap())
            flows = output.locator(".cl-count").last.inner_text()
            nodes = [area.locator(".cl-live *").count() for area in (output, shown)]
            print(f"heap {used[-1] / 1e6:.2f} MB, {flows}, elements of explorer and map {nodes}")
    finally:
        busy.terminate()
        busy.wait(timeout=120)
    assert max(used[10:]) < 1.1 * max(used[:4])
    assert max(nodes) < 2_000
