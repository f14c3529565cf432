"""JSON as Go's encoding/json writes it: sorted keys, four spaces, ``<``, ``>`` and ``&`` escaped."""

import json
from typing import Any

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def _escaped(text: str) -> str:
    for char, escape in _ESCAPES.items():
        text = text.replace(char, escape)
    return text


def json_text(value: Any, indent: int | None = 4, *, sort: bool = True) -> str:
    """`value` as JSON; `indent` None is one line without spaces."""
    separators = (",", ": ") if indent else (",", ":")
    return _escaped(json.dumps(value, indent=indent, sort_keys=sort, ensure_ascii=False, separators=separators))


def go_json(value: Any) -> str:
    """One line, in the object's own order of keys sorted (as client-side apply stores the last configuration)."""
    return json_text(value, None)
