"""The editor of cells: it says that there is none, where a real one would wait for a terminal for ever.

Run by its path as $KUBE_EDITOR (``kubectl edit``), by whatever Python; so it needs nothing but the standard library.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

__all__ = ["SAYS", "refuse_editors"]

SAYS: Final = (
    "error: a cell has no terminal for an editor. Say the change in the command (kubectl scale, patch, set, apply), "
    "or run kubectl edit in a terminal: File, New, Terminal"
)


def refuse_editors(environment: MutableMapping[str, str]) -> None:
    """Let ``kubectl edit`` end at once with a reason, unless $KUBE_EDITOR is set (to one with windows)."""
    words = [sys.executable, str(Path(__file__).resolve())]
    quoted = words if os.name == "nt" else [shlex.quote(word) for word in words]
    environment.setdefault("KUBE_EDITOR", " ".join(quoted))


if __name__ == "__main__":
    sys.exit(SAYS)
