"""Field selectors (``--field-selector``): which fields a kind lets you select by, and the parsed predicate.

Every kind knows ``metadata.name`` and ``metadata.namespace``; a few built-in kinds know more (Kubernetes
pkg/apis/*/v1/conversion.go); a CRD adds what its ``selectableFields`` name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.twin.objects.errors import bad_request
from lab_helpers.twin.objects.kinds import Kind

__all__ = ["FieldPredicate", "field_text", "parse_field_selector"]

FieldPredicate = Callable[[Mapping[str, Any]], bool]

_EVENT = (
    *(
        f"involvedObject.{part}"
        for part in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    ),
    "reason",
    "reportingComponent",
    "source",
    "type",
)
SELECTABLE: Mapping[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "events": _EVENT,
    "replicasets.apps": ("status.replicas",),
    "jobs.batch": ("status.successful",),
}


def parse_field_selector(text: str, kind: Kind, extra: tuple[str, ...] = ()) -> FieldPredicate:
    """The predicate of ``spec.nodeName=a,status.phase!=Running``. Raises 400 for a field this kind does not offer."""
    terms: list[tuple[str, bool, str]] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        for operator in ("!=", "==", "="):
            field, found, value = part.partition(operator)
            if found:
                break
        else:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field = field.strip()
        _check(field, kind, extra)
        terms.append((field, operator != "!=", value.strip()))
    return lambda item: all((field_text(item, field) == value) is wanted for field, wanted, value in terms)


def field_text(item: Mapping[str, Any], path: str) -> str:
    """The selectable form of a field: text, "" when absent, ``true``/``false`` for booleans."""
    value: Any = item
    if path == "source":
        value = (item.get("source") or {}).get("component") or item.get("reportingComponent")
    elif path == "status.successful":
        value = (item.get("status") or {}).get("succeeded", 0)
    elif path == "status.podIPs":
        value = ",".join(entry.get("ip", "") for entry in (item.get("status") or {}).get("podIPs") or ())
    else:
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        return "false" if path in ("spec.unschedulable", "spec.hostNetwork") else ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _check(field: str, kind: Kind, extra: tuple[str, ...]) -> None:
    if field in ("metadata.name", "metadata.namespace") or field in extra:
        return
    known = SELECTABLE.get(kind.stored_as or kind.resource)
    if known is None and not kind.custom:
        raise bad_request(f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')
    if known is None or field not in known:
        raise bad_request(f"field label not supported: {field}")
