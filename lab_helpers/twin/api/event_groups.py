"""The two groups that serve the same events: core/v1 stores them, events.k8s.io/v1 shows them in its own fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["from_events_group", "to_events_group"]

_RENAMED = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_BACK = {new: old for old, new in _RENAMED.items()}


def to_events_group(item: Mapping[str, Any]) -> dict[str, Any]:
    """An event as ``events.k8s.io/v1``."""
    return {_RENAMED.get(key, key): value for key, value in item.items()} | {"apiVersion": "events.k8s.io/v1"}


def from_events_group(item: Mapping[str, Any]) -> dict[str, Any]:
    """An ``events.k8s.io/v1`` body as it is stored."""
    return {_BACK.get(key, key): value for key, value in item.items()} | {"apiVersion": "v1"}
