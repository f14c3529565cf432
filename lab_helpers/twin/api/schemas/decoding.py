"""Decoding a body into a kind: types as Go's decoder reports them, unknown fields as strict decoding does.

The result is what a Go struct would keep: unknown fields and nulls are gone, and what is empty in the metadata.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from lab_helpers.twin.api.schemas.shapes import Shape

__all__ = ["DecodeError", "Reading", "go_type", "list_undeclared", "read"]

_QUANTITY = re.compile(r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
_TIME = re.compile(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$")
_BITS = {"int32": 31, "int64": 63}


class DecodeError(ValueError):
    """The value does not fit the type; the text is Go's."""


class Reading(NamedTuple):
    """The typed value and the paths of unknown fields (``spec.containers[0].foo``)."""

    value: dict[str, Any]
    unknown: list[str]


def read(value: Mapping[str, Any], shape: Shape, *, custom: bool = False) -> Reading:
    """Check and clean ``value``. Raises DecodeError at the first type that does not fit.

    Of a ``custom`` object only the metadata is typed: the rest is pruned here and validated by its schema.
    """
    reader = _Reader(lenient=custom)
    found: dict[str, Any] = reader.walk(value, shape, _Place("", "", ""))
    return Reading(found, reader.unknown)


def list_undeclared(value: Any, shape: Shape, path: str = "") -> list[str]:
    """What server-side apply refuses: fields a schema does not declare, values of another form, duplicate keys."""
    found: list[str] = []
    if value is None:
        return found
    match shape.kind:
        case "struct" | "map":
            if not isinstance(value, Mapping):
                return [f"{path}: expected map, got &{{{_json_kind(value)}}}"]
            for key, item in value.items():
                if shape.kind == "struct" and key not in shape.fields:
                    if not shape.preserve_unknown:
                        found.append(f"{path}.{key}: field not declared in schema")
                else:
                    found += list_undeclared(item, shape.at(key), f"{path}.{key}")
        case "list":
            if not isinstance(value, list):
                return [f"{path}: expected list, got {_json_kind(value)}"]
            for position, item in enumerate(value):
                found += list_undeclared(item, shape.element, f"{path}[{position}]")
        case "scalar":
            try:
                _scalar(value, shape, _Place("", "", ""))
            except DecodeError:
                wanted = {"int32": "numeric (int or float)", "int64": "numeric (int or float)", "bool": "boolean"}
                found.append(f"{path}: expected {wanted.get(shape.type, 'string')}, got {_json_kind(value)}")
    return found


class _Place(NamedTuple):
    """``path`` with indexes (strict errors), ``go`` without (type errors), ``owner`` the innermost struct's name."""

    path: str
    go: str
    owner: str

    def field(self, name: str, owner: str) -> _Place:
        return _Place(f"{self.path}.{name}" if self.path else name, f"{self.go}.{name}" if self.go else name, owner)

    def item(self, position: int) -> _Place:
        return self._replace(path=f"{self.path}[{position}]")


class _Reader:
    def __init__(self, *, lenient: bool) -> None:
        self.unknown: list[str] = []
        self._lenient = lenient

    def walk(self, value: Any, shape: Shape, place: _Place) -> Any:
        if self._lenient and not place.path.startswith("metadata"):
            fits = {"struct": Mapping, "map": Mapping, "list": list}.get(shape.kind)
            if fits is None or (place.path and not isinstance(value, fits)):
                return value
        match shape.kind:
            case "struct":
                return self._struct(value, shape, place)
            case "map":
                if not isinstance(value, Mapping):
                    raise _mismatch(value, shape, place)
                element = shape.element
                return {
                    key: self.walk(item, element, place.field(key, place.owner)._replace(go=place.go))
                    for key, item in value.items()
                    if item is not None or self._lenient
                }
            case "list":
                if not isinstance(value, list):
                    raise _mismatch(value, shape, place)
                element = shape.element
                return [self.walk(item, element, place.item(i)) for i, item in enumerate(value)]
            case "scalar":
                return _scalar(value, shape, place)
        return value

    def _struct(self, value: Any, shape: Shape, place: _Place) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _mismatch(value, shape, place)
        owner = shape.type.rpartition(".")[2]
        fields, found = shape.fields, {}
        for key, item in value.items():
            inner = place.field(key, owner)
            below = fields.get(key)
            if below is None:
                if shape.preserve_unknown:
                    found[key] = item
                else:
                    self.unknown.append(inner.path)
            elif item is not None or (self._lenient and not inner.path.startswith("metadata")):
                found[key] = self.walk(item, below, inner)
        if owner == "ObjectMeta":
            return {key: item for key, item in found.items() if item not in ({}, [])}
        return found


def go_type(shape: Shape) -> str:
    """The Go type in error texts: ``int32``, ``[]v1.Container``, ``map[string]string``."""
    match shape.kind:
        case "struct":
            *_, version, name = shape.type.split(".")
            return f"{version}.{name}"
        case "map":
            return f"map[string]{go_type(shape.element)}"
        case "list":
            return f"[]{go_type(shape.element)}"
    names = {
        "bytes": "[]uint8",
        "double": "float64",
        "Quantity": "resource.Quantity",
        "IntOrString": "intstr.IntOrString",
    }
    return names.get(shape.type, shape.type) if shape.kind == "scalar" else "runtime.RawExtension"


def _scalar(value: Any, shape: Shape, place: _Place) -> Any:
    kind = shape.type
    if kind == "string":
        if isinstance(value, str):
            return value
    elif kind in _BITS:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            if -(1 << _BITS[kind]) <= value < (1 << _BITS[kind]):
                return value
            raise _mismatch(value, shape, place, f"number {value}")
        if isinstance(value, float):
            raise _mismatch(value, shape, place, f"number {value}")
    elif kind == "bool":
        if isinstance(value, bool):
            return value
    elif kind == "double":
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
    elif kind == "bytes":
        if isinstance(value, str):
            return _bytes(value)
    elif kind == "Quantity":
        return _quantity(value)
    elif kind == "IntOrString":
        if isinstance(value, str | int) and not isinstance(value, bool):
            return value
        raise DecodeError(f"json: cannot unmarshal {_json_kind(value)} into Go value of type int32")
    elif kind in ("Time", "MicroTime"):
        if isinstance(value, str):
            return _time(value)
    elif isinstance(value, str):
        return value
    raise _mismatch(value, shape, place)


def _bytes(value: str) -> str:
    text = "".join(value.split())
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        place = next((i for i, c in enumerate(text) if not (c.isalnum() or c in "+/=")), len(text) - len(text) % 4)
        raise DecodeError(f"illegal base64 data at input byte {place}") from error
    return text


def _quantity(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not _QUANTITY.match(value):
        raise DecodeError(f"quantities must match the regular expression '{_QUANTITY.pattern}'")
    return value


def _time(value: str) -> str:
    if _TIME.match(value):
        return value
    layout = "2006-01-02T15:04:05Z07:00"
    raise DecodeError(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"')


def _mismatch(value: Any, shape: Shape, place: _Place, what: str = "") -> DecodeError:
    what = what or _json_kind(value)
    if not place.go:
        return DecodeError(f"json: cannot unmarshal {what} into Go value of type {go_type(shape)}")
    return DecodeError(
        f"json: cannot unmarshal {what} into Go struct field {place.owner}.{place.go} of type {go_type(shape)}"
    )


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list):
        return "array"
    return "string" if isinstance(value, str) else "number"
