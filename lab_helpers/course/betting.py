"""Bets on a whole matrix: measured before, bet on, measured after; kept with the learner's progress.

The first commitment counts, as with predictions. What is measured are real connections, both times.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab_helpers.course.errors import CourseError
from lab_helpers.course.records import Cells, Records
from lab_helpers.views.bets.boards import ARROW, CHOICES, Board, Pair, pair_name
from lab_helpers.views.display import View
from lab_helpers.views.matrices import Matrix
from lab_helpers.views.verdicts import Outcome

if TYPE_CHECKING:
    from lab_helpers.clusters import Cluster
    from lab_helpers.views.bets.widget import BetsWidget

    Commit = Callable[[Mapping[Pair, Outcome]], Board]
    MakeWidget = Callable[[Board, Commit], BetsWidget]

__all__ = ["Bets", "ShownBoard", "board_widgets"]


def board_widgets(cluster: Callable[[], Cluster]) -> MakeWidget:
    """Boards as widgets, for a notebook that somebody sits at; ``cluster()`` is the one in use at that moment."""

    def make(board: Board, commit: Commit) -> BetsWidget:
        from lab_helpers.views.bets.widget import BetsWidget
        from lab_helpers.views.live.following import follower_of

        return BetsWidget(board, commit, follower_of(cluster()))

    return make


@dataclass(frozen=True, slots=True)
class ShownBoard(View):
    """A board as a cell shows it: a widget where there is one, its text and HTML forms elsewhere."""

    board: Board
    widget: BetsWidget | None = None

    def text(self) -> str:
        """The board."""
        return self.board.text()

    def body(self) -> str:
        """The board."""
        return self.board.body()

    def _repr_mimebundle_(self, **_kwargs: object) -> dict[str, Any]:
        if self.widget is not None:
            return self.widget._repr_mimebundle_()
        return {"text/plain": self.text(), "text/html": self.html()}


class Bets:
    """The bets of one lab. ``measure`` tries all connections; ``make_widget`` is None where nobody can click."""

    def __init__(
        self,
        lab: str,
        records: Records,
        measure: Callable[[], Matrix],
        make_widget: MakeWidget | None = None,
    ) -> None:
        self._lab, self._records, self._measure, self._make_widget = lab, records, measure, make_widget
        self._questions: dict[str, tuple[str, tuple[Outcome, ...]]] = {}
        self._shown: dict[str, weakref.WeakSet[BetsWidget]] = {}

    def open(
        self,
        name: str,
        question: str,
        choices: tuple[str, ...] = (),
        typed: Mapping[str, str] | None = None,
    ) -> ShownBoard:
        """Show the board; with ``typed`` ("shop/frontend -> backend:8080": "timeout"), commit to it at once. Until
        something is committed the connections are measured anew. Raises CourseError for what cannot be bet.
        """
        self._questions[name] = (question, tuple(_outcome(value) for value in choices) or CHOICES)
        record = self._records.bets(self._lab, name)
        if not record.bets and not record.after:
            self._records.open_bets(self._lab, name, _flat(self._measure().cells))
        if typed:
            self.commit(name, self._read(name, typed))
        board = self.board(name)
        widget = None
        if self._make_widget is not None:
            widget = self._make_widget(board, lambda bets: self.commit(name, bets))
            self._shown.setdefault(name, weakref.WeakSet()).add(widget)
        return ShownBoard(board, widget)

    def commit(self, name: str, bets: Mapping[Pair, Outcome]) -> Board:
        """Store bets, unless there are some or they come too late; the board then."""
        self._records.commit_bets(self._lab, name, _flat(bets))
        return self.board(name)

    def settle(self, name: str) -> Board:
        """Measure again and compare. Raises CourseError for a name nothing was opened under."""
        if not self._records.bets(self._lab, name).before:
            raise CourseError(f'there is no board of bets "{name}"', try_=f'run the cell with lab.bets("{name}") first')
        self._records.settle_bets(self._lab, name, _flat(self._measure().cells))
        board = self.board(name)
        for widget in self._shown.get(name, ()):
            widget.board = board
        return board

    def board(self, name: str) -> Board:
        """The board as the records have it."""
        record = self._records.bets(self._lab, name)
        question, choices = self._questions.get(name, ("who reaches whom then?", CHOICES))
        before = _matrix(record.before)
        return Board(
            question,
            before,
            _cells(record.bets),
            bool(record.bets),
            _matrix(record.after) if record.after else None,
            choices,
            _ask(name, before, choices),
        )

    def _read(self, name: str, typed: Mapping[str, str]) -> dict[Pair, Outcome]:
        known = {pair_name(pair): pair for pair in self.board(name).pairs}
        found = {}
        for words, value in typed.items():
            pair = ARROW.join(part.strip() for part in words.replace("->", "→").split("→"))
            if pair not in known:
                raise CourseError(f'there is no connection "{words}"', try_="one of: " + ", ".join(known))
            found[known[pair]] = _outcome(value)
        return found


def _ask(name: str, before: Matrix, choices: tuple[Outcome, ...]) -> str:
    if not before.sources or not before.targets:
        return ""
    return f'Or type: lab.bets("{name}", bets={{"{before.sources[0]} -> {before.targets[0]}": "{choices[-1].value}"}})'


def _outcome(value: str) -> Outcome:
    try:
        return Outcome(value)
    except ValueError:
        known = ", ".join(outcome.value for outcome in Outcome)
        raise CourseError(f'"{value}" is no outcome', try_=f"one of: {known}") from None


def _flat(cells: Mapping[Pair, Outcome]) -> Cells:
    return tuple((source, target, outcome.value) for (source, target), outcome in cells.items())


def _cells(flat: Cells) -> dict[Pair, Outcome]:
    return {(source, target): Outcome(value) for source, target, value in flat}


def _matrix(flat: Cells) -> Matrix:
    sources = tuple(dict.fromkeys(source for source, _, _ in flat))
    targets = tuple(dict.fromkeys(target for _, target, _ in flat))
    return Matrix(sources, targets, _cells(flat))
