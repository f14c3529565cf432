"""``test``, ``[ … ]`` and bash's ``[[ … ]]``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from lab_helpers.twin.containers.files import FileSystem, normalise
from lab_helpers.twin.containers.regexes import BadRegex, compile_regex
from lab_helpers.twin.containers.shell.errors import ExpansionProblem
from lab_helpers.twin.containers.shell.expanding import Expander
from lab_helpers.twin.containers.shell.patterns import matches
from lab_helpers.twin.containers.shell.trees import Text, Word

__all__ = ["Conditions", "holds"]

UNARY = frozenset("-" + letter for letter in "bcdefghknprstuvwxzSLOG")
_NUMERIC: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
BINARY = frozenset({"=", "==", "!=", "<", ">", "-nt", "-ot", "-ef", *_NUMERIC})


class Conditions:
    """The primaries, against a container's files."""

    def __init__(
        self, files: FileSystem, cwd: str, terminal: Callable[[int], bool], defined: Callable[[str], bool] | None = None
    ) -> None:
        self._defined = defined
        self._files = files
        self._cwd = cwd
        self._terminal = terminal

    def unary(self, operator: str, operand: str) -> bool:
        """``-f x`` and the like. Raises ExpansionProblem."""
        if operator == "-n":
            return operand != ""
        if operator == "-z":
            return operand == ""
        if operator == "-v":
            return self._defined is not None and self._defined(operand)
        if operator == "-t":
            return operand.isdigit() and self._terminal(int(operand))
        path = normalise(operand, self._cwd) if operand else ""
        if not path:
            return False
        found = self._files.find(path)
        directory = self._files.is_directory(path)
        if operator == "-f":
            return found is not None
        if operator == "-d":
            return directory
        if operator == "-s":
            return bool(found and found.content) or directory
        if operator == "-x":
            return directory or bool(found and found.mode & 0o111)
        if operator == "-c":
            return posixpath.dirname(path) == "/dev" and self._files.exists(path)
        if operator in ("-e", "-r", "-w", "-O", "-G"):
            return self._files.exists(path)
        return False

    def binary(self, left: str, operator: str, right: str) -> bool:
        """``a = b``, ``1 -lt 2``. Raises ExpansionProblem for what is not a number."""
        if operator in ("=", "=="):
            return left == right
        if operator == "!=":
            return left != right
        if operator == "<":
            return left < right
        if operator == ">":
            return left > right
        if operator in _NUMERIC:
            return _NUMERIC[operator](_number(left), _number(right))
        first, second = (self._files.find(normalise(one, self._cwd)) for one in (left, right))
        if operator == "-ef":
            return first is not None and first is second
        newer, older = (first, second) if operator == "-nt" else (second, first)
        return newer is not None and (older is None or newer.modified > older.modified)


def _number(text: str) -> int:
    if not re.fullmatch(r"\s*[-+]?\d+\s*", text):
        raise ExpansionProblem(f"{text}: bad number" if text else ": bad number")
    return int(text)


def holds(arguments: Sequence[str], conditions: Conditions) -> bool:
    """``test arguments``. Raises ExpansionProblem."""
    return _Test(list(arguments), conditions).whole()


class _Test:
    def __init__(self, arguments: list[str], conditions: Conditions) -> None:
        self._left = arguments
        self._conditions = conditions

    def whole(self) -> bool:
        words = self._left
        if not words:
            return False
        if len(words) == 1:
            return words[0] != ""
        if len(words) == 3 and words[1] in BINARY:
            return self._conditions.binary(*words)
        if len(words) == 2 and words[0] == "!":
            return words[1] == ""
        value = self._either()
        if self._left:
            raise ExpansionProblem(f"{self._left[0]}: unknown operand")
        return value

    def _either(self) -> bool:
        value = self._all()
        while self._left and self._left[0] == "-o":
            self._left.pop(0)
            value = self._all() or value
        return value

    def _all(self) -> bool:
        value = self._not()
        while self._left and self._left[0] == "-a":
            self._left.pop(0)
            value = self._not() and value
        return value

    def _not(self) -> bool:
        if self._left and self._left[0] == "!" and len(self._left) > 1:
            self._left.pop(0)
            return not self._not()
        return self._primary()

    def _primary(self) -> bool:
        words = self._left
        if not words:
            raise ExpansionProblem("argument expected")
        if len(words) >= 3 and words[1] in BINARY:
            left, operator, right = words[:3]
            del words[:3]
            return self._conditions.binary(left, operator, right)
        if words[0] == "(":
            words.pop(0)
            value = self._either()
            if not words or words.pop(0) != ")":
                raise ExpansionProblem("closing paren expected")
            return value
        if words[0] in UNARY and len(words) >= 2:
            operator, operand = words[:2]
            del words[:2]
            return self._conditions.unary(operator, operand)
        return words.pop(0) != ""


class Extended:
    """``[[ … ]]``: words are neither split nor globbed; ``==`` matches patterns, ``=~`` regular expressions."""

    def __init__(self, words: Sequence[Word], expander: Expander, conditions: Conditions) -> None:
        self._words = list(words)
        self._expander = expander
        self._conditions = conditions
        self.matched: list[str] = []

    async def holds(self) -> bool:
        """The value. Raises ExpansionProblem."""
        value = await self._either()
        if self._words:
            raise ExpansionProblem("syntax error in conditional expression")
        return value

    def _peek(self) -> str | None:
        return self._words[0].literal() if self._words else None

    async def _either(self) -> bool:
        value = await self._all()
        while self._peek() == "||":
            self._words.pop(0)
            other = await self._all()
            value = value or other
        return value

    async def _all(self) -> bool:
        value = await self._primary()
        while self._peek() == "&&":
            self._words.pop(0)
            other = await self._primary()
            value = value and other
        return value

    async def _primary(self) -> bool:
        if not self._words:
            raise ExpansionProblem("syntax error in conditional expression")
        first = self._peek()
        if first == "!":
            self._words.pop(0)
            return not await self._primary()
        if first == "(":
            self._words.pop(0)
            value = await self._either()
            if self._peek() != ")":
                raise ExpansionProblem("syntax error in conditional expression")
            self._words.pop(0)
            return value
        if first in UNARY and len(self._words) >= 2:
            unary = first
            self._words.pop(0)
            return self._conditions.unary(unary, await self._expander.single(self._words.pop(0)))
        left = await self._expander.single(self._words.pop(0))
        operator = self._peek()
        if operator == "=~" or operator in BINARY:
            self._words.pop(0)
            if not self._words:
                raise ExpansionProblem("syntax error in conditional expression")
            return await self._binary(left, operator or "", self._words.pop(0))
        return left != ""

    async def _binary(self, left: str, operator: str, right: Word) -> bool:
        if operator == "=~":
            try:
                found = compile_regex(await self._expander.regex(right)).search(left)
            except BadRegex as error:
                raise ExpansionProblem(f"bad regular expression: {error}") from None
            self.matched = [found.whole, *found.groups] if found else []
            return found is not None
        if operator in ("=", "==", "!="):
            return matches(await self._expander.pattern(right), left) == (operator != "!=")
        text = await self._expander.single(right)
        if operator in _NUMERIC:
            return _NUMERIC[operator](*[await self._expander.arithmetic(Word((Text(one),))) for one in (left, text)])
        return self._conditions.binary(left, operator, text)
