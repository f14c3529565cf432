"""From objects to a ``Table``: the printer of a built-in kind, a CRD's columns, or name and creation time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lab_helpers.twin.api.tables.cluster import CLUSTER
from lab_helpers.twin.api.tables.columns import Cells, Column, Printer, columns
from lab_helpers.twin.api.tables.formatting import age, human_duration, parse_time
from lab_helpers.twin.api.tables.json_paths import find
from lab_helpers.twin.api.tables.networking import NETWORKING
from lab_helpers.twin.api.tables.pods import POD
from lab_helpers.twin.api.tables.workloads import WORKLOADS

__all__ = ["custom_printer", "printer_for", "render_table"]

_PRINTERS: Mapping[str, Printer] = {"pods": POD, **WORKLOADS, **NETWORKING, **CLUSTER}
_DEFAULT = Printer(
    (Column("Name", format="name"), Column("Created At", "date")),
    lambda item, _: [item["metadata"]["name"], item["metadata"].get("creationTimestamp")],
)
_AGE_ONLY = Printer(
    columns("Name Age"),
    lambda item, now: [item["metadata"]["name"], age(item["metadata"].get("creationTimestamp"), now)],
)


def printer_for(resource: str) -> Printer:
    """The printer of a built-in resource; others show name and creation time."""
    return _PRINTERS.get(resource, _DEFAULT)


def custom_printer(definitions: Sequence[Mapping[str, Any]] | None) -> Printer:
    """The printer of a CRD version's ``additionalPrinterColumns``; without any, name and age."""
    if not definitions:
        return _AGE_ONLY
    shown = tuple(
        Column(
            entry["name"],
            entry["type"],
            entry.get("format", ""),
            entry.get("priority", 0),
            entry.get("description") or f"Custom resource definition column (in JSONPath format): {entry['jsonPath']}",
        )
        for entry in definitions
    )
    paths = [entry["jsonPath"] for entry in definitions]

    def cells(item: Mapping[str, Any], now: datetime) -> Cells:
        row: Cells = [item["metadata"]["name"]]
        for column, path in zip(shown, paths, strict=True):
            found = find(item, path)
            row.append(_custom_cell(column.type, found[0], now) if found else None)
        return row

    return Printer((Column("Name", format="name"), *shown), cells)


def render_table(
    printer: Printer,
    items: Sequence[Mapping[str, Any]],
    metadata: Mapping[str, Any],
    now: datetime,
    *,
    include: str = "Metadata",
    headers: bool = True,
    api_version: str = "v1",
) -> dict[str, Any]:
    """The ``Table``. ``include`` says what of each object travels along: ``None``, ``Metadata`` or ``Object``."""
    rows = []
    for item in items:
        row: dict[str, Any] = {"cells": printer.cells(item, now)}
        if printer.conditions and (conditions := printer.conditions(item)):
            row["conditions"] = conditions
        if include == "Object":
            row["object"] = item
        elif include == "Metadata":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": item["metadata"],
            }
        rows.append(row)
    table: dict[str, Any] = {"kind": "Table", "apiVersion": f"meta.k8s.io/{api_version}", "metadata": dict(metadata)}
    if headers:
        table["columnDefinitions"] = [column.definition() for column in printer.columns]
    table["rows"] = rows
    return table


def _custom_cell(kind: str, value: Any, now: datetime) -> Any:
    if value is None:
        return None
    if kind == "string":
        return value if isinstance(value, str) else _go_text(value)
    if kind == "date":
        moment = parse_time(value) if isinstance(value, str) else None
        return "<invalid>" if moment is None else human_duration((now - moment).total_seconds())
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if kind == "integer" else float(value)


def _go_text(value: Any) -> str:
    """How Go's jsonpath prints a value that is not a string."""
    return json.dumps(value, separators=(",", ":"))
