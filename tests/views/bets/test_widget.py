"""The board as a widget, without a front end."""

from __future__ import annotations

import pytest

from lab_helpers.clusters import ClusterError
from lab_helpers.views.bets.boards import Board
from lab_helpers.views.bets.widget import BetsWidget
from lab_helpers.views.live.following import Follower
from tests.views.bets.test_boards import TWO, A, T, matrix


def nowhere():
    raise ClusterError("no cluster")


@pytest.fixture
def widget():
    made = BetsWidget(
        Board("?", matrix(A, A)), lambda bets: Board("?", matrix(A, A), bets, committed=True), Follower(nowhere)
    )
    told = []
    made.tell = lambda kind, buffers=(), **content: told.append((kind, content))
    made.told = told
    yield made
    made.close()


def test_a_page_that_is_drawn_gets_the_board(widget):
    widget.on_hello({})
    kind, content = widget.told[-1]
    assert kind == "board"
    assert [cell["pair"] for cell in content["cells"]] == [
        "shop/frontend → backend:8080",
        "dev/intruder → backend:8080",
    ]
    assert [choice["word"] for choice in content["choices"]] == ["answered", "timeout"]


def test_a_commitment_reaches_the_course_and_comes_back_locked(widget):
    widget.on_commit({"bets": {"dev/intruder → backend:8080": "timeout"}})
    assert widget.board.bets == {TWO: T}
    assert widget.told[-1][1]["committed"]


@pytest.mark.parametrize("bets", [{}, {"a → b": "timeout"}, {"dev/intruder → backend:8080": "maybe"}])
def test_what_cannot_be_bet_is_said_and_changes_nothing(widget, bets):
    widget._received(None, {"kind": "commit", "bets": bets}, [])
    assert widget.told[-1][0] == "problem"
    assert not widget.board.committed


def test_the_bundle_has_all_three_forms(widget):
    bundle = widget._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
