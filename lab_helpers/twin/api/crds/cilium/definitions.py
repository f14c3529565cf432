"""One cilium.io definition, and the schema vocabulary they are written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "AGE",
    "EARLIER_SCHEMA_VERSION",
    "SCHEMA_LABEL",
    "SCHEMA_VERSION",
    "Definition",
    "Schema",
    "boolean",
    "column",
    "enum",
    "integer",
    "listing",
    "mapping",
    "one_of",
    "render",
    "required",
    "struct",
    "text",
]

Schema = dict[str, Any]

SCHEMA_VERSION = "1.34.2"
EARLIER_SCHEMA_VERSION = "1.33.0"
"""Of Cilium before 1.20; the real number is not known here, only that it is a lower one."""
SCHEMA_LABEL = "io.cilium.k8s.crd.schema.version"
_API_VERSION = "Schema version of this object, group/version"
_KIND = "Kind of this object"


@dataclass(frozen=True)
class Definition:
    """Names, versions and schema of one kind; ``fields`` are the properties beside the type and object metadata."""

    kind: str
    plural: str
    fields: Mapping[str, Schema]
    needs: tuple[str, ...]
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ("cilium",)
    namespaced: bool = False
    versions: tuple[str, ...] = ("v2",)
    columns: tuple[Mapping[str, Any], ...] = ()
    subresources: Mapping[str, Any] | None = None
    about: str = ""
    rules: Sequence[Mapping[str, str]] = field(default_factory=tuple)


def column(name: str, path: str, kind: str = "string", priority: int = 0) -> dict[str, Any]:
    """A printer column."""
    found: dict[str, Any] = {"jsonPath": path, "name": name, "type": kind}
    return found | {"priority": priority} if priority else found


AGE = column("Age", ".metadata.creationTimestamp", "date")


def text(about: str = "", **limits: Any) -> Schema:
    """A string; ``pattern``, ``format``, ``maxLength`` … as keywords."""
    return _described({"type": "string", **limits}, about)


def enum(*values: str, about: str = "", **more: Any) -> Schema:
    """A string out of a list."""
    return _described({"type": "string", "enum": list(values), **more}, about)


def integer(about: str = "", **limits: Any) -> Schema:
    """A whole number."""
    return _described({"type": "integer", **limits}, about)


def boolean(about: str = "", **more: Any) -> Schema:
    """True or false."""
    return _described({"type": "boolean", **more}, about)


def listing(items: Schema, about: str = "", **limits: Any) -> Schema:
    """A list."""
    return _described({"type": "array", "items": items, **limits}, about)


def mapping(values: Schema, about: str = "") -> Schema:
    """A map from text to ``values``."""
    return _described({"type": "object", "additionalProperties": values}, about)


def struct(about: str = "", needs: Sequence[str] = (), /, **fields: Schema) -> Schema:
    """An object; a field whose name is no Python word goes through ``renamed`` dictionaries (``**{"a-b": text()}``)."""
    found: Schema = {"type": "object", "properties": dict(fields)}
    if needs:
        found["required"] = list(needs)
    return _described(found, about)


def required(schema: Schema, *names: str) -> Schema:
    """The same object with required fields."""
    return schema | {"required": list(names)}


def one_of(*names: str) -> list[Schema]:
    """Alternatives that each ask for one field to be present."""
    return [{"properties": {name: {}}, "required": [name]} for name in names]


def _described(schema: Schema, about: str) -> Schema:
    return {"description": about, **schema} if about else schema


def render(definition: Definition, schema_version: str = SCHEMA_VERSION) -> dict[str, Any]:
    """The CustomResourceDefinition object; the first version is stored, all are served."""
    schema: Schema = {
        "type": "object",
        "required": list(definition.needs),
        "properties": {
            "apiVersion": text(_API_VERSION),
            "kind": text(_KIND),
            "metadata": {"type": "object"},
            **definition.fields,
        },
    }
    if definition.about:
        schema = {"description": definition.about, **schema}
    if definition.rules:
        schema["x-kubernetes-validations"] = [dict(rule) for rule in definition.rules]
    versions = []
    for position, name in enumerate(definition.versions):
        version: dict[str, Any] = {
            "name": name,
            "served": True,
            "storage": position == 0,
            "schema": {"openAPIV3Schema": schema},
        }
        if position:
            version["deprecated"] = True
        if definition.columns:
            version["additionalPrinterColumns"] = [dict(entry) for entry in definition.columns]
        if definition.subresources is not None:
            version["subresources"] = dict(definition.subresources)
        versions.append(version)
    names: dict[str, Any] = {
        "categories": list(definition.categories),
        "kind": definition.kind,
        "listKind": f"{definition.kind}List",
        "plural": definition.plural,
        "singular": definition.kind.lower(),
    }
    if definition.short:
        names["shortNames"] = list(definition.short)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{definition.plural}.cilium.io",
            "labels": {SCHEMA_LABEL: schema_version},
        },
        "spec": {
            "group": "cilium.io",
            "names": names,
            "scope": "Namespaced" if definition.namespaced else "Cluster",
            "versions": versions,
        },
    }
