"""The JSONPath subset of a CRD's printer columns: fields, ``['quoted fields']``, indexes, ``[*]`` and filters.

A filter is ``[?(@.type=="Ready")]`` (also ``!=`` and bare existence), which is what real CRDs use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

__all__ = ["JsonPathError", "find"]

_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\]\\])+)
      | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]
      | \[(?P<index>-?\d+)\]
      | (?:\.|\[)(?P<all>\*)\]?
      | \[\?\(@\.(?P<key>[^=!<>\s)]+)\s*(?:(?P<op>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[^)\s]+)\s*)?\)\]
    """,
    re.VERBOSE,
)


class JsonPathError(ValueError):
    """The expression is none of the supported forms."""


@lru_cache(maxsize=512)
def _parse(path: str) -> tuple[tuple[str, str, str, str], ...]:
    steps, position = [], 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            raise JsonPathError(f"unrecognized column definition {path!r} at {path[position:]!r}")
        position = found.end()
        if found["field"] is not None and found["field"] != "*":
            steps.append(("field", re.sub(r"\\(.)", r"\1", found["field"]), "", ""))
        elif found["quoted"] is not None:
            steps.append(("field", re.sub(r"\\(.)", r"\1", found["quoted"]), "", ""))
        elif found["index"] is not None:
            steps.append(("index", found["index"], "", ""))
        elif found["key"] is not None:
            steps.append(("filter", found["key"], found["op"] or "", (found["value"] or "").strip("\"'")))
        else:
            steps.append(("all", "", "", ""))
    return tuple(steps)


def find(item: Any, path: str) -> list[Any]:
    """All values at ``path`` (``.status.conditions[?(@.type=="Valid")].status``), [] when missing."""
    values = [item]
    for what, key, operator, wanted in _parse(path):
        if what == "field":
            values = [value[key] for value in values if isinstance(value, Mapping) and key in value]
        elif what == "index":
            position = int(key)
            values = [v[position] for v in values if isinstance(v, list) and -len(v) <= position < len(v)]
        else:
            elements = [e for v in values for e in (v.values() if isinstance(v, Mapping) else v or ())]
            if what == "filter":
                elements = [e for e in elements if _passes(find(e, f".{key}"), operator, wanted)]
            values = elements
    return values


def _passes(found: list[Any], operator: str, wanted: str) -> bool:
    if not operator:
        return bool(found)
    return bool(found) and (_text(found[0]) == wanted) is (operator == "==")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
