"""Shapes of the built-in kinds, from ``builtin.json`` (generated; read on first use)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from lab_helpers.twin.api.schemas.shapes import Shape

__all__ = ["PACKAGES", "WireField", "builtin_shape", "kind_type", "struct_shape", "wire_fields"]

PACKAGES: Mapping[str, str] = {
    "": "api.core.v1",
    "apps": "api.apps.v1",
    "batch": "api.batch.v1",
    "discovery.k8s.io": "api.discovery.v1",
    "events.k8s.io": "api.events.v1",
    "networking.k8s.io": "api.networking.v1",
    "coordination.k8s.io": "api.coordination.v1",
    "rbac.authorization.k8s.io": "api.rbac.v1",
    "policy": "api.policy.v1",
    "scheduling.k8s.io": "api.scheduling.v1",
    "storage.k8s.io": "api.storage.v1",
    "authentication.k8s.io": "api.authentication.v1",
    "authorization.k8s.io": "api.authorization.v1",
    "autoscaling": "api.autoscaling.v1",
    "apiextensions.k8s.io": "apiextensions_apiserver.pkg.apis.apiextensions.v1",
    "apiregistration.k8s.io": "kube_aggregator.pkg.apis.apiregistration.v1",
    "meta.k8s.io": "apimachinery.pkg.apis.meta.v1",
}
_FREE = {"RawExtension", "FieldsV1", "JSON"}


class WireField(NamedTuple):
    """One field of a protobuf message: JSON name, type and marks.

    ``inline`` fields show their own fields in the parent.
    """

    name: str
    type: str
    meta: Mapping[str, Any]
    inline: bool


@lru_cache(maxsize=1)
def _types() -> Mapping[str, Any]:
    text = files("lab_helpers.twin.api.schemas").joinpath("builtin.json").read_text(encoding="utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def kind_type(group: str, kind: str) -> str | None:
    """The type name of a kind (``api.apps.v1.Deployment``); None when it is not built in."""
    name = f"{PACKAGES.get(group, '?')}.{kind}"
    return name if name in _types() else None


@lru_cache(maxsize=512)
def wire_fields(name: str) -> Mapping[int, WireField]:
    """The fields of a message by number."""
    found = {}
    for field, (number, kind, *meta) in _types()[name]["fields"].items():
        found[number] = WireField(field.lstrip("~"), kind, meta[0] if meta else {}, field.startswith("~"))
    return found


@lru_cache(maxsize=256)
def builtin_shape(group: str, kind: str) -> Shape | None:
    """The shape of a built-in kind, with ``apiVersion`` and ``kind``; None when it is not known."""
    name = kind_type(group, kind)
    if name is None:
        return None
    text = Shape("scalar", "string", optional=True)

    def load() -> Mapping[str, Shape]:
        return {"apiVersion": text, "kind": text, **struct_shape(name).fields}

    return Shape("struct", name, load=load)


@lru_cache(maxsize=1024)
def struct_shape(name: str) -> Shape:
    """The shape of a message by its type name."""

    def load() -> Mapping[str, Shape]:
        found: dict[str, Shape] = {}
        for field in wire_fields(name).values():
            if field.inline:
                found |= struct_shape(field.type).fields
            else:
                found[field.name] = _field_shape(field)
        return found

    atomic = bool(_types()[name].get("atomic"))
    return Shape("struct", name, load=load, atomic=atomic)


def _field_shape(field: WireField) -> Shape:
    meta = field.meta
    shape = _shape(field.type)
    strategy = tuple(part for part in meta.get("strategy", "").split(",") if part)
    shape = replace(shape, optional=bool(meta.get("optional")), strategy=strategy, default=meta.get("default"))
    if shape.kind == "list":
        keys = tuple(meta.get("keys", ()))
        element = shape.element
        defaults = {
            key: element.fields[key].default
            for key in keys
            if element.kind == "struct" and element.fields[key].default is not None
        }
        return replace(
            shape,
            list_type=meta.get("list", "atomic"),
            keys=keys,
            merge_key=meta.get("merge_key", ""),
            key_defaults=defaults,
        )
    if meta.get("map") == "atomic":
        return replace(shape, atomic=True)
    return shape


def _shape(kind: str) -> Shape:
    if kind.startswith("[]"):
        return Shape("list", items=_shape(kind[2:]))
    if kind.startswith("{}"):
        return Shape("map", items=_shape(kind[2:]))
    if kind in _FREE:
        return Shape("any", kind, preserve_unknown=True, atomic=kind == "FieldsV1")
    return struct_shape(kind) if "." in kind else Shape("scalar", kind)
