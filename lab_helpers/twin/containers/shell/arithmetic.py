"""Shell arithmetic: 64-bit integers with C's operators, assignments included (POSIX.1 2.6.4).

``evaluate(text, get, put)`` computes; variables are read as integers (unset or empty: 0) and may hold expressions
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lab_helpers.twin.containers.shell.errors import ExpansionProblem

__all__ = ["evaluate"]

_TOKEN = re.compile(
    r"\s*(0[xX][0-9a-fA-F]+|\d+#[0-9A-Za-z@_]+|\d+|[A-Za-z_]\w*|<<=|>>=|\+\+|--|&&|\|\||<<|>>|<=|>=|==|!=|\*\*|[-+*/%&|^]=|[-+*/%<>=!~&|^?:(),])"
)
_BINARY = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, ">": 7, "<=": 7, ">=": 7,
    "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10, "**": 11,
}  # fmt: skip
_ASSIGNMENTS = frozenset({"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="})
_DEPTH = 30

Thunk = Callable[[], int]


def evaluate(text: str, get: Callable[[str], str], put: Callable[[str, str], None], *, depth: int = 0) -> int:
    """The value. Raises ExpansionProblem (``arithmetic syntax error``, ``divide by zero``)."""
    if depth > _DEPTH:
        raise ExpansionProblem("expression recursion loop detected")
    if not text.strip():
        return 0
    try:
        return _Expression(text, get, put, depth).whole()
    except RecursionError:
        raise ExpansionProblem("arithmetic expression is nested too deeply") from None


def _wrap(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


class _Expression:
    def __init__(self, text: str, get: Callable[[str], str], put: Callable[[str, str], None], depth: int) -> None:
        self._tokens: list[str] = []
        self._get, self._put, self._depth = get, put, depth
        position = 0
        text = text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if not found:
                raise ExpansionProblem("arithmetic syntax error")
            self._tokens.append(found.group(1))
            position = found.end()
        self._index = 0

    def whole(self) -> int:
        thunk = self._comma()
        if self._peek():
            raise ExpansionProblem("arithmetic syntax error")
        return thunk()

    def _peek(self) -> str:
        return self._tokens[self._index] if self._index < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._index += 1
        return token

    def _comma(self) -> Thunk:
        first = self._assignment()
        while self._peek() == ",":
            self._take()
            first = _both(first, self._assignment())
        return first

    def _assignment(self) -> Thunk:
        name = self._peek()
        following = self._tokens[self._index + 1] if self._index + 1 < len(self._tokens) else ""
        if re.match(r"[A-Za-z_]", name) and following in _ASSIGNMENTS:
            self._index += 2
            value = self._assignment()
            return lambda: self._assign(name, following, value)
        return self._conditional()

    def _assign(self, name: str, operator: str, value: Thunk) -> int:
        result = value() if operator == "=" else _apply(operator[:-1], self._value(name), value())
        self._put(name, str(result))
        return result

    def _conditional(self) -> Thunk:
        test = self._binary(1)
        if self._peek() != "?":
            return test
        self._take()
        yes = self._assignment()
        if self._take() != ":":
            raise ExpansionProblem("arithmetic syntax error")
        no = self._assignment()
        return lambda: yes() if test() else no()

    def _binary(self, level: int) -> Thunk:
        left = self._unary()
        while (operator := self._peek()) in _BINARY and _BINARY[operator] >= level:
            self._take()
            right = self._binary(_BINARY[operator] + (0 if operator == "**" else 1))
            left = _join(operator, left, right)
        return left

    def _unary(self) -> Thunk:
        token = self._take()
        if token in ("++", "--"):
            name = self._take()
            if not re.match(r"[A-Za-z_]", name):
                raise ExpansionProblem("arithmetic syntax error")
            return lambda: self._assign(name, "+=" if token == "++" else "-=", lambda: 1)  # noqa: S105 - a lexical token
        if token in ("-", "+", "!", "~"):
            value = self._unary()
            return {
                "-": lambda: _wrap(-value()),
                "+": value,
                "!": lambda: int(not value()),
                "~": lambda: ~value(),
            }[token]
        if token == "(":  # noqa: S105 - a lexical token
            value = self._comma()
            if self._take() != ")":
                raise ExpansionProblem("arithmetic syntax error")
            return value
        if token[:1].isdigit():
            number = _number(token)
            return lambda: number
        if re.match(r"[A-Za-z_]", token):
            if self._peek() in ("++", "--"):
                step = 1 if self._take() == "++" else -1
                return lambda: self._assign(token, "+=", lambda: step) - step
            return lambda: self._value(token)
        raise ExpansionProblem("arithmetic syntax error")

    def _value(self, name: str) -> int:
        text = self._get(name).strip()
        if re.fullmatch(r"[-+]?\d+", text) and not re.match(r"[-+]?0\d", text):
            return _wrap(int(text))
        return evaluate(text, self._get, self._put, depth=self._depth + 1)


def _number(token: str) -> int:
    try:
        if token[:2].lower() == "0x":
            return _wrap(int(token, 16))
        if "#" in token:
            base, _, digits = token.partition("#")
            return _wrap(int(digits, int(base)))
        return _wrap(int(token, 8) if token.startswith("0") and len(token) > 1 else int(token))
    except ValueError:
        raise ExpansionProblem("arithmetic syntax error") from None


def _both(first: Thunk, second: Thunk) -> Thunk:
    def run() -> int:
        first()
        return second()

    return run


def _join(operator: str, left: Thunk, right: Thunk) -> Thunk:
    if operator == "&&":
        return lambda: int(bool(left()) and bool(right()))
    if operator == "||":
        return lambda: int(bool(left()) or bool(right()))
    return lambda: _apply(operator, left(), right())


def _apply(operator: str, left: int, right: int) -> int:
    if operator in ("/", "%"):
        if right == 0:
            raise ExpansionProblem("divide by zero")
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return _wrap(quotient if operator == "/" else left - quotient * right)
    if operator == "**":
        if right < 0:
            raise ExpansionProblem("exponent less than 0")
        return _wrap(pow(left, right, 2**64))
    results: dict[str, Callable[[], int]] = {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "<<": lambda: left << (right & 63),
        ">>": lambda: left >> (right & 63),
        "<": lambda: int(left < right),
        ">": lambda: int(left > right),
        "<=": lambda: int(left <= right),
        ">=": lambda: int(left >= right),
        "==": lambda: int(left == right),
        "!=": lambda: int(left != right),
        "&": lambda: left & right,
        "|": lambda: left | right,
        "^": lambda: left ^ right,
    }
    return _wrap(results[operator]())
