"""Tables the server makes (meta.k8s.io Table), printed with kubectl's additions: NAMESPACE, kinds, label columns.

Follows k8s.io/cli-runtime printers/tableprinter.go and kubectl's pkg/cmd/get.
"""

import re
from collections.abc import Sequence
from typing import Any, TextIO

from lab_helpers.tools.kubectl.output.tables import Tabwriter
from lab_helpers.tools.rest.discovery import Resource

TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
_BREAK = re.compile(r"[\f\n\r]")


def cell_text(value: Any) -> str:
    """One cell: text to its first line break, escape characters made visible."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    match = _BREAK.search(value)
    if match:
        value = value[: match.start()] + "..."
    return str(value.replace("\x1b", "^["))


def labels_text(labels: dict[str, str] | None) -> str:
    """``a=1,b=2`` or ``<none>``."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def as_table(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer that is no Table, as one: names and ages."""
    if answer.get("kind") == "Table":
        return answer
    from lab_helpers.tools.kubectl.output.ages import age

    items = answer.get("items", [answer])
    return {
        "kind": "Table",
        "columnDefinitions": [{"name": "Name"}, {"name": "Age"}],
        "rows": [
            {
                "cells": [item["metadata"]["name"], age(item["metadata"].get("creationTimestamp"))],
                "object": item,
            }
            for item in items or []
        ],
        "metadata": answer.get("metadata") or {},
    }


class TablePrinter:
    """Prints the tables of one command. A new type begins a new table, after an empty line."""

    def __init__(
        self,
        out: TextIO,
        *,
        wide: bool = False,
        namespaces: bool = False,
        headers: bool = True,
        kind: bool = False,
        labels: Sequence[str] = (),
        all_labels: bool = False,
        events: bool = False,
    ) -> None:
        self._out = out
        self._table = Tabwriter(out)
        self._wide = wide
        self._namespaces = namespaces
        self._headers = headers
        self._kind = kind
        self._labels = labels
        self._all_labels = all_labels
        self._events = events
        self._last: Resource | None = None
        self._columns: list[dict[str, Any]] = []
        self.printed = False

    def add(self, resource: Resource, answer: dict[str, Any], event: str = "") -> None:
        """Add the rows of an answer about one type."""
        table = as_table(answer)
        rows = table.get("rows") or []
        if table.get("columnDefinitions"):
            self._columns = table["columnDefinitions"]
        if not rows:
            return
        if self._last is not None and self._last != resource:
            self._table.flush()
            self._table.forget()
            self._out.write("\n")
        if self._last != resource and self._headers:
            self._table.row(self._header())
        self._last = resource
        self.printed = True
        for row in rows:
            self._table.row(self._cells(resource, row, event))

    def finish(self) -> None:
        """Write what is still held back."""
        self._table.flush()

    def _shown(self) -> list[int]:
        return [index for index, column in enumerate(self._columns) if self._wide or not column.get("priority")]

    def _header(self) -> list[str]:
        cells = ["EVENT"] if self._events else []
        if self._namespaces:
            cells.append("NAMESPACE")
        cells += [str(self._columns[index]["name"]).upper() for index in self._shown()]
        cells += [label.rpartition("/")[2].upper() for label in self._labels]
        return [*cells, "LABELS"] if self._all_labels else cells

    def _cells(self, resource: Resource, row: dict[str, Any], event: str) -> list[str]:
        meta = (row.get("object") or {}).get("metadata") or {}
        values = row.get("cells") or []
        cells = [event] if self._events else []
        if self._namespaces:
            cells.append(str(meta.get("namespace") or ""))
        for position, index in enumerate(self._shown()):
            text = cell_text(values[index]) if index < len(values) else ""
            cells.append(f"{resource.singular_name}/{text}" if self._kind and position == 0 else text)
        labels = meta.get("labels") or {}
        cells += [str(labels.get(label, "<none>")) for label in self._labels]
        return [*cells, labels_text(labels)] if self._all_labels else cells
