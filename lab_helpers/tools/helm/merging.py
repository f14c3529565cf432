"""What has to change in the cluster so that an object becomes the wished one: a three-way merge as a JSON merge patch.

Fields that the former manifest had and the new one has not are removed; fields the new one names are set where the
live object differs; everything else in the live object (defaults, other people's additions) stays. Lists count as
equal when each wished item is contained in the live one at its place; else the wished list replaces the live one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["three_way_patch"]

Object = Mapping[str, Any]
_MISSING: Any = object()


def three_way_patch(former: Object, wished: Object, live: Object) -> dict[str, Any]:
    """The merge patch; empty when nothing has to change."""
    patch = _changes(wished, live)
    return _with_removals(patch, former, wished, live)


def _changes(wished: Object, live: Object) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for key, value in wished.items():
        current = live.get(key, _MISSING)
        if isinstance(value, Mapping) and isinstance(current, Mapping):
            inner = _changes(value, current)
            if inner:
                patch[key] = inner
        elif not _contained(value, current) and not (value in ({}, [], None) and current in (_MISSING, None)):
            patch[key] = value
    return patch


def _contained(wished: Any, live: Any) -> bool:
    if isinstance(wished, Mapping) and isinstance(live, Mapping):
        return all(_contained(value, live.get(key, _MISSING)) for key, value in wished.items())
    if isinstance(wished, list) and isinstance(live, list):
        return len(wished) == len(live) and all(_contained(*pair) for pair in zip(wished, live, strict=True))
    if wished in ({}, [], None, "") and live is _MISSING:
        return True
    return bool(wished == live)


def _with_removals(patch: dict[str, Any], former: Object, wished: Object, live: Object) -> dict[str, Any]:
    for key, value in former.items():
        if key not in live:
            continue
        if key not in wished:
            patch[key] = None
        elif isinstance(value, Mapping) and isinstance(wished[key], Mapping) and isinstance(live[key], Mapping):
            inner = _with_removals(dict(patch.get(key) or {}), value, wished[key], live[key])
            if inner:
                patch[key] = inner
        elif (
            isinstance(value, list) and value != wished[key] and key not in patch and not _same(wished[key], live[key])
        ):
            patch[key] = wished[key]
    return patch


def _same(wished: Any, live: Any) -> bool:
    """The list in the cluster holds nothing that the former manifest put there and the new one dropped."""
    return _contained(wished, live) and _plain(wished) == _plain(live)


def _plain(value: Any) -> Any:
    """The keys a list's items have, to notice dropped ones."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if isinstance(item, (Mapping, list))}
    return None
