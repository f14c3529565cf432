"""The board of bets as a widget: cells are chosen by mouse or keyboard, then committed together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.views.bets.boards import Board, Pair, pair_name
from lab_helpers.views.display import Tone
from lab_helpers.views.live.following import Follower
from lab_helpers.views.live.widgets import LiveWidget, module, stylesheet
from lab_helpers.views.verdicts import Outcome

__all__ = ["BetsWidget"]


class BetsWidget(LiveWidget):
    """``commit`` stores bets and returns the board as it is then. Its state line tells of the cluster behind it."""

    _esm = module("bets")
    _css = stylesheet("bets")

    def __init__(self, board: Board, commit: Callable[[Mapping[Pair, Outcome]], Board], follower: Follower) -> None:
        self._board = board
        self._commit = commit
        self._work = threading.RLock()
        super().__init__(follower)

    @property
    def board(self) -> Board:
        """What is shown; setting it changes the page."""
        return self._board

    @board.setter
    def board(self, board: Board) -> None:
        with self._work:
            self._board = board
            self.snapshot()

    def static(self) -> Board:
        """The board."""
        return self._board

    def snapshot(self) -> None:
        """The whole board."""
        with self._work:
            self.tell("board", **_message(self._board))

    def on_commit(self, content: Mapping[str, Any]) -> None:
        """The page commits ``bets``: names of pairs to values of outcomes. Raises ValueError for unknown ones."""
        known = {pair_name(pair): pair for pair in self._board.pairs}
        given = dict(content.get("bets") or {})
        strange = [name for name in given if name not in known]
        if strange:
            raise ValueError(f"there is no connection {strange[0]}")
        if not given:
            raise ValueError("choose an outcome for at least one connection first")
        with self._work:  # a cell that settles meanwhile has the last word
            self.board = self._commit({known[name]: Outcome(value) for name, value in given.items()})


def _message(board: Board) -> dict[str, Any]:
    cells = []
    for pair in board.pairs:
        after = board.after.cells.get(pair) if board.after is not None else None
        bet, verdict = board.bets.get(pair), board.verdict(pair)
        cells.append(
            {
                "pair": pair_name(pair),
                "before": _mark(board.before.cells[pair].tone, board.before.cells[pair].value),
                "after": None if after is None else _mark(after.tone, after.value),
                "bet": bet.value if bet else "",
                "fared": None if verdict is None else _mark(verdict, "right" if "good" in verdict.css else "wrong"),
            }
        )
    return {
        "question": board.question,
        "sources": board.before.sources,
        "targets": board.before.targets,
        "cells": cells,
        "choices": [{**_mark(choice.tone, choice.value), "words": choice.words} for choice in board.choices],
        "committed": board.committed,
        "settled": board.after is not None,
        "state": board.state(),
    }


def _mark(tone: Tone, word: str) -> dict[str, str]:
    return {"icon": tone.icon, "mark": tone.css.replace("cl-", "cl-mark-"), "word": word}
