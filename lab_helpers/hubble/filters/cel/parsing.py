"""CEL's grammar: text to a tree of nodes."""

import re
from dataclasses import dataclass
from typing import Any, NoReturn

_WORDS = re.compile(
    r"""\s+|//[^\n]*
    |(?P<number>0x[0-9a-fA-F]+[uU]?|(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)|\d+[uU]?)
    |(?P<string>[rRbB]{0,2}(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
    |(?P<symbol>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
_MACROS = ("all", "exists", "exists_one", "map", "filter")


class CelError(ValueError):
    """A program that cannot be compiled, and where (an index into its text)."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position

    def pointing_into(self, text: str) -> str:
        """The message as cel-go shows it: line, column, the line itself and an arrow."""
        before = text[: self.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1)
        shown = (text.splitlines() or [""])[line - 1] if text else ""
        return f"ERROR: <input>:{line}:{column + 1}: {self}\n | {shown}\n | {'.' * column}^"


@dataclass(slots=True)
class Node:
    """A part of a program. `kind` says what `value` and `parts` mean:

    literal (value), name (value), select (parts[0].value), has (the same), index (parts[0][parts[1]]), call (value is
    the function; `member` when parts[0] is what it is called on), list, map (keys and values in turn), macro (value is
    its name; parts: range, body and for `map` an optional condition; `variable`). `type` is set by the type check.
    """

    kind: str
    position: int
    value: Any = None
    parts: tuple["Node", ...] = ()
    member: bool = False
    variable: str = ""
    type: Any = None


class Uint(int):
    """A literal with the suffix u."""


def _unescape(body: str) -> str:
    def one(match: re.Match[str]) -> str:
        hexadecimal = match[1] or match[2] or match[3]
        if hexadecimal:
            return chr(int(hexadecimal, 16))
        if match[4]:
            return chr(int(match[4], 8))
        return _PLAIN_ESCAPES.get(match[5], match[5])

    return _ESCAPE.sub(one, body)


def _text_literal(raw: str) -> str | bytes:
    prefix = re.match("[rRbB]*", raw)
    flags = prefix[0].lower() if prefix else ""
    body = raw[len(flags) :]
    size = 3 if body.startswith(('"""', "'''")) else 1
    inner = body[size:-size]
    text = inner if "r" in flags else _unescape(inner)
    return text.encode() if "b" in flags else text


def parse(text: str) -> Node:
    """The tree of a program; CelError for a syntax error."""
    words: list[tuple[str, str, int]] = []
    position = 0
    while position < len(text):
        match = _WORDS.match(text, position)
        if not match:
            raise CelError(f"Syntax error: token recognition error at: '{text[position]}'", position)
        if match.lastgroup:
            words.append((match.lastgroup, match[0], position))
        position = match.end()
    return _Parser(words, len(text)).program()


class _Parser:
    def __init__(self, words: list[tuple[str, str, int]], end: int) -> None:
        self._words = [*words, ("end", "<EOF>", end)]
        self._next = 0

    @property
    def _word(self) -> tuple[str, str, int]:
        return self._words[self._next]

    def _is(self, *symbols: str) -> bool:
        kind, text, _ = self._word
        return text in symbols and (kind == "symbol" or text == "in")

    def _take(self) -> tuple[str, str, int]:
        word = self._word
        self._next += 1
        return word

    def _expect(self, symbol: str) -> None:
        if not self._is(symbol):
            self._unexpected(f"expecting '{symbol}'")
        self._take()

    def _unexpected(self, wanted: str) -> NoReturn:
        raise CelError(f"Syntax error: mismatched input '{self._word[1]}' {wanted}", self._word[2])

    def program(self) -> Node:
        node = self._expression()
        if self._word[0] != "end":
            self._unexpected("expecting <EOF>")
        return node

    def _expression(self) -> Node:
        node = self._binary(0)
        if self._is("?"):
            position = self._take()[2]
            chosen = self._binary(0)
            self._expect(":")
            return Node("call", position, "_?_:_", (node, chosen, self._expression()))
        return node

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._binary(level + 1)
        while self._is(*_LEVELS[level]):
            _, symbol, position = self._take()
            name = "@in" if symbol == "in" else f"_{symbol}_"
            node = Node("call", position, name, (node, self._binary(level + 1)))
        return node

    def _unary(self) -> Node:
        if self._is("!"):
            position = self._take()[2]
            return Node("call", position, "!_", (self._unary(),))
        if self._is("-"):
            position = self._take()[2]
            node = self._unary()
            if node.kind == "literal" and type(node.value) in (int, float):
                return Node("literal", position, -node.value)
            return Node("call", position, "-_", (node,))
        return self._member(self._primary())

    def _member(self, node: Node) -> Node:
        while True:
            if self._is("."):
                position = self._take()[2]
                kind, name, _ = self._take()
                if kind != "name":
                    raise CelError(f"Syntax error: no viable alternative at input '.{name}'", position)
                if self._is("("):
                    node = self._call(name, node, position)
                else:
                    node = Node("select", position, name, (node,))
            elif self._is("["):
                position = self._take()[2]
                key = self._expression()
                self._expect("]")
                node = Node("index", position, None, (node, key))
            else:
                return node

    def _call(self, name: str, target: Node | None, position: int) -> Node:
        start = self._take()[2]
        arguments = self._list(")")
        if target is None:
            if name == "has":
                if len(arguments) != 1 or arguments[0].kind != "select":
                    raise CelError("invalid argument to has() macro", position)
                return Node("has", arguments[0].position, arguments[0].value, arguments[0].parts)
            return Node("call", start, name, tuple(arguments))
        if name in _MACROS and len(arguments) in ((2, 3) if name == "map" else (2,)):
            if arguments[0].kind != "name":
                raise CelError("argument must be a simple name", arguments[0].position)
            body = (target, arguments[-1], *arguments[1:-1])
            return Node("macro", start, name, body, variable=arguments[0].value)
        return Node("call", start, name, (target, *arguments), member=True)

    def _list(self, closing: str) -> list[Node]:
        out: list[Node] = []
        while not self._is(closing):
            out.append(self._expression())
            if not self._is(","):
                break
            self._take()
        self._expect(closing)
        return out

    def _primary(self) -> Node:
        kind, text, position = self._take()
        if kind == "number":
            return Node("literal", position, _number(text, position))
        if kind == "string":
            return Node("literal", position, _text_literal(text))
        if kind == "name":
            if text in ("true", "false", "null"):
                return Node("literal", position, {"true": True, "false": False, "null": None}[text])
            return self._call(text, None, position) if self._is("(") else Node("name", position, text)
        if text == "(":
            node = self._expression()
            self._expect(")")
            return node
        if text == "[":
            return Node("list", position, None, tuple(self._list("]")))
        if text == "{":
            return self._map(position)
        if text == "." and self._word[0] == "name":
            _, name, place = self._take()
            return Node("name", place, name)
        self._next -= 1
        return self._unexpected("expecting an expression")

    def _map(self, position: int) -> Node:
        parts: list[Node] = []
        while not self._is("}"):
            parts.append(self._expression())
            self._expect(":")
            parts.append(self._expression())
            if not self._is(","):
                break
            self._take()
        self._expect("}")
        return Node("map", position, None, tuple(parts))


def _number(text: str, position: int) -> Any:
    lower = text.lower()
    if not lower.startswith("0x") and re.search("[.e]", lower):
        return float(text)
    value = int(lower.removesuffix("u"), 0) if lower.startswith("0x") else int(lower.removesuffix("u"))
    unsigned = lower.endswith("u")
    if value >= 1 << (64 if unsigned else 63):
        raise CelError(f"invalid {'uint' if unsigned else 'int'} literal", position)
    return Uint(value) if unsigned else value
