"""Errors of the shell.

::

    ShellError (a ContainersError)
    ├── SyntaxProblem        the text is not a script; message as BusyBox ash words it
    │   └── Unfinished       … because it ends too early: an interactive shell asks for more
    └── ExpansionProblem     ``${x?}``, an unset variable under ``set -u``, bad arithmetic: the command (and a script)
    ends
"""

from __future__ import annotations

from lab_helpers.twin.containers.errors import ContainersError

__all__ = ["ExpansionProblem", "ShellError", "SyntaxProblem", "Unfinished"]


class ShellError(ContainersError):
    """Root of the shell's errors."""


class SyntaxProblem(ShellError):  # noqa: N818 - a condition with a name of its own
    """The text cannot be parsed."""


class Unfinished(SyntaxProblem):
    """The text may become valid with more lines."""


class ExpansionProblem(ShellError):  # noqa: N818 - a condition with a name of its own
    """A word cannot be expanded."""
