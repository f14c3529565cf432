"""Errors of the shell.

::

    ShellError (a ContainersError)
    ├── SyntaxProblem        the text is not a script; message as BusyBox ash words it
    │   └── Unfinished       … because it ends too early: an interactive shell asks for more
    └── ExpansionProblem     bad arithmetic, a read-only variable: the command (and a script) ends
        └── UnsetParameter   ``${x?}``, or an unset variable under ``set -u``: a script ends, in bash with 127
"""

from __future__ import annotations

from lab_helpers.twin.containers.errors import ContainersError

__all__ = ["NO_ARRAYS", "ExpansionProblem", "ShellError", "SyntaxProblem", "Unfinished", "UnsetParameter"]

NO_ARRAYS = "the embedded cluster plays no arrays; use words in one variable, or set -- and $1 $2 …"


class ShellError(ContainersError):
    """Root of the shell's errors."""


class SyntaxProblem(ShellError):
    """The text cannot be parsed."""


class Unfinished(SyntaxProblem):
    """The text may become valid with more lines."""


class ExpansionProblem(ShellError):
    """A word cannot be expanded."""


class UnsetParameter(ExpansionProblem):
    """A parameter that had to be set is not."""
