"""Expanding words into fields: parameters, commands, arithmetic, splitting, pathnames (POSIX.1 2.6)."""

from __future__ import annotations

import re
from typing import Protocol

from lab_helpers.twin.containers.files import FileSystem
from lab_helpers.twin.containers.regexes import Found, compile_regex
from lab_helpers.twin.containers.shell.arithmetic import evaluate
from lab_helpers.twin.containers.shell.braces import expand_braces
from lab_helpers.twin.containers.shell.errors import NO_ARRAYS, ExpansionProblem, UnsetParameter
from lab_helpers.twin.containers.shell.patterns import escape, expand_path, has_magic, translate
from lab_helpers.twin.containers.shell.trees import Arithmetic, Parameter, Script, Substitution, Text, Word

__all__ = ["Expander", "Scope"]

_SPECIAL = "@*#?$!-"
LIMIT = 8 * 1024 * 1024


class Scope(Protocol):
    """What expansion needs of a running shell."""

    files: FileSystem
    cwd: str
    positional: list[str]
    extended: bool

    def get(self, name: str) -> str | None:
        """A variable or special parameter; None when unset."""

    def put(self, name: str, value: str) -> None:
        """Assign a variable."""

    def option(self, letter: str) -> bool:
        """Is ``set -<letter>`` on?"""

    async def capture(self, script: Script) -> str:
        """Run a command substitution; its output as text."""


class _Field:
    """One field being built: text with, for each piece, whether it may be a pattern."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[tuple[str, bool]] = []

    def add(self, text: str, pattern: bool) -> None:
        self.pieces.append((text, pattern))

    def plain(self) -> str:
        return "".join(text for text, _ in self.pieces)

    def as_pattern(self) -> str:
        return "".join(text if pattern else escape(text) for text, pattern in self.pieces)


class Expander:
    """Expands words in a :class:`Scope`."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def words(self, words: tuple[Word, ...]) -> list[str]:
        """All fields of the words, split and with pathnames expanded."""
        result: list[str] = []
        for word in words:
            for one in expand_braces(word) if self._scope.extended else (word,):
                for field in await self._fields(one):
                    result.extend(self._paths(field))
        return result

    async def single(self, word: Word) -> str:
        """One string, neither split nor globbed: assignments, redirections, ``case`` words."""
        return (await self._unsplit(word)).plain()

    async def pattern(self, word: Word) -> str:
        """A shell pattern; what was quoted matches itself."""
        return (await self._unsplit(word)).as_pattern()

    async def regex(self, word: Word) -> str:
        """For ``=~``: what was quoted matches itself."""
        field = await self._unsplit(word)
        return "".join(text if pattern else re.escape(text) for text, pattern in field.pieces)

    async def arithmetic(self, expression: Word) -> int:
        """The value of an arithmetic expression."""
        text = await self.single(expression)
        return evaluate(text, lambda name: self._scope.get(name) or "", self._scope.put)

    async def _unsplit(self, word: Word) -> _Field:
        field = _Field()
        for index, part in enumerate(word.parts):
            if isinstance(part, Text):
                field.add(self._tilde(part, index, word), not part.quoted)
            else:
                field.add(await self._value(part), not part.quoted)
        return field

    async def _fields(self, word: Word) -> list[_Field]:
        fields: list[_Field] = []
        current = await self._collect(word, fields, None, operand=False)
        if current is not None:
            fields.append(current)
        return fields

    async def _collect(
        self, word: Word, fields: list[_Field], current: _Field | None, *, operand: bool
    ) -> _Field | None:
        """Add what a word expands to; returns the field still open. ``operand``: of ``${x:-word}``, where unquoted
        text is split, too.
        """
        for index, part in enumerate(word.parts):
            if isinstance(part, Text) and operand and not part.quoted:
                current = self._split(self._tilde(part, index, word), fields, current)
                continue
            if isinstance(part, Text):
                current = current or _Field()
                current.add(self._tilde(part, index, word), not part.quoted)
                continue
            if isinstance(part, Parameter) and part.name in ("@", "*") and not part.operator and self._separate(part):
                for number, value in enumerate(self._scope.positional):
                    if number and current is not None:
                        fields.append(current)
                        current = None
                    if part.quoted:
                        current = current or _Field()
                        current.add(value, False)
                    else:
                        current = self._split(value, fields, current)
                continue
            if isinstance(part, Parameter) and not part.quoted and self._chosen(part):
                assert part.operand is not None
                current = await self._collect(part.operand, fields, current, operand=True)
                continue
            value = await self._value(part)
            if part.quoted:
                current = current or _Field()
                current.add(value, False)
            else:
                current = self._split(value, fields, current)
        return current

    def _chosen(self, part: Parameter) -> bool:
        """Is it ``${x-word}`` or ``${x+word}``, and the word what counts?"""
        if part.operator not in ("-", ":-", "+", ":+") or part.indirect:
            return False
        value = self._raw(part.name)
        missing = value is None or (part.operator.startswith(":") and value == "")
        return missing == part.operator.endswith("-")

    def _separate(self, part: Parameter) -> bool:
        return part.name == "@" or not part.quoted

    def _split(self, value: str, fields: list[_Field], current: _Field | None) -> _Field | None:
        """Split by IFS, adding to ``fields``; returns the field still open."""
        separators = self._scope.get("IFS")
        if separators is None:
            separators = " \t\n"
        if not separators:
            if value:
                current = current or _Field()
                current.add(value, True)
            return current
        blanks = "".join(c for c in separators if c in " \t\n")
        others = "".join(c for c in separators if c not in " \t\n")
        position = 0
        while position < len(value):
            char = value[position]
            if char in blanks or char in others:
                seen_other = False
                while position < len(value) and (
                    value[position] in blanks or (value[position] in others and not seen_other)
                ):
                    seen_other = seen_other or value[position] in others
                    position += 1
                if current is None and seen_other:
                    current = _Field()
                    current.add("", False)
                if current is not None:
                    fields.append(current)
                    current = None
                continue
            start = position
            while position < len(value) and value[position] not in separators:
                position += 1
            current = current or _Field()
            current.add(value[start:position], True)
        return current

    def _paths(self, field: _Field) -> list[str]:
        if self._scope.option("f") or not any(pattern for _, pattern in field.pieces):
            return [field.plain()]
        pattern = field.as_pattern()
        if not has_magic(pattern):
            return [field.plain()]
        return expand_path(pattern, self._scope.files, self._scope.cwd) or [field.plain()]

    def _tilde(self, part: Text, index: int, word: Word) -> str:
        if index or part.quoted or not part.text.startswith("~"):
            return part.text
        if len(part.text) > 1 and part.text[1] != "/":
            return part.text
        if len(part.text) == 1 and len(word.parts) > 1:
            return part.text
        return (self._scope.get("HOME") or "/root") + part.text[1:]

    async def _value(self, part: Parameter | Substitution | Arithmetic) -> str:
        if isinstance(part, Substitution):
            return (await self._scope.capture(part.script)).rstrip("\n")
        if isinstance(part, Arithmetic):
            return str(await self.arithmetic(part.expression))
        value = await self._parameter(part)
        if len(value) > LIMIT:
            raise ExpansionProblem(f"{part.name}: value is too large")
        return value

    def _raw(self, name: str) -> str | None:
        if name in ("@", "*"):
            separators = self._scope.get("IFS")
            joint = " " if separators is None else separators[:1]
            return joint.join(self._scope.positional) if self._scope.positional else None
        return self._scope.get(name)

    async def _parameter(self, part: Parameter) -> str:
        operator = part.operator
        if operator == "array":
            raise ExpansionProblem(f"{part.name}: {NO_ARRAYS}")
        if operator == "bad" or (part.indirect and not self._scope.extended):
            raise ExpansionProblem(
                f"${{{part.name}}}: bad substitution" if self._scope.extended else "bad substitution"
            )
        name = part.name
        if part.indirect:
            name = self._checked(name, self._raw(name))
        value = self._raw(name)
        if operator == "length":
            many = part.name in ("@", "*") and self._scope.extended
            return str(len(self._scope.positional) if many else len(self._checked(part.name, value)))
        if not operator:
            return self._checked(part.name, value)
        assert part.operand is not None
        missing = value is None or (operator.startswith(":") and len(operator) > 1 and value == "")
        kind = operator[-1] if operator in (":-", ":=", ":?", ":+") else operator
        if kind == "-":
            return await self.single(part.operand) if missing else value or ""
        if kind == "+":
            return "" if missing else await self.single(part.operand)
        if kind == "=":
            if missing:
                value = await self.single(part.operand)
                if not re.match(r"[A-Za-z_]", part.name):
                    raise ExpansionProblem(f"{part.name}: bad variable name")
                self._scope.put(part.name, value)
            return value or ""
        if kind == "?":
            if missing:
                default = "parameter null or not set" if operator == ":?" else "parameter not set"
                raise UnsetParameter(f"{part.name}: {await self.single(part.operand) or default}")
            return value or ""
        text = self._checked(part.name, value)
        if operator in ("#", "##", "%", "%%"):
            return _strip(text, await self.pattern(part.operand), operator)
        if operator in ("/", "//"):
            return await self._replace(text, part.operand, everywhere=operator == "//")
        if operator == ":":
            return await self._substring(text, part.operand)
        if operator == "@":
            return _transformed(text, await self.single(part.operand), part.name)
        return _recased(text, operator, await self.pattern(part.operand))

    def _checked(self, name: str, value: str | None) -> str:
        if value is None:
            if self._scope.option("u") and name not in ("@", "*"):
                raise UnsetParameter(
                    f"{name}: " + ("unbound variable" if self._scope.extended else "parameter not set")
                )
            return ""
        return value

    async def _replace(self, text: str, operand: Word, *, everywhere: bool) -> str:
        search, replacement = _cut(operand, "/")
        pattern = await self.pattern(search)
        new = (await self._unsplit(replacement)).pieces
        if not pattern:
            return text
        anchored = self._scope.extended and pattern[0] in "#%"
        anchor, ending = "^" if anchored and pattern[0] == "#" else "", "$" if anchored and pattern[0] == "%" else ""
        body = translate(pattern[1:] if anchored else pattern)
        found = compile_regex(f"{anchor}(?s:{body}){ending}")

        def replaced(match: Found) -> str:  # in bash an unquoted & stands for what matched
            marks = self._scope.extended
            return "".join(piece.replace("&", match.whole) if marks and plain else piece for piece, plain in new)

        return found.sub(replaced, text, count=0 if everywhere else 1)

    async def _substring(self, text: str, operand: Word) -> str:
        first, second = _cut(operand, ":")
        start = await self.arithmetic(first)
        if start < 0:
            start = max(len(text) + start, 0)
        if not second.parts:
            return text[start:]
        length = await self.arithmetic(second)
        return text[start : start + length] if length >= 0 else text[start : len(text) + length]


def _strip(text: str, pattern: str, operator: str) -> str:
    """``${x#p}`` and friends."""
    compiled = compile_regex(f"^(?s:{translate(pattern)})$")
    lengths = range(len(text) + 1) if operator in ("#", "%") else range(len(text), -1, -1)
    for length in lengths:
        piece = text[:length] if operator[0] == "#" else text[len(text) - length :]
        if compiled.search(piece):
            return text[length:] if operator[0] == "#" else text[: len(text) - length]
    return text


def _cut(word: Word, separator: str) -> tuple[Word, Word]:
    """The word before and after the first unquoted separator."""
    for index, part in enumerate(word.parts):
        if isinstance(part, Text) and not part.quoted and separator in part.text:
            head, _, tail = part.text.partition(separator)
            first = (*word.parts[:index], Text(head))
            return Word(first), Word((Text(tail), *word.parts[index + 1 :]))
    return word, Word(())


def _recased(text: str, operator: str, pattern: str) -> str:
    """``${x^^pattern}`` and friends: the first character, or all, that match (any, where there is no pattern)."""
    change = str.upper if operator.startswith("^") else str.lower
    fits = compile_regex(f"^(?s:{translate(pattern)})$") if pattern else None
    many = len(operator) == 2
    return "".join(
        change(char) if (many or not index) and (fits is None or fits.search(char)) else char
        for index, char in enumerate(text)
    )


def _transformed(text: str, letter: str, name: str) -> str:
    """``${x@Q}`` and friends."""
    if letter == "Q":
        return "'" + text.replace("'", "'\\''") + "'"
    if letter in ("U", "L"):
        return text.upper() if letter == "U" else text.lower()
    if letter == "u":
        return text[:1].upper() + text[1:]
    raise ExpansionProblem(f"${{{name}@{letter}}}: the embedded cluster plays @Q, @U, @L and @u")
