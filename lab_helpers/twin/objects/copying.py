"""Private copies of objects: what ``copy.deepcopy`` gives for JSON data, without its bookkeeping."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["copied"]

_ATOMS = frozenset({str, int, float, bool, type(None)})


def copied(value: Any) -> Any:
    """A copy that shares no dictionary and no list with ``value``. Each place gets its own copy, also of what was
    shared between places; there are no cycles in JSON data.
    """
    kind = type(value)
    if kind is dict:
        return {key: item if type(item) in _ATOMS else copied(item) for key, item in value.items()}
    if kind is list:
        return [item if type(item) in _ATOMS else copied(item) for item in value]
    return value if kind in _ATOMS else copy.deepcopy(value)
