"""A question as a widget: radio buttons and "Commit", by mouse or with the keyboard alone, also while cells run.

Once committed, the answers are locked: a prediction after the fact is none. What the callback raises is shown in the
widget: elsewhere it would vanish into the log.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

import anywidget
import traitlets

from lab_helpers.views.choices.questions import Choice
from lab_helpers.views.live.widgets import beside_the_cells, module, stylesheet
from lab_helpers.views.showing import bundle

__all__ = ["ChoiceWidget"]

_CHOOSE: Final = "Choose an answer first."


class ChoiceWidget(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget has no types here
    """``commit(value)`` stores an answer; it gives the value that now counts ("": none any more) and a sentence."""

    _esm = module("choices")
    _css = stylesheet("choices")
    question = traitlets.Unicode().tag(sync=True)
    options: traitlets.List[list[str]] = traitlets.List().tag(sync=True)
    """Pairs of value and words."""
    chosen = traitlets.Unicode().tag(sync=True)
    locked = traitlets.Bool(False).tag(sync=True)
    state = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    answers = traitlets.Int(0).tag(sync=True)
    """How many commits of the page were answered."""

    def __init__(self, choice: Choice, commit: Callable[[str], tuple[str, str]]) -> None:
        super().__init__(
            question=choice.question,
            options=[list(option) for option in choice.options],
            chosen=choice.chosen,
            locked=bool(choice.chosen),
            state=choice.state(),
        )
        beside_the_cells(self.comm)
        self.choice = choice
        self._commit = commit
        self.on_msg(self._received)

    def commit(self, value: str) -> None:
        """Commit to an answer; problems appear in the widget."""
        with self.hold_sync():
            self.problem = self._stored(value) if value else _CHOOSE
            self.answers += 1

    def bundle(self) -> dict[str, Any]:
        """The widget with its text and HTML forms, for front ends without widgets."""
        return bundle(self.choice, self.model_id)

    def _stored(self, value: str) -> str:
        """Nothing, or what went wrong."""
        try:
            self.chosen, self.state = self._commit(value)
        except Exception as error:  # noqa: BLE001 - shown to the learner, where else it would be lost
            last = traceback.extract_tb(error.__traceback__)[-1]
            return f"Not stored: {error} ({last.filename}:{last.lineno})"
        self.locked = True
        return ""

    def _received(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        if content.get("kind") == "commit":
            self.commit(str(content.get("value", "")))
