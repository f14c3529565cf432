"""How a value with a widget is shown: the widget where there is a kernel, its text and HTML forms everywhere else.

Every bundle carries all three. JupyterLab takes the widget; exported pages, nbviewer and papermill's reports take the
HTML (``lab_helpers.course.exporting`` puts it first and drops the widgets' state, so that a page loads nothing);
terminals take the text.
"""

from __future__ import annotations

import os
from typing import Any, Final

from lab_helpers.views.display import View

__all__ = ["ALONE", "WIDGET", "alone", "bundle"]

WIDGET: Final = "application/vnd.jupyter.widget-view+json"
ALONE: Final = "CILIUM_LABS_ALONE"
"""The environment variable that says of a kernel that no page will ever show its widgets (a run by papermill)."""


def alone() -> bool:
    """Will nobody ever look?"""
    return bool(os.environ.get(ALONE))


def bundle(static: View, model_id: str) -> dict[str, Any]:
    """The MIME bundle of a widget whose static form is ``static``."""
    return {
        "text/plain": static.text(),
        "text/html": static.html(),
        WIDGET: {"version_major": 2, "version_minor": 0, "model_id": model_id},
    }
