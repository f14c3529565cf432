"""The service map in JupyterLab: by mouse, by keyboard, light and dark, and as an exported page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

POLICY = """apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: map-http, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backend}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: frontend}}]
    toPorts:
    - ports: [{port: "8080", protocol: TCP}]
      rules: {http: [{method: GET, path: "/api/v1/.*"}]}
"""
TRAFFIC = """call = "curl -sS --max-time 1 http://backend.shop:8080"
for who, path in [("shop/frontend", "/api/v1/products"), ("shop/frontend", "/admin"), ("dev/intruder", "/x")]:
    lab.try_(who, call + path)
"""
CELLS = [
    f"from lab_helpers.course.sessions import Lab\nlab = Lab('hubble')\nlab.apply({POLICY!r})\n{TRAFFIC}",
    "shop = lab.map()\nshop",
    "lab.try_('shop/payments', 'nc -z -w 1 redis.shop 6379'); None",
    "!kubectl -n shop delete ciliumnetworkpolicy map-http",
]
INTRUDER = "dev/intruder to shop/backend, 8080/TCP: dropped"


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') || ''"))


def reaches(page: Any, label: str) -> None:
    """Wait until the focus is on what has this label."""
    page.wait_for_function(
        "(label) => (document.activeElement.getAttribute('aria-label') || '').startsWith(label)", arg=label
    )


def down_to(page: Any, label: str) -> None:
    """Go down to what has this label; bands stand in the order in which their flows came."""
    for _ in range(20):
        if focused(page).startswith(label):
            break
        page.keyboard.press("ArrowDown")
    reaches(page, label)


def test_map(sheet: Any) -> None:
    with sheet("map", CELLS) as opened:
        page = opened.page
        opened.theme("light")
        opened.run(0)
        output = opened.run(1)
        edge = output.get_by_role("button", name=INTRUDER)
        edge.wait_for(timeout=120_000)
        opened.screenshot("map-light", output)

        # by keyboard: along the arrows, open, read why, close; the focus comes back
        output.locator(".cl-map g[tabindex='0']").focus()
        page.keyboard.press("Home")
        down_to(page, "dev/intruder, workload")
        page.keyboard.press("ArrowRight")
        down_to(page, INTRUDER)
        page.keyboard.press("ArrowRight")
        reaches(page, "shop/backend, workload")
        page.keyboard.press("Enter")
        details = output.get_by_role("region", name="Details")
        details.get_by_text("Behind it: shop/backend-").wait_for()
        page.keyboard.press("Escape")
        reaches(page, "shop/backend, workload")
        edge.focus()
        page.keyboard.press("Enter")
        details.get_by_text("default deny is on because of").wait_for(timeout=120_000)
        assert "hubble observe --from-pod dev/intruder --to-pod shop/backend" in details.inner_text()
        opened.screenshot("map-details-light", output)
        assert opened.violations(".cl-live") == []
        page.keyboard.press("Escape")
        details.wait_for(state="hidden")
        reaches(page, INTRUDER)

        # by mouse: the request that was refused, and its flows in the explorer
        refused = output.get_by_role("button", name="shop/frontend to shop/backend, 8080/TCP: dropped")
        refused.locator("text").click(force=True)  # other edges may lie above it, the label counts
        details.get_by_text("GET /admin → 403 ×1").first.wait_for(timeout=120_000)
        details.get_by_role("button", name="These flows in the explorer").click()
        details.locator(".cl-map-explorer .cl-live").wait_for(timeout=120_000)
        opened.screenshot("map-explorer-light", output)
        details.get_by_role("button", name="Close (Esc)").click()

        # live: a connection that is made now appears, and what is there keeps its place
        place = output.get_by_role("button", name="shop/backend, workload")
        before = place.bounding_box()
        opened.run(2)
        output.get_by_role("button", name="shop/payments to shop/redis, 6379/TCP").wait_for(timeout=120_000)
        assert place.bounding_box()["width"] == before["width"]

        output.get_by_role("button", name="Table", exact=True).click()
        output.locator(".cl-map-table tbody tr").first.wait_for()
        opened.theme("dark")
        opened.screenshot("map-dark", output)
        assert opened.violations(".cl-live") == []
        opened.run(3)
        assert opened.errors == []


def test_exported_map_needs_no_kernel_and_no_network(browser: Any, shop: Any, tmp_path: Path) -> None:
    from lab_helpers.views.live.following import follower_of
    from lab_helpers.views.map.widget import MapWidget

    widget = MapWidget(follower_of(shop))
    try:
        bundle = widget._repr_mimebundle_()
    finally:
        widget.close()
    page_file = tmp_path / "map.html"
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Map</title></head>'
    page_file.write_text(f"{head}<body><main>{bundle['text/html']}</main></body></html>", encoding="utf-8")
    context = browser.new_context(offline=True, color_scheme="dark", viewport={"width": 1200, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri())
    page.locator("svg.cl-map").wait_for()
    page.locator("summary").click()
    page.get_by_role("columnheader", name="verdict").wait_for()
    context.close()
    assert errors == []
    assert requests == [page_file.as_uri()]
