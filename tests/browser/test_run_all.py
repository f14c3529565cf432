"""Run All: every view is live and answers while the cells after it are still running."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest

from lab_helpers.clusters import Cluster

pytestmark = pytest.mark.browser

VIEWS = ("map", "plot", "identities", "bets", "explorer")
OPEN = [
    "from lab_helpers.course.sessions import Lab\nlab = Lab('hubble')",
    "lab.map()",
    "lab.plot('verdicts')",
    "lab.identity_browser()",
    "lab.bets('run-all', 'after the next policy, who reaches whom?')",
    "lab.explorer()",
]
WAIT = "import pathlib, time\nwhile not pathlib.Path('{0}').exists():\n    time.sleep(0.05)"
CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {WAIT!r}]).returncode"
COUNT = "import pathlib\nwhile not pathlib.Path('{0}').exists():\n    sum(range(10_000))"
BUSY, LAST = len(OPEN), len(OPEN) + 2


def run(shop: Cluster, command: str) -> None:
    program, *words = shlex.split(command)
    found = [str(shop.bin_dir / program), *words]  # type: ignore[operator]
    subprocess.run(found, env=shop.environment(), check=True, capture_output=True, timeout=240)


def prompt(opened: Any, index: int) -> str:
    return str(opened.page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-InputPrompt").inner_text())


def view(opened: Any, name: str) -> Any:
    return opened.page.locator(".jp-Notebook .jp-CodeCell").nth(1 + VIEWS.index(name)).locator(".cl-live").first


def says(opened: Any, name: str, text: str) -> None:
    view(opened, name).locator(".cl-state", has_text=text).first.wait_for(timeout=120_000)


def run_all(opened: Any) -> None:
    opened.page.evaluate("() => { window.jupyterapp.commands.execute('runmenu:run-all'); }")
    view(opened, VIEWS[-1]).wait_for(timeout=120_000)


def everything_is_live(opened: Any) -> None:
    for name in VIEWS:
        says(opened, name, "✔ live")
    view(opened, "map").get_by_role("button", name="shop/backend, workload").wait_for()
    view(opened, "plot").locator("svg[role='img']").wait_for()
    view(opened, "identities").locator("[role=option]").first.wait_for()
    view(opened, "bets").locator(".cl-cell").first.wait_for()
    view(opened, "explorer").locator(".cl-viewport .cl-row").first.wait_for()


def test_views_are_live_and_answer_while_cells_run(sheet: Any, shop: Cluster, desk: Any) -> None:
    first, second = (desk.folder / name for name in ("run-all-1", "run-all-2"))
    cells = [*OPEN, CHILD.format(first.name), COUNT.format(second.name), "1 + 1"]
    with sheet("run-all", cells) as opened:
        keys = opened.page.keyboard
        try:
            run_all(opened)
            everything_is_live(opened)

            # a new flow appears
            run(shop, "kubectl -n shop exec deploy/payments -- nc -z -w 1 redis.shop 6379")
            view(opened, "map").get_by_role("button", name="shop/payments to shop/redis, 6379/TCP").wait_for()
            view(opened, "explorer").locator(".cl-row:not([hidden])", has_text="shop/payments").first.wait_for()

            # each is asked by keyboard or mouse, and answers
            view(opened, "map").get_by_role("button", name="shop/payments to shop/redis, 6379/TCP").focus()
            keys.press("Enter")
            details = view(opened, "map").get_by_role("region", name="Details")
            details.get_by_text("hubble observe --from-pod shop/payments").first.wait_for()
            opened.screenshot("run-all-map-light")
            view(opened, "plot").get_by_label("What to plot").select_option("drops")
            view(opened, "plot").locator(".cl-picture", has_text="Drops by reason").wait_for()
            view(opened, "identities").get_by_label("Pod, workload or namespace").fill("shop/frontend")
            view(opened, "identities").get_by_label("Change of labels", exact=True).fill("app=web")
            keys.press("Enter")
            view(opened, "identities").get_by_text("a new one (app=web, namespace=shop)").wait_for()
            opened.screenshot("run-all-identities-light")
            view(opened, "bets").locator(".cl-cell").first.focus()
            keys.press("2")
            view(opened, "bets").locator(".cl-commit").click()
            view(opened, "bets").locator(".cl-standing", has_text="1 of 6 connections bet on").wait_for()
            view(opened, "explorer").get_by_label("Filter, as flags of hubble observe").fill("--to-pod shop/redis")
            keys.press("Enter")
            view(opened, "explorer").get_by_role("button", name="Remove --to-pod shop/redis").wait_for()
            opened.screenshot("run-all-explorer-light")
            assert [prompt(opened, index) for index in (BUSY, LAST)] == ["[*]:", "[*]:"]

            # the same while a cell computes; and the cluster's state is told, and that it is well again
            first.touch()
            opened.page.locator(".jp-Notebook .jp-CodeCell").nth(BUSY).get_by_text("[7]:").first.wait_for()
            opened.theme("dark")
            view(opened, "plot").get_by_label("What to plot").select_option("latency")
            view(opened, "plot").locator(".cl-picture", has_text="HTTP latency").wait_for()
            run(shop, "kubectl -n kube-system scale deployment/hubble-relay --replicas=0")
            try:
                for name in VIEWS:
                    if name != "identities":  # it needs no Hubble
                        says(opened, name, "Hubble Relay is scaled to 0")
                says(opened, "identities", "✔ live")
                opened.screenshot("run-all-no-hubble-dark")
            finally:
                run(shop, "kubectl -n kube-system scale deployment/hubble-relay --replicas=1")
            for name in VIEWS:
                says(opened, name, "✔ live")
            assert [prompt(opened, index) for index in (BUSY + 1, LAST)] == ["[*]:", "[*]:"]
            assert opened.violations(".cl-live") == []
            opened.screenshot("run-all-explorer-dark")
        finally:
            opened.screenshot("run-all-end")
            for file in (first, second):
                file.touch()
        opened.page.locator(".jp-Notebook .jp-CodeCell").nth(LAST).get_by_text("[9]:").first.wait_for()
        assert opened.errors == []


def test_without_subshells_views_are_live_and_answers_come_when_the_cells_have_ended(
    sheet: Any, shop: Cluster, desk: Any
) -> None:
    end = desk.folder / "run-all-3"
    with sheet("run-all-plain", [OPEN[0], OPEN[1], CHILD.format(end.name)]) as opened:
        opened.page.evaluate(
            "() => { const { session } = window.jupyterapp.shell.currentWidget.sessionContext;"
            " session.kernel.commsOverSubshells = 'disabled'; }"
        )
        shown = view(opened, "map")
        try:
            opened.page.evaluate("() => { window.jupyterapp.commands.execute('runmenu:run-all'); }")
            says(opened, "map", "✔ live")
            run(shop, "kubectl -n dev exec deploy/intruder -- sh -c 'curl -s -m 1 http://1.1.1.1/; true'")
            edge = shown.locator("[role=button][aria-label^='dev/intruder to '][aria-label*=', 80/TCP']").first
            edge.wait_for()
            edge.focus()
            opened.page.keyboard.press("Enter")
            assert prompt(opened, 2) == "[*]:"
        finally:
            end.touch()
        shown.get_by_role("region", name="Details").get_by_text("hubble observe --from-pod dev/intruder").wait_for()
        assert opened.errors == []
