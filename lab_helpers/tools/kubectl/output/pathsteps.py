"""What a JSONPath template is made of."""

from typing import Any, NamedTuple

from lab_helpers.tools.kubectl.errors import KubectlError

__all__ = [
    "Field",
    "Filter",
    "JsonPathError",
    "Literal",
    "Node",
    "Path",
    "Range",
    "Recursive",
    "Slice",
    "Step",
    "Text",
    "Union",
    "Wildcard",
]


class JsonPathError(KubectlError):
    """The template is malformed, or a value it needs is missing."""


class Text(NamedTuple):
    """Literal text."""

    text: str


class Field(NamedTuple):
    """A member by name ("" is the object itself)."""

    name: str


class Slice(NamedTuple):
    """``[a:b:c]``, ``[n]`` (single) or ``[*]``."""

    start: int | None
    stop: int | None
    step: int | None
    single: bool = False


class Wildcard(NamedTuple):
    """``*``: every value."""


class Recursive(NamedTuple):
    """``..``: this and everything below."""


class Union(NamedTuple):
    """``[a,b]``: one after the other."""

    parts: "tuple[Path, ...]"


class Filter(NamedTuple):
    """``[?(left op right)]``; op "exists" has no right side."""

    left: "Path"
    op: str
    right: "Path"


class Literal(NamedTuple):
    """A string, number or boolean inside an expression."""

    value: Any


class Range(NamedTuple):
    """``{range path}…{end}``."""

    path: "Path"
    body: "tuple[Node, ...]"


Step = Text | Field | Slice | Wildcard | Recursive | Union | Filter | Literal
Path = tuple[Step, ...]
Node = Text | Range | Path
