"""A question with a few answers, of which the learner commits to one before seeing the truth.

In a notebook it is a widget, usable with the keyboard alone; exported pages and terminals show its text and HTML forms.
What a callback raises is shown inside the widget: elsewhere it would vanish into the log.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab_helpers.views.display import View, cell_text, document

__all__ = ["Choice", "ChoiceWidget"]


@dataclass(frozen=True, slots=True)
class Choice(View):
    """``options`` are (value, words); ``chosen`` is the value committed to; ``ask`` says how to answer by typing."""

    name: str
    question: str
    options: tuple[tuple[str, str], ...]
    chosen: str = ""
    ask: str = ""

    def text(self) -> str:
        """Question, options, and what was chosen."""
        lines = [f"Predict: {self.question}"]
        for value, words in self.options:
            lines.append(f"  {'◉' if value == self.chosen else '○'} {value}: {words}")
        lines.append(self._state())
        return "\n".join(lines)

    def body(self) -> str:
        """The same as a panel."""
        items = "".join(
            f"<li>{'◉' if value == self.chosen else '○'} <code>{cell_text(value)}</code> {cell_text(words)}</li>"
            for value, words in self.options
        )
        return (
            f'<div class="cl-panel cl-note"><h4>Predict: {cell_text(self.question)}</h4>'
            f'<ul style="list-style:none;padding-left:.4em">{items}</ul><p>{cell_text(self._state())}</p></div>'
        )

    def _state(self) -> str:
        if self.chosen:
            return f"Committed: {dict(self.options).get(self.chosen, self.chosen)}"
        return f"Not committed yet. {self.ask}".rstrip()


class ChoiceWidget:
    """Radio buttons and a button "Commit". ``commit(value)`` stores it and returns a line to show.

    Once committed, the buttons are locked: a prediction after the fact is none.
    """

    def __init__(self, choice: Choice, commit: Callable[[str], str]) -> None:
        import ipywidgets as widgets

        self.choice = choice
        self._commit = commit
        self.radio = widgets.RadioButtons(
            options=[(words, value) for value, words in choice.options],
            value=choice.chosen or None,
            layout=widgets.Layout(width="auto"),
        )
        self.button = widgets.Button(description="Commit", tooltip="Commit to this prediction", icon="check")
        self.message = widgets.HTML(f"<p>{cell_text(choice._state())}</p>")
        question = widgets.HTML(document(f"<h4>Predict: {cell_text(choice.question)}</h4>"))
        self.box = widgets.VBox([question, self.radio, self.button, self.message])
        self.button.on_click(self.clicked)
        self._lock(locked=bool(choice.chosen))

    def clicked(self, _button: object = None) -> None:
        """Commit to the selected option; problems appear in the widget."""
        value = self.radio.value
        if value is None:
            self.message.value = "<p>Choose an answer first.</p>"
            return
        try:
            self.message.value = f"<p>{cell_text(self._commit(value))}</p>"
        except Exception as error:  # noqa: BLE001 - shown to the learner, where else it would be lost
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{last.filename}:{last.lineno}"
            self.message.value = f"<p><b>Not stored:</b> {cell_text(error)} <code>({cell_text(place)})</code></p>"
            return
        self._lock(locked=True)

    def bundle(self) -> dict[str, Any]:
        """The widget with its text and HTML forms, for front ends without widgets."""
        bundle: dict[str, Any] = dict(self.box._repr_mimebundle_())
        bundle["text/plain"] = self.choice.text()
        bundle["text/html"] = self.choice.html()
        return bundle

    def _lock(self, *, locked: bool) -> None:
        self.radio.disabled = locked
        self.button.disabled = locked
