"""The identity browser in JupyterLab: by mouse, by keyboard, light and dark."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

CELLS = [
    "from lab_helpers.course.sessions import Lab\nlab = Lab('hubble')",
    "ids = lab.identity_browser()\nids",
    "!kubectl -n shop delete pod -l app=redis --wait=false",
]


def test_identities(sheet: Any) -> None:
    with sheet("identities", CELLS) as opened:
        page = opened.page
        opened.theme("light")
        opened.run(0)
        output = opened.run(1)
        options = output.locator(".cl-ids-list [role=option]")
        options.first.wait_for(timeout=120_000)

        # by keyboard: find, walk the list, ask what a change would do
        search = output.get_by_label("Find", exact=True)
        search.focus()
        page.keyboard.type("frontend shop")
        page.keyboard.press("ArrowDown")
        assert options.count() == 1
        details = output.get_by_role("region", name="The chosen identity")
        details.get_by_text("k8s:app=frontend").first.wait_for()
        page.keyboard.press("Enter")
        page.keyboard.type("app=web")
        page.keyboard.press("Enter")
        answer = output.get_by_role("region", name="What a change of labels would do")
        answer.get_by_text("a new one (app=web, namespace=shop)").wait_for(timeout=120_000)
        opened.screenshot("identities-light", output)
        assert opened.violations(".cl-live") == []
        search.focus()
        page.keyboard.press("Escape")
        assert options.count() > 3

        # by mouse; a mistake is told in place
        options.filter(has_text="app=backend").click()
        details.get_by_text("shop/backend-").first.wait_for()
        output.get_by_label("Change of labels", exact=True).fill("app")
        output.get_by_role("button", name="What would happen?").click()
        answer.get_by_text("is no change of a label").wait_for()

        # as pods churn: the pod that is deleted now ends its line, its successor begins one
        output.get_by_text("Who held which address, and when").click()
        opened.run(2)
        output.locator(".cl-ids-ended").first.wait_for(timeout=120_000)
        opened.theme("dark")
        opened.screenshot("identities-dark", output)
        assert opened.violations(".cl-live") == []
        assert opened.errors == []
