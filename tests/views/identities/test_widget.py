"""The identity browser between a watch and slow reads, without a front end and without a cluster."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from lab_helpers.clusters import Cluster
from lab_helpers.views.identities.following import EndpointFollower
from lab_helpers.views.identities.snapshots import Snapshot
from lab_helpers.views.identities.widget import IdentityWidget

from .objects import SHOP, endpoint

PATIENCE = 120.0
MOVED = endpoint("shop", "frontend", 1005, 1, tier="web")


class Found:
    """Stands for a cluster and a page: says what is read, and keeps what is told."""

    def __init__(self) -> None:
        self.follower = EndpointFollower(lambda: None)  # type: ignore[arg-type, return-value]
        self.follower.took(SHOP.of("CiliumEndpoint"))
        self.told: list[dict[str, Any]] = []
        self.news = threading.Condition()
        self.reads = 0
        self.may_read = threading.Event()
        self.may_read.set()
        self.amid = lambda: None
        self.widget = Browser(self.follower, settling=PATIENCE, read=self.read)
        self.widget.found = self

    def read(self, _cluster: Cluster, _agents: bool) -> Snapshot:
        with self.news:
            self.reads += 1
            self.news.notify_all()
        assert self.may_read.wait(PATIENCE)
        self.amid()
        return SHOP

    def until(self, holds: Any) -> None:
        with self.news:
            assert self.news.wait_for(holds, PATIENCE)

    def carried(self, pod: str) -> list[int]:
        """The numbers of the identities that the page saw a pod carry, one after the other; 0: none."""
        told = [content["entries"] for content in self.told if content["kind"] == "catalogue"]
        return [
            next((entry["numeric"] for entry in entries if any(pod in seat for seat in entry["seats"])), 0)
            for entries in told
        ]


class Browser(IdentityWidget):
    """Tells a ``Found``."""

    found: Found | None = None

    def send(self, content: Any, buffers: Any = None) -> None:
        if self.found is not None:
            with self.found.news:
                self.found.told.append(content)
                self.found.news.notify_all()


@pytest.fixture
def found() -> Iterator[Found]:
    made = Found()
    made.widget._received(made.widget, {"kind": "hello", "page": "a"}, None)
    made.until(lambda: made.carried("shop/frontend-1") == [1001])
    yield made
    made.may_read.set()
    made.widget.close()


def test_a_change_is_drawn_before_the_cluster_was_read_again(found: Found) -> None:
    found.may_read.clear()
    before = found.reads
    found.follower.happened("MODIFIED", MOVED)
    found.until(lambda: found.carried("shop/frontend-1") == [1001, 1005])
    found.follower.happened("DELETED", endpoint("dev", "intruder", 2001, 4))  # the pod that was read is gone with it
    found.until(lambda: found.carried("dev/intruder-4") == [2001, 2001, 0])
    found.until(lambda: found.reads > before)


def test_what_happens_while_the_cluster_is_read_is_not_taken_back(found: Found) -> None:
    found.amid = lambda: found.follower.happened("MODIFIED", MOVED)
    found.widget.find(1005)
    entry = found.widget._catalogue.find("shop/frontend-1")
    assert entry is not None
    assert entry.numeric == 1005


def test_what_is_read_later_holds(found: Found) -> None:
    found.follower.happened("MODIFIED", MOVED)
    found.until(lambda: found.carried("shop/frontend-1") == [1001, 1005, 1001])


def test_an_edit_is_judged_by_the_policies_of_now(found: Found) -> None:
    before = found.reads
    found.widget._received(
        found.widget, {"kind": "preview", "target": "shop/frontend-1", "change": "app=backend"}, None
    )
    found.until(lambda: any(content["kind"] == "consequence" for content in found.told))
    assert found.reads > before


def test_endpoints_that_a_watch_told_of() -> None:
    fresh = endpoint("shop", "fresh", 1009, 9)
    shown = SHOP.with_endpoints({"shop/fresh-9": {**fresh, "kind": ""}})
    assert shown.of("CiliumEndpoint") == (fresh,)
    assert shown.of("Pod") == ()
    assert shown.of("CiliumIdentity") == SHOP.of("CiliumIdentity")
    assert SHOP.with_endpoints({}).with_endpoints({}).of("Namespace") == SHOP.of("Namespace")


def test_a_watch_that_was_closed_already_is_hung_up_in_silence() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answer = http.client.HTTPResponse(ours)
        answer.close()
        follower = EndpointFollower(lambda: None)  # type: ignore[arg-type, return-value]
        follower._response = urllib3.HTTPResponse(body=answer)  # type: ignore[arg-type]
        follower.stop()
        assert follower._response is None
