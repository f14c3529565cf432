"""Framed messages: a title with a mark, some lines, and details that can be unfolded."""

from __future__ import annotations

from dataclasses import dataclass

from lab_helpers.views.display import Tone, Tones, View, badge, cell_text, escape, paragraphs

__all__ = ["Detail", "Panel"]


@dataclass(frozen=True, slots=True)
class Detail:
    """Preformatted text under a heading; ``folded`` hides it in HTML until it is asked for."""

    heading: str
    text: str
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Panel(View):
    """``mark`` is the word beside the title, e.g. "passed"; ``items`` are shown as a list."""

    title: str
    tone: Tone = Tones.PLAIN.value
    mark: str = ""
    lines: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()

    def text(self) -> str:
        """Title line, lines, list, details."""
        mark = f"{self.tone.icon} {self.mark}: " if self.mark else ""
        parts = [f"{mark}{self.title}", *(line for line in self.lines if line)]
        parts += [f"  - {item}" for item in self.items]
        for detail in self.details:
            parts.append(f"{detail.heading}:" if detail.heading else "")
            parts += ["    " + line for line in detail.text.rstrip().splitlines()]
        return "\n".join(part for part in parts if part)

    def body(self) -> str:
        """A panel whose border carries the tone."""
        mark = badge(self.tone, self.mark) + " " if self.mark else ""
        parts = [
            f'<div class="cl-panel {self.tone.css}"><h4>{mark}{cell_text(self.title)}</h4>',
            paragraphs(self.lines),
        ]
        if self.items:
            parts.append("<ul>" + "".join(f"<li>{cell_text(item)}</li>" for item in self.items) + "</ul>")
        parts += [_detail(detail) for detail in self.details]
        return "".join(parts) + "</div>"


def _detail(detail: Detail) -> str:
    text = f"<pre>{escape(detail.text.rstrip())}</pre>"
    if detail.folded:
        return f"<details><summary>{cell_text(detail.heading)}</summary>{text}</details>"
    return f"<p>{cell_text(detail.heading)}</p>{text}" if detail.heading else text
