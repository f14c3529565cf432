"""kubectl's dialect of JSONPath (k8s.io/client-go util/jsonpath): templates with fields, indices, slices, filters,
ranges.

``{.items[*].metadata.name}``, ``{range .items[*]}{.metadata.name}{"\\t"}{.status.phase}{"\\n"}{end}``,
``{.items[?(@.status.phase=="Running")].metadata.name}``, ``{..name}``. Text outside braces is printed as it is.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lab_helpers.tools.kubectl.errors import KubectlError


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

_NAME = re.compile(r"[^\s.\[\]{}()'\"=<>!,@$*|&]+")
_FIELD = re.compile(r"(?:\\.|[^\s.\[\]{},()'\"=<>!|&\\])+")
_OPERATOR = re.compile(r"\s*(==|!=|<=|>=|<|>)\s*")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?$")


class _Scanner:
    """A position in the text of one expression."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def quoted(self) -> str:
        """A string in single or double quotes at the position."""
        quote = self.peek()
        end = self.at + 1
        while end < len(self.text) and self.text[end] != quote:
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise JsonPathError("error parsing jsonpath: unterminated quoted string")
        body = self.text[self.at + 1 : end]
        self.at = end + 1
        return _unescaped(body)

    def bracket(self) -> str:
        """The text inside ``[…]`` at the position."""
        depth, start, quote = 0, self.at + 1, ""
        while self.at < len(self.text):
            char = self.text[self.at]
            if quote:
                if char == "\\":
                    self.at += 1
                elif char == quote:
                    quote = ""
            elif char in "'\"":
                quote = char
            elif char == "[":
                depth += 1
            elif char == "]":
                depth -= 1
                if depth == 0:
                    self.at += 1
                    return self.text[start : self.at - 1]
            self.at += 1
        raise JsonPathError("error parsing jsonpath: unterminated array")


def _unescaped(body: str) -> str:
    known = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
    return re.sub(r"\\(.)", lambda match: known.get(match.group(1), match.group(0)), body)


def parse_path(text: str) -> Path:
    """One expression, without its braces."""
    scanner = _Scanner(text.strip())
    steps: list[Step] = []
    while scanner.at < len(scanner.text):
        char = scanner.peek()
        if char in " \t":
            scanner.at += 1
        elif char in "'\"":
            steps.append(Literal(scanner.quoted()))
        elif char in "$@":
            scanner.at += 1
        elif char == "[":
            steps.append(_bracketed(scanner.bracket().strip()))
        elif char == "*":
            scanner.at += 1
            steps.append(Wildcard())
        elif char == ".":
            scanner.at += 1
            if scanner.peek() == ".":
                scanner.at += 1
                steps.append(Recursive())
                if scanner.peek() in ("", "[", "*"):
                    continue
            if scanner.peek() in ("*", "["):
                continue
            match = _FIELD.match(scanner.text, scanner.at)
            if match:
                scanner.at = match.end()
                steps.append(Field(re.sub(r"\\(.)", r"\1", match.group())))
        else:
            match = _FIELD.match(scanner.text, scanner.at)
            if not match:
                raise JsonPathError(
                    f"error parsing jsonpath {{{text}}}: unrecognized character in action: {_rune(char)}"
                )
            scanner.at = match.end()
            steps.append(_word(match.group()))
    return tuple(steps)


def _rune(char: str) -> str:
    return f"U+{ord(char):04X} '{char}'"


def _word(word: str) -> Step:
    if word in ("true", "false"):
        return Literal(word == "true")
    if _NUMBER.match(word):
        return Literal(float(word) if "." in word else int(word))
    return Field(re.sub(r"\\(.)", r"\1", word))


def _split(text: str) -> list[str]:
    """`text` at its commas outside quotes."""
    parts, quote, start = [], "", 0
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == ",":
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _bracketed(body: str) -> Step:
    if body == "*":
        return Slice(None, None, None)
    if body.startswith("?"):
        return _filter(body[1:].strip())
    parts = _split(body)
    if len(parts) > 1:
        return Union(tuple((_bracketed(part.strip()),) for part in parts))
    if body[:1] in ("'", '"'):
        return Field(_Scanner(body).quoted())
    if re.match(r"-?\d+$", body):
        return Slice(int(body), None, None, single=True)
    if re.match(r"-?\d*:-?\d*(:-?\d*)?$", body):
        numbers = [int(part) if part else None for part in body.split(":")]
        return Slice(numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else None)
    if re.match(r"[\w.\-/$@]+$", body) and not body[0].isdigit():
        return Union((parse_path(body),))
    raise JsonPathError(f"error parsing jsonpath: invalid array index {body}")


def _filter(body: str) -> Filter:
    if not (body.startswith("(") and body.endswith(")")):
        raise JsonPathError("error parsing jsonpath: unterminated filter")
    body = body[1:-1].strip()
    quote = ""
    for index, char in enumerate(body):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        else:
            match = _OPERATOR.match(body, index) if char in "=!<>" else None
            if match:
                return Filter(parse_path(body[:index]), match.group(1), parse_path(body[match.end() :]))
    return Filter(parse_path(body), "exists", ())


def parse(template: str) -> tuple[Node, ...]:
    """A whole template. Raises JsonPathError."""
    stack: list[tuple[Path, list[Node]]] = [((), [])]
    at = 0
    while at < len(template):
        start = template.find("{", at)
        if start < 0:
            stack[-1][1].append(Text(template[at:]))
            break
        if start > at:
            stack[-1][1].append(Text(template[at:start]))
        end = _closing(template, start)
        body = template[start + 1 : end].strip()
        at = end + 1
        if body == "end":
            if len(stack) == 1:
                raise JsonPathError("error parsing jsonpath: not in range, nothing to end")
            path, nodes = stack.pop()
            stack[-1][1].append(Range(path, tuple(nodes)))
        elif re.match(r"range\b", body):
            stack.append((parse_path(body[5:]), []))
        else:
            stack[-1][1].append(parse_path(body))
    while len(stack) > 1:  # a range without end reaches to the end of the template
        path, nodes = stack.pop()
        stack[-1][1].append(Range(path, tuple(nodes)))
    return tuple(stack[0][1])


def _closing(template: str, start: int) -> int:
    quote = ""
    index = start + 1
    while index < len(template):
        char = template[index]
        if quote:
            if char == "\\":
                index += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "}":
            return index
        index += 1
    raise JsonPathError(f"error parsing jsonpath {template}, unclosed action")


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


def relaxed(expression: str) -> str:
    """A path as ``--sort-by`` and custom columns take it: braces and the leading dot may be missing."""
    text = expression.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = text.removeprefix("$")
    if not text.startswith((".", "[")):
        text = f".{text}"
    return text
