"""Bets and live plots in JupyterLab: by keyboard and by mouse, light and dark."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

POLICY = """apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: bets-strict, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backend}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: frontend}}]
    toPorts: [{ports: [{port: "8080", protocol: TCP}]}]
"""
CELLS = [
    "from lab_helpers.course.sessions import Lab\nlab = Lab('hubble')",
    "lab.bets('browser', 'after `bets-strict`, who reaches whom?')",
    f"lab.apply({POLICY!r})",
    "lab.settle('browser')",
    "plot = lab.plot('drops', '--namespace shop')\nplot",
    "!kubectl -n shop delete ciliumnetworkpolicy bets-strict",
]


def test_bets_and_plots(sheet: Any) -> None:
    with sheet("bets", CELLS) as opened:
        page = opened.page
        opened.theme("light")
        opened.run(0)
        for _ in range(10):  # a machine that stood still for a second is asked again
            board = opened.run(1)
            cells = board.locator(".cl-cell")
            cells.first.wait_for(timeout=120_000)
            if all("now answered" in str(cell.get_attribute("aria-label")) for cell in cells.all()):
                break
        assert board.locator(".cl-commit").is_disabled()

        # by keyboard: choose, move, take back, commit
        cells.first.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("2")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("1")
        page.keyboard.press("Delete")
        labels = [cell.get_attribute("aria-label") for cell in cells.all()]
        assert labels[0] == "shop/frontend to backend:8080, now answered, your bet: answered"
        assert labels[2].endswith("your bet: timeout")
        assert labels[4].endswith("no bet")
        cells.nth(4).click()  # by mouse: the next choice each time
        cells.nth(4).click()
        assert str(cells.nth(4).get_attribute("aria-label")).endswith("your bet: timeout")
        assert opened.violations(".cl-live") == []
        opened.screenshot("bets-light", board)
        board.locator(".cl-commit").focus()
        page.keyboard.press("Enter")
        board.locator(".cl-standing", has_text="3 of 6 connections bet on. Now change the policy").wait_for()
        assert board.locator(".cl-commit").count() == 0

        # the policy comes, the cell above tells as well
        opened.run(2)
        for _ in range(10):
            opened.run(3)
            board.locator(".cl-standing", has_text="of 3 bets right.").wait_for()
            if "3 of 3 bets right. 2 connections changed" in board.locator(".cl-standing").inner_text():
                break
        board.locator(".cl-standing", has_text="3 of 3 bets right. 2 connections changed").wait_for(timeout=120_000)
        opened.theme("dark")
        assert opened.violations(".cl-live") == []
        opened.screenshot("bets-dark", board)

        # a plot of the drops there were; held and let go by keyboard
        plot = opened.run(4)
        plot.locator("svg[role='img']").wait_for(timeout=120_000)
        assert "Policy denied" in str(plot.locator("svg[role='img']").get_attribute("aria-label"))
        hold = plot.get_by_role("button", name="Pause")
        hold.focus()
        page.keyboard.press("Space")
        plot.locator("button[aria-pressed='true']").wait_for()
        plot.get_by_label("What to plot").select_option("verdicts")
        plot.locator("svg[aria-label^='Verdicts over time']").wait_for(timeout=120_000)
        assert opened.violations(".cl-plot") == []
        opened.screenshot("plot-dark", plot)
        opened.run(5)
        assert opened.errors == []
