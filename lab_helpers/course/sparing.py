"""Seconds of start-up that nobody needs.

``nbformat`` validates notebooks by ``jsonschema``, which on its import takes every checker of formats it can find. The
one of internationalised addresses (``rfc3987_syntax``) builds its parsers at once, two to three seconds of CPU time;
no schema of a notebook asks for it.
"""

from __future__ import annotations

import sys
from typing import Any, Final

__all__ = ["spare_address_parsers"]

_PARSERS: Final = "rfc3987_syntax"


def spare_address_parsers() -> None:
    """Import ``jsonschema`` without them. Does nothing where either is there already."""
    if "jsonschema" in sys.modules or _PARSERS in sys.modules:
        return
    modules: dict[str, Any] = sys.modules
    modules[_PARSERS] = None  # an import of it fails, and jsonschema does without
    try:
        import jsonschema  # noqa: F401
    finally:
        del modules[_PARSERS]
