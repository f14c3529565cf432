"""``/openapi/v3`` and ``/openapi/v2``: what kubectl reads for ``explain``, for patches and before validation.

Documents are made when asked for and kept until a CRD changes. Descriptions of built-in fields come from the installed
official Python client where it has them; they are read as text, the client is not imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.api.discovery import Discovery
from lab_helpers.twin.api.responses import encode
from lab_helpers.twin.api.schemas.builtin import WireField, kind_type, wire_fields
from lab_helpers.twin.api.schemas.catalog import Catalog
from lab_helpers.twin.api.schemas.descriptions import describe
from lab_helpers.twin.objects.kinds import Kind, Kinds

__all__ = ["OpenApi"]

_META = "apimachinery.pkg.apis.meta.v1.ObjectMeta"
_LIST_META = "apimachinery.pkg.apis.meta.v1.ListMeta"
_SIMPLE: Mapping[str, Mapping[str, Any]] = {
    "string": {"type": "string"},
    "Duration": {"type": "string"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "bool": {"type": "boolean"},
    "bytes": {"type": "string", "format": "byte"},
    "double": {"type": "number", "format": "double"},
    "JSON": {"x-kubernetes-preserve-unknown-fields": True},
}
_NAMED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Quantity": ("io.k8s.apimachinery.pkg.api.resource.Quantity", {"type": "string"}),
    "IntOrString": (
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    ),
    "Time": ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", {"type": "string", "format": "date-time"}),
    "MicroTime": ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", {"type": "string", "format": "date-time"}),
    "RawExtension": ("io.k8s.apimachinery.pkg.runtime.RawExtension", {"type": "object"}),
    "FieldsV1": ("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", {"type": "object"}),
}
_QUERY = ("dryRun", "fieldManager", "fieldValidation", "force")


class OpenApi:
    """The documents of everything served now."""

    def __init__(self, kinds: Kinds, catalog: Catalog, discovery: Discovery, version: str) -> None:
        self._kinds = kinds
        self._catalog = catalog
        self._discovery = discovery
        self._version = version
        self._kept: dict[str, tuple[str, bytes]] = {}

    def index(self) -> dict[str, Any]:
        """``/openapi/v3``: one address per group and version, with a hash so that clients keep what they have."""
        paths: dict[str, Any] = {}
        for group, versions in self._discovery.groups().items():
            for version in versions:
                name = f"apis/{group}/{version}" if group else f"api/{version}"
                stamp = hashlib.sha256(self._stamp(group, version).encode()).hexdigest().upper()[:32]
                paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={stamp}"}
        return {"paths": paths}

    def document(self, group: str, version: str) -> bytes | None:
        """``/openapi/v3/apis/<group>/<version>`` as JSON; None when it is not served."""
        if version not in self._discovery.groups().get(group, ()):
            return None
        stamp = self._stamp(group, version)
        kept = self._kept.get(f"{group}/{version}")
        if kept is None or kept[0] != stamp:
            kept = (stamp, encode(self._make(group, version)))
            self._kept[f"{group}/{version}"] = kept
        return kept[1]

    def swagger(self) -> dict[str, Any]:
        """``/openapi/v2``: all definitions in the older form."""
        definitions: dict[str, Any] = {}
        paths: dict[str, Any] = {}
        for group, versions in self._discovery.groups().items():
            for version in versions:
                made = self._make(group, version)
                definitions |= made["components"]["schemas"]
                paths |= made["paths"]
        return {
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": self._version},
            "paths": paths,
            "definitions": _swagger_refs(definitions),
        }

    def swagger_protobuf(self) -> bytes:
        """``/openapi/v2`` in protobuf (gnostic ``Document``): swagger, info, no paths.

        kubectl asks for it only about kinds that version 3 does not have, to learn that version 2 has them neither.
        """
        info = _field_bytes(1, b"Kubernetes") + _field_bytes(2, self._version.encode())
        return _field_bytes(1, b"2.0") + _field_bytes(2, info) + _field_bytes(8, b"")

    def _stamp(self, group: str, version: str) -> str:
        parts = [self._version]
        for kind in self._kinds:
            if kind.group == group and version in kind.versions:
                crd = self._catalog.definition(kind) if kind.custom else None
                parts.append(f"{kind.kind}:{crd['metadata']['resourceVersion'] if crd else ''}")
        return "|".join([group, version, *parts])

    def _make(self, group: str, version: str) -> dict[str, Any]:
        schemas: dict[str, Any] = {}
        paths: dict[str, Any] = {}
        for kind in self._kinds:
            if kind.group == group and version in kind.versions:
                gvk = {"group": group, "version": version, "kind": kind.kind}
                name = self._schema(kind, version, schemas)
                schemas[name]["x-kubernetes-group-version-kind"] = [gvk]
                self._list(kind, version, name, schemas)
                root = f"/apis/{group}/{version}" if group else f"/api/{version}"
                place = "/namespaces/{namespace}" if kind.namespaced else ""
                paths[f"{root}{place}/{kind.plural}"] = {
                    "get": _operation(gvk, "list"),
                    "post": _operation(gvk, "post"),
                }
                paths[f"{root}{place}/{kind.plural}/{{name}}"] = {
                    verb: _operation(gvk, verb) for verb in ("get", "put", "patch", "delete")
                }
        info = {"title": "Kubernetes", "version": self._version}
        return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}

    def _schema(self, kind: Kind, version: str, schemas: dict[str, Any]) -> str:
        builtin = kind_type(kind.group, kind.kind)
        if builtin is not None:
            name = _add(builtin, schemas)
            _head(schemas[name])
            return name
        reverse = ".".join(reversed(kind.group.split(".")))
        name = f"{reverse}.{version}.{kind.kind}"
        body = dict(self._catalog.schema(kind, version) or {"type": "object"})
        body["properties"] = dict(body.get("properties") or {})
        schemas[name] = body
        _head(body)
        body["properties"]["metadata"] = {"allOf": [{"$ref": _ref(_add(_META, schemas))}]}
        return name

    def _list(self, kind: Kind, version: str, name: str, schemas: dict[str, Any]) -> None:
        gvk = {"group": kind.group, "version": version, "kind": f"{kind.kind}List"}
        body: dict[str, Any] = {
            "type": "object",
            "required": ["items"],
            "properties": {
                "items": {"type": "array", "items": {"allOf": [{"$ref": _ref(name)}]}},
                "metadata": {"allOf": [{"$ref": _ref(_add(_LIST_META, schemas))}]},
            },
            "x-kubernetes-group-version-kind": [gvk],
        }
        _head(body)
        schemas[f"{name}List"] = body


def _field_bytes(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def _head(body: dict[str, Any]) -> None:
    for name in ("apiVersion", "kind"):
        text = describe("ObjectReference", name)
        body.setdefault("properties", {}).setdefault(
            name, {"type": "string", **({"description": text} if text else {})}
        )


def _operation(gvk: Mapping[str, str], verb: str) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in (_QUERY if verb in ("post", "put", "patch") else ())
    ]
    return {
        "x-kubernetes-action": verb,
        "x-kubernetes-group-version-kind": dict(gvk),
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
    }


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"


def _public(name: str) -> str:
    dashed = name.replace("apiextensions_apiserver", "apiextensions-apiserver").replace(
        "kube_aggregator", "kube-aggregator"
    )
    return f"io.k8s.{dashed}"


def _add(name: str, schemas: dict[str, Any]) -> str:
    """Put a built-in type and everything it needs into ``schemas``; returns its public name."""
    public = _public(name)
    if public in schemas:
        return public
    body: dict[str, Any] = {"type": "object"}
    schemas[public] = body
    short = name.rpartition(".")[2]
    if text := describe(short, ""):
        body["description"] = text
    required: list[str] = []
    properties: dict[str, Any] = {}
    _collect(name, short, properties, required, schemas)
    if required:
        body["required"] = sorted(required)
    if properties:
        body["properties"] = {key: properties[key] for key in sorted(properties)}
    return public


def _collect(name: str, short: str, properties: dict[str, Any], required: list[str], schemas: dict[str, Any]) -> None:
    for field in wire_fields(name).values():
        if field.inline:
            _collect(field.type, short, properties, required, schemas)
            continue
        schema = _field(field, schemas)
        if text := describe(short, field.name):
            schema["description"] = text
        properties[field.name] = schema
        if not field.meta.get("optional"):
            required.append(field.name)


def _field(field: WireField, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = _typed(field.type, schemas)
    for mark, extension in (
        ("list", "x-kubernetes-list-type"),
        ("keys", "x-kubernetes-list-map-keys"),
        ("map", "x-kubernetes-map-type"),
        ("merge_key", "x-kubernetes-patch-merge-key"),
        ("strategy", "x-kubernetes-patch-strategy"),
        ("default", "default"),
    ):
        if mark in field.meta:
            schema[extension] = field.meta[mark]
    return schema


def _typed(kind: str, schemas: dict[str, Any]) -> dict[str, Any]:
    if kind.startswith("[]"):
        return {"type": "array", "items": _typed(kind[2:], schemas)}
    if kind.startswith("{}"):
        return {"type": "object", "additionalProperties": _typed(kind[2:], schemas)}
    if kind in _SIMPLE:
        return dict(_SIMPLE[kind])
    if kind in _NAMED:
        name, body = _NAMED[kind]
        schemas.setdefault(name, dict(body))
    else:
        name = _add(kind, schemas)
    return {"allOf": [{"$ref": _ref(name)}]}


def _swagger_refs(value: Any) -> Any:
    """Version 2 has ``$ref`` in place of ``allOf`` around one, and its own address for definitions."""
    if isinstance(value, list):
        return [_swagger_refs(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = value.get("allOf")
    if isinstance(inner, list) and len(inner) == 1 and "$ref" in inner[0]:
        name = inner[0]["$ref"].rpartition("/")[2]
        rest = {key: _swagger_refs(item) for key, item in value.items() if key != "allOf"}
        return {"$ref": f"#/definitions/{name}", **rest}
    return {key: _swagger_refs(item) for key, item in value.items()}
