"""Boards of bets: score, text, HTML, and what the page is told."""

from __future__ import annotations

import pytest

from lab_helpers.views.bets.boards import Board
from lab_helpers.views.matrices import Matrix
from lab_helpers.views.verdicts import Outcome

A, T, F = Outcome.ANSWERED, Outcome.TIMEOUT, Outcome.FORBIDDEN
ONE, TWO = ("shop/frontend", "backend:8080"), ("dev/intruder", "backend:8080")


def matrix(one: Outcome, two: Outcome) -> Matrix:
    return Matrix((ONE[0], TWO[0]), ("backend:8080",), {ONE: one, TWO: two})


@pytest.mark.parametrize(
    ("bets", "after", "score"),
    [
        ({}, (A, T), (0, 0, 1, 0)),
        ({TWO: T}, (A, T), (1, 1, 1, 1)),
        ({ONE: T, TWO: T}, (A, T), (1, 2, 1, 1)),
        ({ONE: A, TWO: A}, (A, A), (2, 2, 0, 0)),
        ({TWO: T}, (A, F), (0, 1, 1, 0)),
    ],
)
def test_score(bets, after, score):
    assert Board("?", matrix(A, A), bets, bool(bets), matrix(*after)).score == score


def test_nothing_is_scored_before_it_is_settled():
    board = Board("?", matrix(A, A), {ONE: A}, True)
    assert board.score is None
    assert board.state() == "1 of 2 connections bet on. Now change the policy, then settle."


def test_text_says_before_bet_and_after():
    board = Board("who after `strict`?", matrix(A, A), {TWO: T, ONE: T}, True, matrix(A, T))
    assert board.text() == (
        "Bet: who after `strict`?\n"
        "from \\ to       backend:8080\n"
        "shop/frontend   ✔ answered (bet: timeout, wrong)\n"
        "dev/intruder    ✔ answered → ✖ timeout (bet: timeout, right)\n"
        "1 of 2 bets right. 1 connection changed, 1 of them foreseen."
    )


def test_html_names_rows_and_columns_and_escapes():
    page = Board("<b>", matrix(A, A), {TWO: T}, True, matrix(A, T)).html()
    assert '<th scope="row">shop/frontend</th>' in page
    assert '<th scope="col">backend:8080</th>' in page
    assert "<b>" not in page
    assert "bet: timeout" in page
