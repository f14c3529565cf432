"""What all live widgets share, without a front end and without a cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lab_helpers.clusters import NotRunning
from lab_helpers.views.live import widgets
from lab_helpers.views.live.following import Follower
from lab_helpers.views.live.statuses import State, Status
from lab_helpers.views.panels import Panel
from lab_helpers.views.showing import ALONE

PATIENCE = 120.0
GONE = Status(State.GONE, "gone")


def nobody() -> Any:
    raise NotRunning("no cluster")


class Shown(widgets.LiveWidget):
    """Keeps what it tells. ``spoke`` is released with every snapshot."""

    _esm = "export default {}"

    def __init__(self, follower: Follower) -> None:
        self.told: list[dict[str, Any]] = []
        self.spoke = threading.Semaphore(0)
        super().__init__(follower)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.told.append(content)

    def static(self) -> Panel:
        return Panel("shown")

    def snapshot(self) -> None:
        self.tell("everything")
        self.spoke.release()

    def on_fail(self, _content: Any) -> None:
        raise RuntimeError("no")

    def says(self, kind: str, **content: Any) -> None:
        self._received(self, {"kind": kind, **content}, None)

    def kinds(self) -> list[str]:
        return [content["kind"] for content in self.told]


@pytest.fixture
def widget() -> Iterator[Shown]:
    made = Shown(Follower(nobody, diagnose=lambda _find, _failure: GONE))
    assert made.follower.settle(PATIENCE) == GONE  # what it says then is in nobody's way
    yield made
    made.close()


def test_a_page_that_says_hello_again_is_answered_once(widget: Shown) -> None:
    for page in ("a", "a", "b"):
        widget.says("hello", page=page)
    kinds = [content.get("page") or content["kind"] for content in widget.told if content["kind"] != "status"]
    assert kinds == ["a", "everything", "a", "b", "everything"]


def test_what_is_shown_is_told_until_a_page_speaks(widget: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widgets, "_UNASKED", (0.0, 0.0))
    assert not widget.watched
    widget._repr_mimebundle_()
    for _ in range(2):
        assert widget.spoke.acquire(timeout=PATIENCE)
    assert widget.watched
    widget.says("hello", page="a")
    assert widget.spoke.acquire(timeout=PATIENCE)
    told = len(widget.told)
    widget._repr_mimebundle_()
    [thread.join(PATIENCE) for thread in threading.enumerate() if thread.name == "cilium-labs-shown"]
    assert widget.told[told:] == []


def test_where_no_page_will_ever_be_nothing_is_told(widget: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALONE, "1")
    before = set(threading.enumerate())
    assert "shown" in widget._repr_mimebundle_()["text/plain"]
    assert not widget.watched
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "cilium-labs-shown"]


def test_a_page_that_was_away_is_told_everything(widget: Shown) -> None:
    widget.says("beat")
    assert widget.kinds()[0] == "beat"
    assert widget.kinds().count("everything") == 1
    widget.says("beat")
    assert widget.kinds().count("everything") == 1


def test_what_a_handler_or_a_worker_raises_is_shown(widget: Shown) -> None:
    widget.says("fail")
    assert widget.told[-1] == {"kind": "problem", "what": "RuntimeError: no"}
    widget.says("nonsense")
    assert "nonsense" in widget.told[-1]["what"]
    worker = widget.worker(lambda: widget.on_fail({}), pace=0.0)
    worker.wake()
    if (thread := worker._thread) is not None:
        thread.join(PATIENCE)
    assert widget.told[-1] == {"kind": "problem", "what": "RuntimeError: no"}


def test_a_closed_widget_works_no_more(widget: Shown) -> None:
    ran: list[int] = []
    worker = widget.worker(lambda: ran.append(1), pace=0.0)
    widget.close()
    worker.wake()
    assert worker._thread is None
    assert ran == []


def test_messages_are_handled_where_the_page_sent_them() -> None:
    class Comm:
        def _reply_subshell_for(self, _message: object, _sent_to: str) -> str:
            return "the cells"

    asked, old = Comm(), object()
    widgets.beside_the_cells(asked)
    assert asked._reply_subshell_for({}, "beside") == "beside"
    widgets.beside_the_cells(old)  # an ipykernel that does not ask
    widgets.beside_the_cells(None)  # no kernel
