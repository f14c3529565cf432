"""The look of all views, as CSS custom properties on ``.cl-view``.

``tokens.css`` names the colours: ink, paper, lines, focus, and one mark for each meaning (good, bad, note, way, none).
They follow JupyterLab's theme by its variables and by the body's ``data-jp-theme-light``; pages without a theme follow
the reader's system (``prefers-color-scheme``). Every mark has a contrast of at least 4.5 on paper and on raised paper,
in both. ``controls.css`` is for widgets: buttons, chips, states, focus rings.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["asset", "controls", "tokens"]

_VIEWS = Path(__file__).resolve().parent.parent


@cache
def asset(name: str) -> str:
    """The text of a file beside the views, for example ``explorer/widget.js``."""
    return (_VIEWS / name).read_text(encoding="utf-8")


def tokens() -> str:
    """The custom properties, for any HTML that is wrapped in ``.cl-view``."""
    return asset("style/tokens.css")


def controls() -> str:
    """Tokens and the style of a widget's controls (wrapped in ``.cl-view.cl-live``)."""
    return tokens() + asset("style/controls.css")
