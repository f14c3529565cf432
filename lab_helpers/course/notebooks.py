"""The learner's notebook, seen from the inside: parameters, displays that change, magics, and hooks.

Everything here is quiet outside IPython, so the same code runs in plain Python and in tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.views.display import View

__all__ = ["Parameters", "Place", "attended", "parameters", "place", "redraws", "register_magic", "watch_shell_cells"]


class Parameters:
    """What an unattended run injects: ``solved`` (None when a person is at work) and answers to predictions."""

    def __init__(self, solved: bool | None, predictions: Mapping[str, str]) -> None:
        self.solved = solved
        self.predictions = predictions

    @property
    def unattended(self) -> bool:
        """Is nobody there to click?"""
        return self.solved is not None


def _shell() -> Any:
    import sys

    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return get_ipython()


def parameters() -> Parameters:
    """The parameters of this run, from the notebook's variables ``solved`` and ``predictions``."""
    shell = _shell()
    variables = shell.user_ns if shell else {}
    solved = variables.get("solved")
    predictions = variables.get("predictions")
    return Parameters(
        bool(solved) if isinstance(solved, (bool, int)) else None,
        {str(k): str(v) for k, v in predictions.items()} if isinstance(predictions, dict) else {},
    )


def attended() -> bool:
    """Does somebody sit at a notebook?"""
    return _shell() is not None and not parameters().unattended


def redraws() -> bool:
    """Can a display be changed after it was made? In notebooks; not in plain Python nor in IPython's terminal."""
    return getattr(_shell(), "kernel", None) is not None


class Place:
    """A spot in the output that shows one view at a time; in plain Python the last one is printed."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, view: View) -> None:
        """Show ``view`` instead of what was there."""
        shell = _shell()
        if shell is None:
            return
        from IPython.display import display

        if self._handle is None:
            self._handle = display(view, display_id=True)
        else:
            self._handle.update(view)


def place() -> Place:
    """A new spot at the end of the current cell's output."""
    return Place()


def register_magic(name: str, function: Callable[[str, str], View]) -> None:
    """Offer ``%%name``: the rest of the line and the body go to ``function``, whose view is shown."""
    shell = _shell()
    if shell is None:
        return

    def magic(line: str, cell: str) -> None:
        from IPython.display import display

        display(function(line.strip(), cell))

    shell.register_magic_function(magic, "cell", name)


_watched: dict[str, Callable[..., None]] = {}


def watch_shell_cells(failed: Callable[[int, int, str], None]) -> None:
    """Call ``failed(execution count, exit code, line)`` after a cell whose last ``!`` command failed.

    IPython itself passes over such failures, so an unattended run would not notice.
    """
    shell = _shell()
    if shell is None:
        return
    for event, callback in _watched.items():
        shell.events.unregister(event, callback)

    def before(_info: object = None) -> None:
        shell.user_ns["_exit_code"] = 0

    def after(result: Any) -> None:
        lines = [line for line in str(result.info.raw_cell or "").splitlines() if line.startswith("!")]
        code = shell.user_ns.get("_exit_code", 0)
        if lines and code:
            failed(int(result.execution_count or 0), int(code), lines[-1])

    _watched.update({"pre_run_cell": before, "post_run_cell": after})
    for event, callback in _watched.items():
        shell.events.register(event, callback)
