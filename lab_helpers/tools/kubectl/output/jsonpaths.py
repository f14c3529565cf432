"""kubectl's dialect of JSONPath (k8s.io/client-go util/jsonpath): templates with fields, indices, slices, filters,
ranges.

``{.items[*].metadata.name}``, ``{range .items[*]}{.metadata.name}{"\\t"}{.status.phase}{"\\n"}{end}``,
``{.items[?(@.status.phase=="Running")].metadata.name}``, ``{..name}``. Text outside braces is printed as it is.
"""

from collections.abc import Iterator
from typing import Any

from lab_helpers.tools.kubectl.output.pathparsing import parse, parse_path, relaxed
from lab_helpers.tools.kubectl.output.pathsteps import (
    Field,
    Filter,
    JsonPathError,
    Literal,
    Node,
    Path,
    Range,
    Recursive,
    Slice,
    Step,
    Text,
    Union,
    Wildcard,
)

__all__ = ["JsonPathError", "Path", "evaluate", "parse", "parse_path", "relaxed", "render"]


def _below(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _below(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from _below(item)


def _step(step: Step, values: list[Any], root: Any, strict: bool) -> list[Any]:
    out: list[Any] = []
    if isinstance(step, Literal):
        return [step.value]
    if isinstance(step, Recursive):
        return [found for value in values for found in _below(value) if isinstance(found, (dict, list))]
    for value in values:
        if isinstance(step, Field):
            if isinstance(value, dict) and step.name in value:
                out.append(value[step.name])
        elif isinstance(step, Wildcard):
            out += (
                [value[key] for key in sorted(value)]
                if isinstance(value, dict)
                else value
                if isinstance(value, list)
                else []
            )
        elif isinstance(step, Slice):
            out += _sliced(step, value, strict)
        elif isinstance(step, Union):
            for path in step.parts:
                out += evaluate(path, value, root, strict)
        elif isinstance(step, Filter):
            items = (
                value
                if isinstance(value, list)
                else [value[key] for key in sorted(value)]
                if isinstance(value, dict)
                else []
            )
            out += [item for item in items if _passes(step, item, root)]
    if isinstance(step, Field) and not out and strict:
        raise JsonPathError(f"{step.name} is not found")
    return out


def _sliced(step: Slice, value: Any, strict: bool) -> list[Any]:
    if not isinstance(value, list):
        if strict and value is not None:
            raise JsonPathError("is not array or slice")
        return (
            [value[key] for key in sorted(value)] if isinstance(value, dict) and step == Slice(None, None, None) else []
        )
    if step.single:
        index = step.start or 0
        if -len(value) <= index < len(value):
            return [value[index]]
        raise JsonPathError(f"array index out of bounds: index {index}, length {len(value)}")
    return value[slice(step.start, step.stop, step.step)]


def _passes(test: Filter, item: Any, root: Any) -> bool:
    left = evaluate(test.left, item, root, False)
    if test.op == "exists":
        return bool(left)
    right = evaluate(test.right, item, root, False)
    if not left or not right:
        return False
    a, b = left[0], right[0]
    if test.op in ("==", "!="):
        return (a == b and isinstance(a, bool) == isinstance(b, bool)) == (test.op == "==")
    try:
        return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[test.op])
    except TypeError:
        raise JsonPathError(f"incompatible types for comparison: {a!r} and {b!r}") from None


def evaluate(path: Path, value: Any, root: Any, strict: bool) -> list[Any]:
    """The values a path leads to. With `strict`, a missing field or index raises JsonPathError."""
    values = [value]
    for position, step in enumerate(path):
        lenient = any(isinstance(before, (Recursive, Filter)) for before in path[:position])
        values = _step(step, values, root, strict and not lenient)
    return values


def _shown(value: Any) -> str:
    from lab_helpers.tools.kubectl.output.jsontexts import json_text

    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json_text(value, None)
    return str(value)


def render(nodes: tuple[Node, ...], value: Any, *, strict: bool = False) -> str:
    """The text a template prints for `value`; several values of one expression are separated by spaces."""
    out = []
    for node in nodes:
        if isinstance(node, Text):
            out.append(node.text)
        elif isinstance(node, Range):
            out += [render(node.body, item, strict=strict) for item in evaluate(node.path, value, value, strict)]
        else:
            out.append(" ".join(_shown(found) for found in evaluate(node, value, value, strict)))
    return "".join(out)
