"""The end of a command-line program, without the interpreter's own tidying up, which takes a fifth of a short life."""

import os
import sys
from typing import NoReturn

__all__ = ["leave"]


def leave(status: int) -> NoReturn:
    """End the process with `status` once what it printed is out; threads still running end with it.

    When the output cannot be written, the interpreter's ordinary way out reports that.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        sys.exit(status)
    os._exit(status)
