"""CustomResourceDefinitions on their way in: defaults, validation, and the status that establishes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.api.admission.names import dns_1035_label, dns_subdomain
from lab_helpers.twin.api.admission.problems import Problems
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.objects.kinds import Kind
from lab_helpers.twin.objects.registry import Operation
from lab_helpers.twin.objects.storage import Object

__all__ = ["CRDS", "admit_definition", "kind_of"]

CRDS = "customresourcedefinitions.apiextensions.k8s.io"


def admit_definition(operation: Operation, clock: Clock) -> None:
    """Fill in, check and establish one definition."""
    item = operation.object
    spec = item.setdefault("spec", {})
    names = spec.setdefault("names", {})
    if names.get("kind"):
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})
    problems = Problems()
    _check(item, operation.previous, problems)
    problems.raise_for(operation.kind, item["metadata"]["name"])
    _establish(item, operation.previous, clock.timestamp())


def _check(item: Mapping[str, Any], old: Mapping[str, Any] | None, problems: Problems) -> None:
    spec, name = item["spec"], item["metadata"]["name"]
    names = spec["names"]
    for field in ("plural", "kind"):
        if not names.get(field):
            problems.required(f"spec.names.{field}")
    for why in dns_1035_label(names["plural"]) if names.get("plural") else ():
        problems.invalid("spec.names.plural", names["plural"], why)
    if not spec.get("group"):
        problems.required("spec.group")
    for why in dns_subdomain(spec["group"]) if spec.get("group") else ():
        problems.invalid("spec.group", spec["group"], why)
    if name != f"{names.get('plural')}.{spec.get('group')}":
        problems.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        if spec.get("scope"):
            problems.unsupported("spec.scope", spec["scope"], ("Cluster", "Namespaced"))
        else:
            problems.required("spec.scope")
    _check_versions(spec.get("versions") or [], problems)
    if old is not None:
        before = old["spec"]
        if before.get("scope") != spec.get("scope"):
            problems.invalid("spec.scope", spec.get("scope"), "field is immutable")
        if before["names"].get("kind") != names.get("kind"):
            problems.invalid("spec.names.kind", names.get("kind"), "field is immutable")


def _check_versions(versions: list[Mapping[str, Any]], problems: Problems) -> None:
    if not versions:
        problems.required("spec.versions")
        return
    seen: set[str] = set()
    for position, version in enumerate(versions):
        field = f"spec.versions[{position}]"
        if version.get("name", "") in seen:
            problems.duplicate(f"{field}.name", version["name"])
        seen.add(version.get("name", ""))
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not schema:
            problems.required(f"{field}.schema.openAPIV3Schema", "schemas are required")
        else:
            if schema.get("type") != "object":
                place = f"{field}.schema.openAPIV3Schema.type"
                if schema.get("type"):
                    problems.invalid(place, schema["type"], "must be object at the root")
                else:
                    problems.required(place, "must not be empty at the root")
            _check_structural(schema, f"{field}.schema.openAPIV3Schema", problems)
        for number, column in enumerate(version.get("additionalPrinterColumns") or ()):
            if not str(column.get("jsonPath", "")).startswith("."):
                problems.invalid(
                    f"{field}.additionalPrinterColumns[{number}].jsonPath",
                    column.get("jsonPath", ""),
                    "must be a simple json path starting with .",
                )
    if sum(bool(version.get("storage")) for version in versions) != 1:
        shown = [dict(version) | {"schema": None} for version in versions]
        problems.invalid("spec.versions", shown, "must have exactly one version marked as storage version")


def _check_structural(schema: Any, field: str, problems: Problems) -> None:
    """Every property says its type (a structural schema)."""
    if not isinstance(schema, Mapping) or len(problems.found) > 20:
        return
    for name, below in (schema.get("properties") or {}).items():
        place = f"{field}.properties[{name}]"
        free = below.get("x-kubernetes-int-or-string") or below.get("x-kubernetes-preserve-unknown-fields")
        if not below.get("type") and not free:
            problems.required(f"{place}.type", "must not be empty for specified object fields")
        _check_structural(below, place, problems)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            _check_structural(schema[name], f"{field}.{name}", problems)
    if schema.get("type") == "array" and "items" not in schema:
        problems.required(f"{field}.items", "must be specified")


def _establish(item: Object, old: Object | None, now: str) -> None:
    stored = list(((old or {}).get("status") or {}).get("storedVersions") or ())
    storage = next(version["name"] for version in item["spec"]["versions"] if version.get("storage"))
    if storage not in stored:
        stored.append(storage)
    known = ((old or {}).get("status") or {}).get("conditions")
    item["status"] = {
        "acceptedNames": dict(item["spec"]["names"]),
        "conditions": known
        or [
            {
                "lastTransitionTime": now,
                "message": "no conflicts found",
                "reason": "NoConflicts",
                "status": "True",
                "type": "NamesAccepted",
            },
            {
                "lastTransitionTime": now,
                "message": "the initial names have been accepted",
                "reason": "InitialNamesAccepted",
                "status": "True",
                "type": "Established",
            },
        ],
        "storedVersions": stored,
    }


def kind_of(crd: Mapping[str, Any]) -> Kind:
    """The kind that an established definition serves; its preferred version is the first by priority."""
    from lab_helpers.twin.api.discovery import version_order

    spec = crd["spec"]
    names = spec["names"]
    served = sorted((v["name"] for v in spec["versions"] if v.get("served")), key=version_order)
    subresources = [v.get("subresources") or {} for v in spec["versions"]]
    return Kind(
        spec["group"],
        served[0] if served else spec["versions"][0]["name"],
        names["kind"],
        names["plural"],
        spec["scope"] == "Namespaced",
        tuple(names.get("shortNames") or ()),
        tuple(names.get("categories") or ()),
        has_status=any("status" in entry for entry in subresources),
        has_scale=any("scale" in entry for entry in subresources),
        custom=True,
        singular=names.get("singular", ""),
        list_kind=names.get("listKind", ""),
        other_versions=tuple(served[1:]),
    )
