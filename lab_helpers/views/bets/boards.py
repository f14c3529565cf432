"""A board of bets: what every connection did before, what the learner bets it will do, what it did then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lab_helpers.views.display import Tone, Tones, View, badge, cell_text, escape
from lab_helpers.views.matrices import Matrix
from lab_helpers.views.tables import columns
from lab_helpers.views.verdicts import Outcome

__all__ = ["ARROW", "CHOICES", "Board", "Pair", "Score", "pair_name"]

ARROW: Final = " → "
CHOICES: Final = (Outcome.ANSWERED, Outcome.TIMEOUT)
"""What is bet on where a policy of layers 3 and 4 decides."""
Pair = tuple[str, str]


def pair_name(pair: Pair) -> str:
    """``shop/frontend → backend:8080``."""
    return ARROW.join(pair)


class Score(NamedTuple):
    """``right`` of ``bets`` were right; of ``changed`` connections ``foreseen`` were bet on rightly."""

    right: int
    bets: int
    changed: int
    foreseen: int

    def words(self) -> str:
        """For people."""
        if not self.bets:
            return f"No bets. {_connections(self.changed)} changed."
        changed = f" {_connections(self.changed)} changed, {self.foreseen} of them foreseen." if self.changed else ""
        return f"{self.right} of {self.bets} bets right.{changed or ' Nothing changed.'}"


@dataclass(frozen=True, slots=True)
class Board(View):
    """``bets`` maps a pair (source, target) to the outcome bet on; pairs without a bet do not count. ``after`` is None
    until the bets are settled; ``ask`` says how to bet by typing.
    """

    question: str
    before: Matrix
    bets: Mapping[Pair, Outcome] = field(default_factory=dict, hash=False)
    committed: bool = False
    after: Matrix | None = None
    choices: tuple[Outcome, ...] = CHOICES
    ask: str = ""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All connections, row by row."""
        return tuple((source, target) for source in self.before.sources for target in self.before.targets)

    @property
    def score(self) -> Score | None:
        """How the bets fared; None until they are settled."""
        if self.after is None:
            return None
        after, before = self.after.cells, self.before.cells
        right = [pair for pair in self.pairs if pair in self.bets and self.bets[pair] is after.get(pair)]
        changed = [pair for pair in self.pairs if before[pair] is not after.get(pair)]
        return Score(len(right), len(self.bets), len(changed), len(set(changed) & set(right)))

    def state(self) -> str:
        """Where things stand, in a sentence."""
        if self.score is not None:
            return self.score.words()
        if self.committed:
            return f"{len(self.bets)} of {len(self.pairs)} connections bet on. Now change the policy, then settle."
        return f"Nothing bet yet. {self.ask}".rstrip()

    def text(self) -> str:
        """A table: before, the bet, after."""
        rows = [("from \\ to", *self.before.targets)]
        rows += [
            (source, *(self._words((source, target)) for target in self.before.targets))
            for source in self.before.sources
        ]
        return "\n".join([f"Bet: {self.question}", columns(rows), self.state()])

    def body(self) -> str:
        """The same as a table with row and column headers."""
        head = "".join(f'<th scope="col">{escape(target)}</th>' for target in self.before.targets)
        rows = ""
        for source in self.before.sources:
            cells = "".join(f"<td>{self._cell((source, target))}</td>" for target in self.before.targets)
            rows += f'<tr><th scope="row">{escape(source)}</th>{cells}</tr>'
        table = f"<table><thead><tr><th>from \\ to</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return (
            f'<div class="cl-panel cl-note"><h4>Bet: {cell_text(self.question)}</h4>{table}'
            f"<p>{cell_text(self.state())}</p></div>"
        )

    def verdict(self, pair: Pair) -> Tone | None:
        """Was the bet right? None without a bet, or before it is settled."""
        if self.after is None or pair not in self.bets:
            return None
        return Tones.GOOD.value if self.bets[pair] is self.after.cells.get(pair) else Tones.BAD.value

    def _outcomes(self, pair: Pair) -> tuple[Outcome, ...]:
        """Before, and after if that is known and different."""
        before = self.before.cells[pair]
        after = self.after.cells.get(pair, before) if self.after is not None else before
        return (before,) if after is before else (before, after)

    def _words(self, pair: Pair) -> str:
        shown = " → ".join(f"{outcome.tone.icon} {outcome.value}" for outcome in self._outcomes(pair))
        bet = self.bets.get(pair)
        if bet is None:
            return shown
        verdict = self.verdict(pair)
        fared = "" if verdict is None else ", right" if verdict is Tones.GOOD.value else ", wrong"
        return f"{shown} (bet: {bet.value}{fared})"

    def _cell(self, pair: Pair) -> str:
        shown = " → ".join(badge(outcome.tone, outcome.value) for outcome in self._outcomes(pair))
        bet = self.bets.get(pair)
        if bet is None:
            return shown
        verdict = self.verdict(pair)
        mark = "" if verdict is None else f" {badge(verdict, 'right' if verdict is Tones.GOOD.value else 'wrong')}"
        return f'{shown}<br><span class="cl-faint">bet: {escape(bet.value)}</span>{mark}'


def _connections(count: int) -> str:
    return f"{count} connection{'' if count == 1 else 's'}"
