"""Reading JSON the way Cilium's Go types do: case-sensitive names, ``null`` as absent, and errors that name the Go
field.

A schema is a tree of small descriptions; :func:`decode` returns a tree of plain values in which every type is right and
unknown fields are gone. What was unknown is reported, since strict decoding (``kubectl apply`` by default) complains
and the agent does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab_helpers.policy.errors import PolicyError
from lab_helpers.policy.paths import Path, render

__all__ = ["ANYTHING", "BOOL", "INT", "INT_OR_STRING", "STRING", "Decoder", "ListOf", "MapOf", "Scalar", "Struct"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A Go basic type by its name."""

    go: str


STRING: Final = Scalar("string")
BOOL: Final = Scalar("bool")
INT: Final = Scalar("int32")
INT_OR_STRING: Final = Scalar("intstr.IntOrString")
ANYTHING: Final = Scalar("any")


@dataclass(frozen=True, slots=True)
class ListOf:
    """A Go slice."""

    item: Shape
    go: str


@dataclass(frozen=True, slots=True)
class MapOf:
    """A Go map from string."""

    item: Shape
    go: str


@dataclass(frozen=True, slots=True)
class Struct:
    """A Go struct. ``embedded`` maps fields to the embedded struct they come from, which Go names in error paths."""

    go: str
    fields: Mapping[str, Shape]
    embedded: Mapping[str, str] | None = None
    transparent: bool = False
    """Errors inside name the struct around it (it decodes through an embedded pointer)."""
    tolerant: bool = False
    """Unknown fields are not worth telling (metadata, which the API server fills)."""


Shape = Scalar | ListOf | MapOf | Struct


def _json_kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "object" if isinstance(value, Mapping) else "array"


class _NotPlainError(Exception):
    """Something has another type, or is unknown."""


def _plain(value: Any, shape: Shape) -> Any:
    """Decode what has no fault and no unknown field; the result is that of :meth:`Decoder.decode`."""
    if value is None:
        return None
    if isinstance(shape, Struct):
        if not isinstance(value, dict):
            raise _NotPlainError
        fields = shape.fields
        decoded = {}
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                if shape.tolerant:
                    continue
                raise _NotPlainError
            if item is not None:
                decoded[key] = item if field is ANYTHING else _plain(item, field)
        return decoded
    if isinstance(shape, ListOf):
        if not isinstance(value, list):
            raise _NotPlainError
        inner = shape.item
        return [_plain(item, inner) for item in value]
    if isinstance(shape, MapOf):
        if not isinstance(value, dict):
            raise _NotPlainError
        inner = shape.item
        return {key: _plain(item, inner) for key, item in value.items() if isinstance(key, str)}
    kind = type(value)
    if shape is ANYTHING or (shape is STRING and kind is str) or (shape is BOOL and kind is bool):
        return value
    if shape is INT and kind is int and -(2**31) <= value < 2**31:
        return value
    if shape is INT_OR_STRING and kind in (int, str):
        return value
    raise _NotPlainError


class Decoder:
    """Decodes one object; collects ``unknown`` fields on the way."""

    def __init__(self) -> None:
        self.unknown: list[Path] = []

    def read(self, value: Any, shape: Struct) -> dict[str, Any]:
        """Decode an object. What is as it should be takes a quick way; only what is not pays for knowing its place."""
        try:
            return dict(_plain(value, shape))
        except _NotPlainError:
            return dict(self.decode(value, shape, ()))

    def decode(self, value: Any, shape: Shape, path: Path, *, owner: str = "", trail: str = "") -> Any:
        """Check ``value`` against ``shape``. ``owner``/``trail`` are Go's struct name and dotted field path so far.
        Raises PolicyError.
        """
        if value is None:
            return None
        if isinstance(shape, Struct):
            return self._struct(value, shape, path, owner, trail)
        if isinstance(shape, ListOf):
            if not isinstance(value, list | tuple):
                raise self._wrong(value, shape.go, path, owner, trail)
            return [
                self.decode(item, shape.item, (*path, number), owner=owner, trail=trail)
                for number, item in enumerate(value)
            ]
        if isinstance(shape, MapOf):
            if not isinstance(value, Mapping):
                raise self._wrong(value, shape.go, path, owner, trail)
            return {
                str(key): self.decode(item, shape.item, (*path, str(key)), owner=owner, trail=trail)
                for key, item in value.items()
            }
        return self._scalar(value, shape, path, owner, trail)

    def _struct(self, value: Any, shape: Struct, path: Path, owner: str, trail: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise self._wrong(value, f"api.{shape.go}" if shape.go else "object", path, owner, trail)
        inner = owner if shape.transparent else shape.go
        decoded: dict[str, Any] = {}
        for key, item in value.items():
            name = str(key)
            field = shape.fields.get(name)
            if field is None:
                if not shape.tolerant:
                    self.unknown.append((*path, name))
                continue
            through = (shape.embedded or {}).get(name)
            step = ".".join(part for part in (trail, through, name) if part)
            result = self.decode(item, field, (*path, name), owner=inner, trail=step)
            if result is not None:
                decoded[name] = result
        return decoded

    def _scalar(self, value: Any, shape: Scalar, path: Path, owner: str, trail: str) -> Any:
        kind = _json_kind(value)
        if shape is ANYTHING:
            return value
        if shape is INT_OR_STRING:
            if kind == "string" or (kind == "number" and float(value).is_integer()):
                return value
        elif shape is STRING:
            if kind == "string":
                return str(value)
        elif shape is BOOL:
            if kind == "bool":
                return bool(value)
        elif kind == "number":
            if float(value).is_integer() and -(2**31) <= value < 2**31:
                return int(value)
            raise self._wrong(value, shape.go, path, owner, trail, kind=f"number {value}")
        raise self._wrong(value, shape.go, path, owner, trail)

    @staticmethod
    def _wrong(value: Any, go: str, path: Path, owner: str, trail: str, *, kind: str = "") -> PolicyError:
        field = f"Go struct field {owner}.{trail}" if trail else "Go value"
        return PolicyError(
            f"json: cannot unmarshal {kind or _json_kind(value)} into {field} of type {go}",
            category="type-error",
            path=render(path),
        )
