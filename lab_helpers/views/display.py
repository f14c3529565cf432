"""What every view has: a text form and an HTML form, made from the same data.

Notebooks, exported pages and terminals choose between them by MIME type. The HTML uses the theme's variables
(``--jp-…``) with fallbacks, so it follows light and dark; icons and words carry the meaning, colour only supports it.
Output is deterministic: the same data gives the same bytes.
"""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from lab_helpers.views.style import tokens

__all__ = ["STYLE", "Tone", "Tones", "View", "badge", "cell_text", "document", "escape", "paragraphs"]

STYLE = f"""<style>{tokens()}
.cl-view{{font:var(--jp-content-font-size1,14px)/1.5 var(--jp-content-font-family,system-ui,sans-serif);
color:var(--cl-ink,#1f1f1f);margin:.3em 0;max-width:70em}}
.cl-view h4{{margin:.2em 0 .4em;font-size:1.1em;line-height:1.35}}
.cl-view p{{margin:.3em 0}}
.cl-view ul{{margin:.2em 0 .4em;padding-left:1.4em}}
.cl-view table{{color:inherit;border-collapse:collapse;margin:.4em 0;font-size:.93em}}
.cl-view th{{text-align:left!important;font-weight:600;
border-bottom:2px solid var(--cl-line,#8d8d8d);padding:.2em .7em}}
.cl-view td{{text-align:left!important;border-bottom:1px solid var(--cl-hair,#dedede);padding:.2em .7em;
vertical-align:top}}
.cl-view td:last-child{{overflow-wrap:anywhere}}
.cl-view .cl-wide{{overflow-x:auto;container-type:inline-size}}
.cl-view .cl-wide table{{margin-left:0;margin-right:0}}
@container (max-width:56em){{.cl-view .cl-wide table{{font-size:.86em}}
.cl-view .cl-wide th,.cl-view .cl-wide td{{padding:.15em .3em}}}}
.cl-view code,.cl-view pre{{font-family:var(--jp-code-font-family,monospace);font-size:.93em}}
.cl-view pre{{background:var(--cl-raised,#f2f2f2);color:inherit;padding:.5em .7em;margin:.4em 0;
white-space:pre-wrap}}
.cl-good{{--cl-mark:var(--cl-good,#17663a)}}.cl-bad{{--cl-mark:var(--cl-bad,#b3261e)}}
.cl-note{{--cl-mark:var(--cl-note,#8a4b00)}}.cl-plain{{--cl-mark:var(--cl-none,#595959)}}
.cl-panel{{border:1px solid var(--cl-line,#8d8d8d);border-left:5px solid var(--cl-mark,#595959);
border-radius:3px;padding:.4em .8em}}
.cl-badge{{display:inline-block;font-weight:600;border:1px solid var(--cl-mark,#595959);border-left-width:4px;
border-radius:3px;padding:0 .45em;margin:.08em 0;line-height:1.4;white-space:nowrap}}
.cl-icon{{color:var(--cl-mark,#595959)}}
.cl-faint{{color:var(--cl-faint,#545454)}}
</style>"""
"""The one stylesheet. Each HTML form carries it, because an exported page keeps only outputs."""


class Tone(NamedTuple):
    """How something is marked: an icon, and the name of its colour class."""

    icon: str
    css: str


class Tones(Enum):
    """The four marks there are."""

    GOOD = Tone("✔", "cl-good")
    BAD = Tone("✖", "cl-bad")
    NOTE = Tone("▲", "cl-note")
    PLAIN = Tone("●", "cl-plain")


class View(ABC):
    """A value that can be shown. Subclasses are frozen dataclasses."""

    @abstractmethod
    def text(self) -> str:
        """Plain text, without a newline at the end."""

    @abstractmethod
    def body(self) -> str:
        """HTML without stylesheet and frame."""

    def html(self) -> str:
        """A complete fragment: stylesheet, frame, body."""
        return document(self.body())

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_kwargs: object) -> dict[str, str]:
        return {"text/plain": self.text(), "text/html": self.html()}


def document(body: str) -> str:
    """``body`` with stylesheet and frame."""
    return f'<div class="cl-view">{STYLE}{body}</div>'


def escape(text: object) -> str:
    """Text for HTML, quotes included."""
    return html.escape(str(text), quote=True)


def badge(tone: Tone, word: str) -> str:
    """An icon and a word in a frame."""
    return f'<span class="cl-badge {tone.css}"><span class="cl-icon">{tone.icon}</span> {escape(word)}</span>'


def cell_text(text: object) -> str:
    """Escaped text in which backquoted parts become code."""
    pieces = escape(text).split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return "".join(piece if index % 2 == 0 else f"<code>{piece}</code>" for index, piece in enumerate(pieces))


def paragraphs(texts: Iterable[str]) -> str:
    """One ``<p>`` each; empty ones are left out."""
    return "".join(f"<p>{cell_text(text)}</p>" for text in texts if text)
