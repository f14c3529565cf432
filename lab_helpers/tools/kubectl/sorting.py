"""``--sort-by``: by the value a jsonpath finds; numbers inside names count by value (kubectl pkg/cmd/get/sorter.go)."""

import functools
import re
from collections.abc import Callable
from typing import Any

from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.output import jsonpaths
from lab_helpers.tools.rest.discovery import Resource

_PARTS = re.compile(r"\d+|\D+")


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Digits by value, everything else as it is."""
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in _PARTS.findall(text)]


def _quantity(text: str) -> float | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([numkKMGTPE]i?)?", text)
    if not match:
        return None
    units = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
    binary = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
    unit = match.group(2) or ""
    return float(match.group(1)) * (binary.get(unit) or units.get(unit) or 1)


def _compare(left: Any, right: Any) -> int:
    if left is None or right is None:
        return (left is not None) - (right is not None)
    if isinstance(left, str) and isinstance(right, str):
        first, second = _quantity(left), _quantity(right)
        if first is not None and second is not None and first != second:
            return -1 if first < second else 1
        a, b = natural_key(left), natural_key(right)
        return (a > b) - (a < b)
    if isinstance(left, (dict, list)) or isinstance(right, (dict, list)):
        raise KubectlError("the field named by --sort-by is neither a text nor a number")
    if isinstance(left, str) or isinstance(right, str):
        return (str(left) > str(right)) - (str(left) < str(right))
    return (float(left) > float(right)) - (float(left) < float(right))


def _compare_pairs(left: tuple[Any, Any], right: tuple[Any, Any]) -> int:
    return _compare(left[0], right[0])


def _sorted(items: list[Any], field: str, body_of: Callable[[Any], dict[str, Any]]) -> list[Any]:
    path = jsonpaths.parse_path(jsonpaths.relaxed(field))
    values = []
    for item in items:
        body = body_of(item)
        found = jsonpaths.evaluate(path, body, body, False)
        values.append((found[0] if found else None, item))
    if items and all(value is None for value, _ in values):
        raise KubectlError(
            f'couldn\'t find any field with path "{{{jsonpaths.relaxed(field)}}}" in the list of objects'
        )
    return [item for _, item in sorted(values, key=functools.cmp_to_key(_compare_pairs))]


def sort_rows(rows: list[dict[str, Any]], field: str) -> list[dict[str, Any]]:
    """Rows of a Table whose rows carry their objects."""
    return _sorted(rows, field, lambda row: row.get("object") or {})


def sort_objects(items: list[tuple[Resource, dict[str, Any]]], field: str) -> list[tuple[Resource, dict[str, Any]]]:
    """Objects with their types."""
    return _sorted(items, field, lambda item: item[1])
