"""A question with a few answers, of which the learner commits to one before seeing the truth."""

from __future__ import annotations

from dataclasses import dataclass

from lab_helpers.views.display import View, cell_text

__all__ = ["Choice"]


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
        lines.append(self.state())
        return "\n".join(lines)

    def body(self) -> str:
        """The same as a panel."""
        items = "".join(
            f"<li>{'◉' if value == self.chosen else '○'} <code>{cell_text(value)}</code> {cell_text(words)}</li>"
            for value, words in self.options
        )
        return (
            f'<div class="cl-panel cl-note"><h4>Predict: {cell_text(self.question)}</h4>'
            f'<ul style="list-style:none;padding-left:.4em">{items}</ul><p>{cell_text(self.state())}</p></div>'
        )

    def state(self) -> str:
        """What was committed to, or how to do it."""
        if self.chosen:
            return f"Committed: {dict(self.options).get(self.chosen, self.chosen)}"
        return f"Not committed yet. {self.ask}".rstrip()
