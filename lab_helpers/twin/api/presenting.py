"""How stored objects look to a client: API version, Table or metadata-only form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_helpers.twin.api.calls import Call, TableWish
from lab_helpers.twin.api.event_groups import to_events_group
from lab_helpers.twin.api.requests import Target
from lab_helpers.twin.api.tables.columns import Printer
from lab_helpers.twin.api.tables.rendering import render_table
from lab_helpers.twin.clock import Clock

__all__ = ["Presenter"]

Object = Mapping[str, Any]


class Presenter:
    """The representation one request asked for. Make one per request.

    ``headers`` of a watch's tables come only once.
    """

    def __init__(self, call: Call, target: Target, printer: Callable[[Target], Printer], clock: Clock) -> None:
        self._wish: TableWish | None = call.transform()
        self._target = target
        self._printer = printer
        self._clock = clock
        self._include = call.query.text("includeObject", "Metadata")
        self._headers = True
        self._events = target.kind.resource == "events.events.k8s.io"

    def versioned(self, item: Object) -> Object:
        """The object in the requested API version."""
        if self._events:
            return to_events_group(item)
        if item.get("apiVersion") != self._target.api_version:
            return {**item, "apiVersion": self._target.api_version}
        return item

    def one(self, item: Object) -> Object:
        """A single object."""
        if self._wish is None:
            return self.versioned(item)
        if self._wish.kind != "Table":
            return _metadata_only(item, self._wish.version)
        return self._table([item], {"resourceVersion": item["metadata"].get("resourceVersion", "")})

    def many(self, items: Sequence[Object], metadata: Mapping[str, Any]) -> Object:
        """A list."""
        if self._wish is not None and self._wish.kind == "Table":
            return self._table(items, metadata)
        if self._wish is not None:
            shown: list[Object] = [_metadata_only(item, self._wish.version) for item in items]
            return {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"meta.k8s.io/{self._wish.version}",
                "metadata": metadata,
                "items": shown,
            }
        kind = self._target.kind
        shown = [self.versioned(item) for item in items]
        if not kind.custom:
            shown = [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in shown]
        return {
            "kind": f"{kind.kind}List" if not kind.list_kind else kind.list_kind,
            "apiVersion": self._target.api_version,
            "metadata": metadata,
            "items": shown,
        }

    def event(self, item: Object) -> Object:
        """One object of a watch; a Table carries its columns only the first time."""
        shown = self.one(item)
        self._headers = False
        return shown

    def bookmark(self, revision: int, annotations: Mapping[str, str] | None = None) -> Object:
        """An object that only says how far the watch has come."""
        metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = dict(annotations)
        if self._wish is not None and self._wish.kind == "Table":
            table = self._table([], {"resourceVersion": str(revision)})
            empty = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
            self._headers = False
            return {**table, "rows": [{"cells": [], "object": empty}]}
        kind = self._target.kind.kind if self._wish is None else "PartialObjectMetadata"
        version = self._target.api_version if self._wish is None else f"meta.k8s.io/{self._wish.version}"
        return {"kind": kind, "apiVersion": version, "metadata": metadata}

    def _table(self, items: Sequence[Object], metadata: Mapping[str, Any]) -> Object:
        version = self._wish.version if self._wish else "v1"
        shown = items if self._include != "Object" else [self.versioned(item) for item in items]
        return render_table(
            self._printer(self._target),
            shown,
            metadata,
            self._clock.now(),
            include=self._include,
            headers=self._headers,
            api_version=version,
        )


def _metadata_only(item: Object, version: str) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": item["metadata"]}
