"""The shape of values.

What patches, server-side apply and decoding need to know of a type, built-in or custom alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["ANY", "Shape", "ShapeKind"]

ShapeKind = Literal["struct", "map", "list", "scalar", "any"]


@dataclass(slots=True)
class Shape:
    """One type in one place.

    ``struct`` has ``fields``; ``map`` and ``list`` have ``items``; ``scalar`` has a ``type`` (string, int32, int64,
    bool, bytes, double, Quantity, IntOrString, Time, MicroTime, Duration); ``any`` is free JSON. ``list_type`` is
    atomic, set or map (with ``keys``); ``atomic`` marks a struct or map that is replaced as a whole. ``merge_key`` and
    ``strategy`` steer strategic merge patches. ``type`` of a struct is its name.
    """

    kind: ShapeKind
    type: str = ""
    items: Shape | None = None
    list_type: str = "atomic"
    keys: tuple[str, ...] = ()
    atomic: bool = False
    merge_key: str = ""
    strategy: tuple[str, ...] = ()
    optional: bool = False
    default: object = None
    preserve_unknown: bool = False
    key_defaults: Mapping[str, object] = field(default_factory=dict)
    load: Callable[[], Mapping[str, Shape]] | None = None
    _fields: Mapping[str, Shape] | None = None

    @property
    def fields(self) -> Mapping[str, Shape]:
        """The fields of a struct, worked out on first use (types may be recursive)."""
        if self._fields is None:
            self._fields = self.load() if self.load else {}
        return self._fields

    def at(self, name: str) -> Shape:
        """The shape of a field or map value; free JSON where nothing is known."""
        if self.kind == "struct":
            return self.fields.get(name, ANY)
        return self.items if self.kind == "map" and self.items is not None else ANY

    @property
    def element(self) -> Shape:
        """The shape of a list's elements or a map's values."""
        return self.items if self.items is not None else ANY


ANY = Shape("any", preserve_unknown=True)
