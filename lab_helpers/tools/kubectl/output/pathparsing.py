"""From the text of a JSONPath template to its steps."""

import re

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

__all__ = ["parse", "parse_path", "relaxed"]

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


def relaxed(expression: str) -> str:
    """A path as ``--sort-by`` and custom columns take it: braces and the leading dot may be missing."""
    text = expression.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = text.removeprefix("$")
    if not text.startswith((".", "[")):
        text = f".{text}"
    return text
