"""Map and identity browser on a live cluster with the shop, and what they say when there is none."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from lab_helpers.clusters import Cluster, start_twin
from lab_helpers.course.sessions import Lab
from lab_helpers.views.identities.following import EndpointFollower
from lab_helpers.views.identities.widget import IdentityWidget
from lab_helpers.views.live.following import Follower
from lab_helpers.views.map.maps import Edge
from lab_helpers.views.map.widget import MapWidget

T = TypeVar("T")
POLICY = """apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: views-http, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backend}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: frontend}}]
    toPorts:
    - ports: [{port: "8080", protocol: TCP}]
      rules: {http: [{method: GET, path: "/api/v1/.*"}]}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    before = dict(os.environ)
    started = start_twin(tmp_path_factory.mktemp("views-twin"))
    try:
        yield started
    finally:
        started.down()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def lab(cluster: Cluster) -> Iterator[Lab]:
    opened = Lab("hubble", cluster=cluster)
    opened.apply(POLICY)
    call = "curl -sS --max-time 3 http://backend.shop:8080"
    for who, path in (("shop/frontend", "/api/v1/products"), ("shop/frontend", "/admin"), ("dev/intruder", "/x")):
        opened.try_(who, call + path)
    yield opened
    opened.close()


def until(look: Callable[[], T], fits: Callable[[T], object], patience: float = 120.0) -> T:
    end = time.monotonic() + patience
    while True:
        found = look()
        if fits(found) or time.monotonic() > end:
            return found
        time.sleep(0.05)


def test_without_cilium_both_say_so_and_recover(tmp_path: Path, lab: Lab) -> None:
    bare = start_twin(tmp_path)
    where = [bare]
    found = MapWidget(Follower(lambda: where[0]))
    ids = IdentityWidget(EndpointFollower(lambda: where[0]))
    widgets = (found, ids)
    try:
        for widget in widgets:
            text = until(lambda widget=widget: widget.static().text(), lambda text: "no Cilium" in text)  # type: ignore[misc]
            assert "no Cilium: Cilium is not installed on this cluster (try: `cilium install --wait`)" in text
        bare.down()
        for widget in widgets:
            text = until(lambda widget=widget: widget.static().text(), lambda text: "cluster gone" in text)  # type: ignore[misc]
            assert "cluster gone" in text
        where[0] = lab.cluster
        for widget in widgets:
            text = until(  # what is read anew may come before the follower says that it follows again
                lambda widget=widget: widget.static().text(),  # type: ignore[misc]
                lambda text: "shop/backend" in text and "cluster gone" not in text,
            )
            assert "shop/backend" in text
            assert "cluster gone" not in text
    finally:
        found.close()
        ids.close()
        bare.down()


def test_the_map_shows_what_happened_and_why(lab: Lab) -> None:
    shop = lab.map()
    try:
        wanted = [
            ("shop/frontend", "shop/backend", "FORWARDED"),
            ("shop/frontend", "shop/backend", "DROPPED"),
            ("dev/intruder", "shop/backend", "DROPPED"),
        ]

        def lines() -> dict[tuple[str, str, str], Edge]:
            return {(str(e.line.source), str(e.line.target), e.line.verdict): e for e in shop.now.edges}

        found = until(lines, lambda edges: set(wanted) <= set(edges) and "403" in str(edges[wanted[1]].uses))
        allowed, refused, dropped = (found[line] for line in wanted)
        assert "CiliumNetworkPolicy shop/views-http" in allowed.policies
        assert list(map(str, refused.uses)) == ["GET /admin → 403 ×1"]
        assert dropped.connections == 1
        assert "default deny is on because of" in shop.edge("dev/intruder", "shop/backend").text()
        both = shop.edge("shop/frontend", "shop/backend").text()
        assert "GET /admin matches no rule: Envoy answers 403" in both
        assert "path: /api/v1/.*" in both
        assert "There is no edge dev/nobody" in shop.edge("dev/nobody").text()
        for edge in (allowed, refused, dropped):
            flows = observe(lab.cluster, edge.line)
            assert flows, edge.key
    finally:
        shop.close()


def observe(cluster: Cluster, line: object) -> list[str]:
    """What the bundled ``hubble`` says to the command of an edge."""
    from lab_helpers.views.map.details import hubble_command
    from lab_helpers.views.map.sightings import Line

    assert isinstance(line, Line)
    words = shlex.split(hubble_command(line, proxied=True))
    program = [str(cluster.bin_dir / words[0]), *words[1:], "-o", "compact"]  # type: ignore[operator]
    environment = {**os.environ, **cluster.environment()}
    ran = subprocess.run(program, capture_output=True, text=True, check=True, env=environment, encoding="utf-8")
    return ran.stdout.splitlines()


def test_an_edit_does_what_was_foretold(lab: Lab) -> None:
    ids = lab.identity_browser()
    try:
        page = until(ids.static, lambda page: len(page.entries) > 4)
        frontend = next(entry for entry in page.entries if "k8s:app=frontend" in entry.labels)
        backends = [seat for entry in page.entries if "k8s:app=backend" in entry.labels for seat in entry.seats]
        moved = backends[0].pod
        foretold = ids.what_if(moved, "app=frontend")
        assert f"→ {frontend.numeric} (app=frontend, namespace=shop)" in foretold.text()
        assert "Service shop/backend would no longer send to" in foretold.text()

        lab.api.patch("Pod", moved.partition("/")[2], "shop", {"metadata": {"labels": {"app": "frontend"}}})

        def tenures() -> list[int]:
            return [t.numeric for t in ids.static().history.tenures if t.pod == moved]

        assert until(tenures, lambda found: len(found) == 2)[-1] == frontend.numeric
        entry = ids.static().catalogue.find(moved)
        assert entry is not None
        assert entry.numeric == frontend.numeric

        lab.api.delete("Pod", moved.partition("/")[2], "shop", grace=0)
        ended = until(
            lambda: [t for t in ids.static().history.tenures if t.pod == moved and t.end is None], lambda left: not left
        )
        assert ended == []
        assert "say what to change" in ids.what_if("shop/frontend", "").text()
    finally:
        ids.close()


def test_nobody_listens_any_more(lab: Lab) -> None:
    cluster = lab.cluster
    follower = EndpointFollower(lambda: cluster)
    subscription = follower.subscribe(lambda _batch: None, lambda _status: None)
    thread = follower._thread
    assert thread is not None
    assert follower.settle(120).live
    assert until(lambda: follower._response is not None, bool)
    subscription.end()
    thread.join(120)
    assert not thread.is_alive()
    follower.stop()


def test_widgets_have_all_three_forms(lab: Lab) -> None:
    for widget in (lab.map(), lab.identity_browser()):
        bundle = widget._repr_mimebundle_()
        assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
        assert "shop/frontend" in bundle["text/plain"]
        assert "<script" not in bundle["text/html"]
        widget.close()
