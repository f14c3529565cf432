"""Shapes of custom kinds, from the structural schema of their CRD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.api.schemas.builtin import struct_shape
from lab_helpers.twin.api.schemas.shapes import ANY, Shape

__all__ = ["custom_shape", "schema_shape"]

META = "apimachinery.pkg.apis.meta.v1.ObjectMeta"
_SCALARS = {"string": "string", "integer": "int64", "number": "double", "boolean": "bool"}


def custom_shape(schema: Mapping[str, Any] | None, name: str) -> Shape:
    """The shape of a whole custom object."""
    text = Shape("scalar", "string", optional=True)
    head = {"apiVersion": text, "kind": text, "metadata": struct_shape(META)}
    body = schema_shape(schema or {"x-kubernetes-preserve-unknown-fields": True}, name)
    fields = {**(body.fields if body.kind == "struct" else {}), **head}
    return Shape("struct", name, preserve_unknown=body.preserve_unknown, load=lambda: fields)


def schema_shape(schema: Mapping[str, Any], name: str = "") -> Shape:
    """The shape of one schema node."""
    if schema.get("x-kubernetes-int-or-string"):
        return Shape("scalar", "IntOrString")
    preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    atomic = schema.get("x-kubernetes-map-type") == "atomic"
    match schema.get("type"):
        case "array":
            items = schema.get("items")
            element = schema_shape(items) if isinstance(items, Mapping) else ANY
            keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
            defaults = {
                key: (items.get("properties") or {})[key]["default"]
                for key in keys
                if isinstance(items, Mapping) and "default" in (items.get("properties") or {}).get(key, {})
            }
            kind = schema.get("x-kubernetes-list-type", "atomic")
            return Shape("list", items=element, list_type=kind, keys=keys, key_defaults=defaults)
        case "object" | None if "properties" in schema:
            properties = schema["properties"]
            return Shape(
                "struct",
                name,
                atomic=atomic,
                preserve_unknown=preserve,
                load=lambda: {key: schema_shape(value, key) for key, value in properties.items()},
            )
        case "object" if isinstance(schema.get("additionalProperties"), Mapping):
            return Shape("map", items=schema_shape(schema["additionalProperties"]), atomic=atomic)
        case "object" if not preserve and not schema.get("additionalProperties"):
            return Shape("struct", name, atomic=atomic)
        case str() as kind if kind in _SCALARS:
            return Shape("scalar", _SCALARS[kind])
    return ANY if not atomic else Shape("any", preserve_unknown=True, atomic=True)
