"""Objects as compact JSON: every write is stored that way, every answer and every event of a watch sent."""

from __future__ import annotations

import json
from typing import Any

import orjson

__all__ = ["compact"]


def compact(value: Any) -> bytes:
    """Without blanks, keys in their order, in UTF-8. Raises TypeError for what JSON has no form for.

    What orjson does not take (integers beyond 64 bits, deep nesting, half characters) the standard library writes, with
    everything beyond ASCII escaped.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()
