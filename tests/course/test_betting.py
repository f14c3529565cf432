"""Bets from opening a board to its score, kept in the records."""

from __future__ import annotations

import json

import pytest

from lab_helpers.course.betting import Bets
from lab_helpers.course.errors import CourseError
from lab_helpers.course.records import Records
from lab_helpers.views.matrices import Matrix
from lab_helpers.views.verdicts import Outcome

PAIR = ("shop/frontend", "backend:8080")


class Cluster:
    def __init__(self) -> None:
        self.outcome = Outcome.ANSWERED

    def measure(self) -> Matrix:
        return Matrix((PAIR[0],), (PAIR[1],), {PAIR: self.outcome})


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def records(tmp_path):
    return Records(tmp_path / "progress.db")


def bets(cluster, records):
    return Bets("a-lab", records, cluster.measure)


def test_a_bet_is_made_settled_and_survives_the_kernel(cluster, records):
    bets(cluster, records).open("strict", "who?", typed={"shop/frontend -> backend:8080": "timeout"})
    cluster.outcome = Outcome.TIMEOUT
    bets(cluster, records).settle("strict")
    board = bets(cluster, records).open("strict", "who?").board
    assert (board.score.right, board.score.bets, board.score.changed) == (1, 1, 1)
    assert json.loads(records.export())["bets"][0]["right"] == 1


def test_the_first_commitment_counts(cluster, records):
    table = bets(cluster, records)
    table.open("strict", "who?", typed={"shop/frontend → backend:8080": "timeout"})
    table.open("strict", "who?", typed={"shop/frontend → backend:8080": "answered"})
    assert table.board("strict").bets == {PAIR: Outcome.TIMEOUT}


def test_after_the_answer_it_is_too_late(cluster, records):
    table = bets(cluster, records)
    table.open("strict", "who?")
    table.settle("strict")
    table.commit("strict", {PAIR: Outcome.ANSWERED})
    assert table.board("strict").bets == {}


def test_until_something_is_bet_the_present_is_measured_anew(cluster, records):
    bets(cluster, records).open("strict", "who?")
    cluster.outcome = Outcome.REFUSED
    assert bets(cluster, records).open("strict", "who?").board.before.cells[PAIR] is Outcome.REFUSED


@pytest.mark.parametrize(
    "typed", [{"shop/frontend -> redis:1": "timeout"}, {"shop/frontend -> backend:8080": "perhaps"}, {"x": "timeout"}]
)
def test_what_cannot_be_bet_is_refused(cluster, records, typed):
    with pytest.raises(CourseError, match=r"there is no connection|is no outcome"):
        bets(cluster, records).open("strict", "who?", typed=typed)
    assert records.bets("a-lab", "strict").bets == ()


def test_settling_what_was_never_opened_is_refused(cluster, records):
    with pytest.raises(CourseError, match="no board"):
        bets(cluster, records).settle("strict")


def test_an_older_file_gains_the_table(cluster, tmp_path):
    import sqlite3

    file = tmp_path / "progress.db"
    Records(file).predict("a-lab", "one", "x")
    with sqlite3.connect(file) as db:
        db.executescript("DROP TABLE bets; PRAGMA user_version=1;")
    db.close()
    bets(cluster, Records(file)).open("strict", "who?")
    assert Records(file).prediction("a-lab", "one").choice == "x"
