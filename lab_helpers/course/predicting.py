"""Predictions: commit first, then let the cluster answer, then learn why.

The truth is never read from a file: it is the outcome of a real attempt, or a proof the cluster gives. What the file
says is only compared with it, so that an unattended run notices when the course is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab_helpers.course import notebooks
from lab_helpers.course.api import Api
from lab_helpers.course.checking import evaluate
from lab_helpers.course.errors import UnknownTask
from lab_helpers.course.observing import FlowSource
from lab_helpers.course.records import PredictionRecord, Records
from lab_helpers.course.tasks import Outline, Prediction
from lab_helpers.views.choices.questions import Choice
from lab_helpers.views.display import Tone, Tones, View
from lab_helpers.views.panels import Panel

if TYPE_CHECKING:
    from lab_helpers.views.choices.widget import ChoiceWidget

__all__ = ["Predictions", "Question"]

UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Question(View):
    """A prediction as a cell shows it: a widget where there is one, its text and HTML forms elsewhere."""

    choice: Choice
    widget: ChoiceWidget | None = None

    def text(self) -> str:
        """Question, options, state."""
        return self.choice.text()

    def body(self) -> str:
        """The same as a panel."""
        return self.choice.body()

    def _repr_mimebundle_(self, **_kwargs: object) -> dict[str, Any]:
        if self.widget is not None:
            return self.widget.bundle()
        return {"text/plain": self.text(), "text/html": self.html()}


class Predictions:
    """The predictions of one lab and their records."""

    def __init__(self, outline: Outline, records: Records) -> None:
        self._outline = outline
        self._records = records

    def ask(self, name: str, answer: str = "", *, widget: bool = True) -> Question:
        """Ask; with ``answer``, commit to it at once. Raises UnknownTask for an unknown prediction or answer."""
        prediction = self.find(name)
        if answer:
            self.commit(name, answer)
        choice = Choice(
            name,
            prediction.question,
            prediction.options,
            self._records.prediction(self._outline.name, name).choice,
            ("By keyboard: Tab, arrows, Enter. Or type " if notebooks.attended() else "To commit, type ")
            + f'lab.predict("{name}", "…") with one of: '
            + ", ".join(value for value, _ in prediction.options),
        )
        return Question(choice, self._widget(choice) if widget else None)

    def commit(self, name: str, answer: str) -> str:
        """Store a choice; the sentence to show. The first choice counts."""
        prediction = self.find(name)
        options = dict(prediction.options)
        if answer not in options:
            raise UnknownTask(f'"{answer}" is no answer to "{name}"', try_="one of: " + ", ".join(options))
        record = self._records.predict(self._outline.name, name, answer)
        if record.choice != answer:
            return f"It stays with: {options[record.choice]}" if record.choice else "Too late: the answer is known."
        return f"Committed: {options[answer]}. Now run the next cell."

    def settle(self, name: str, truth: str) -> PredictionRecord:
        """The cluster answered ``truth``."""
        return self._records.settle(self._outline.name, name, truth, self.find(name).answer)

    def verdict(self, name: str, truth: str) -> str:
        """Settle, and say in a sentence how the prediction fared and why things are so."""
        record = self.settle(name, truth)
        return f"{self._fared(record)} {self._why(record)}".strip()

    def reveal(self, name: str, api: Api, flows: FlowSource | None) -> Panel:
        """Let the cluster prove the answer, then explain it."""
        prediction = self.find(name)
        evidence = evaluate(api, flows, prediction.proof)
        proven = all(item.passed for item in evidence)
        record = self.settle(name, prediction.answer if proven else UNPROVEN)
        items = tuple(f"{'✔' if item.passed else '✖'} {item.says}: {item.found}" for item in evidence)
        if not proven:
            return Panel(
                prediction.question,
                Tones.NOTE.value,
                "not settled",
                ("The cluster is not in the state this question is about; run the cells above again.",),
                items,
            )
        lines = (dict(prediction.options)[prediction.answer], self._fared(record), prediction.why)
        return Panel(prediction.question, self._tone(record), self._mark(record), lines, items)

    def _widget(self, choice: Choice) -> ChoiceWidget:
        from lab_helpers.views.choices.widget import ChoiceWidget

        def commit(value: str) -> tuple[str, str]:
            sentence = self.commit(choice.name, value)
            return self._records.prediction(self._outline.name, choice.name).choice, sentence

        return ChoiceWidget(choice, commit)

    def find(self, name: str) -> Prediction:
        """The prediction of that name. Raises UnknownTask."""
        if name not in self._outline.predictions:
            known = ", ".join(self._outline.predictions) or "none"
            raise UnknownTask(f'this lab has no prediction "{name}"', where=self._outline.name, try_=f"one of: {known}")
        return self._outline.predictions[name]

    def _why(self, record: PredictionRecord) -> str:
        if record.truth != record.expected:
            return "That is not what the course expects here: run the cells above again, or lab.reset()."
        return self.find(record.name).why

    def _fared(self, record: PredictionRecord) -> str:
        if record.right is None:
            return ""
        if record.right:
            return "You predicted it."
        return f'You predicted: "{dict(self.find(record.name).options).get(record.choice, record.choice)}".'

    @staticmethod
    def _tone(record: PredictionRecord) -> Tone:
        return Tones.PLAIN.value if record.right is None else (Tones.GOOD if record.right else Tones.NOTE).value

    @staticmethod
    def _mark(record: PredictionRecord) -> str:
        return "answer" if record.right is None else "you were right" if record.right else "not what you predicted"
