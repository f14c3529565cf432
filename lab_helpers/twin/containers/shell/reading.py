"""Reading words: quotes, ``$`` expansions, backticks. The grammar above words is in ``parsing``."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from lab_helpers.twin.containers.shell.cursors import Cursor
from lab_helpers.twin.containers.shell.errors import SyntaxProblem, Unfinished
from lab_helpers.twin.containers.shell.escapes import ansi
from lab_helpers.twin.containers.shell.trees import (
    Arithmetic,
    Parameter,
    Part,
    Script,
    Substitution,
    Text,
    Word,
)

__all__ = ["WordReader"]

_META = frozenset(" \t\n;&|<>()")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":-|:=|:\?|:\+|-|=|\?|\+|%%|%|##|#|//|/|:|\^\^|\^|,,|,|@")
_CHOICES = frozenset({":-", ":=", ":?", ":+", "-", "=", "?", "+"})
"""What follows these obeys the quotes around the expansion; other operands are patterns, with quotes of their own."""
_DEPTH = 60


class WordReader(Cursor, ABC):
    """Everything needed to read one word where the cursor is."""

    def __init__(self, text: str, *, depth: int = 0) -> None:
        if depth > _DEPTH:
            raise SyntaxProblem("commands are nested too deeply")
        super().__init__(text)
        self.depth = depth

    # --- provided by the grammar ---

    @abstractmethod
    def nested(self, text: str) -> Script:
        """Parse ``text`` as a whole script."""

    @abstractmethod
    def nested_here(self) -> Script:
        """Parse a script here, up to and including the ``)`` that ends it."""

    # --- words ---

    def word(self) -> Word | None:
        """The word here, or None when an operator or the end is here."""
        self.skip_blanks()
        if self.peek() == "" or self.peek() in _META:
            return None
        return Word(self._parts(lambda char: char in _META))

    def _parts(self, ends: object) -> tuple[Part, ...]:
        assert callable(ends)
        parts: list[Part] = []
        plain: list[str] = []

        def flush() -> None:
            if plain:
                parts.append(Text("".join(plain)))
                plain.clear()

        while (char := self.peek()) and not ends(char):
            if char == "\\":
                if self.peek(1) == "\n":
                    self.position += 2
                    continue
                flush()
                escaped = self.peek(1)
                if not escaped:
                    plain.append("\\")
                    self.position += 1
                    continue
                parts.append(Text(escaped, quoted=True))
                self.position += 2
            elif char == "'":
                flush()
                parts.append(self._single_quoted())
            elif char == '"':
                flush()
                parts.extend(self._double_quoted())
            elif char == "$" and self.peek(1) == "'":
                flush()
                self.position += 1
                raw = self._single_quoted(escapes=True)
                parts.append(Text(ansi(raw.text), quoted=True))
            elif char == "$":
                flush()
                parts.append(self._dollar(quoted=False))
            elif char == "`":
                flush()
                parts.append(self._backticks(quoted=False))
            else:
                plain.append(char)
                self.position += 1
        flush()
        return tuple(parts)

    def _single_quoted(self, *, escapes: bool = False) -> Text:
        start = self.position + 1
        end = start
        while True:
            end = self.text.find("'", end)
            if end < 0:
                raise Unfinished("unterminated quoted string")
            if not escapes or _backslashes(self.text, end) % 2 == 0:
                break
            end += 1
        self.position = end + 1
        return Text(self.text[start:end], quoted=True)

    def _double_quoted(self) -> list[Part]:
        self.position += 1
        parts = self.quoted_parts('"')
        if self.peek() != '"':
            raise Unfinished("unterminated quoted string")
        self.position += 1
        return parts or [Text("", quoted=True)]

    def quoted_parts(self, closing: str) -> list[Part]:
        """Parts up to ``closing`` ("" for the end of the text), with the rules inside double quotes."""
        parts: list[Part] = []
        plain: list[str] = []

        def flush() -> None:
            if plain:
                parts.append(Text("".join(plain), quoted=True))
                plain.clear()

        while (char := self.peek()) and char != closing:
            if char == "\\":
                following = self.peek(1)
                if following == "\n":
                    pass
                elif following in ("$", "`", "\\") or (following == '"' and closing):
                    plain.append(following)
                else:
                    plain.append(char + following)
                self.position += 2
            elif char == "$":
                flush()
                parts.append(self._dollar(quoted=True))
            elif char == "`":
                flush()
                parts.append(self._backticks(quoted=True))
            else:
                plain.append(char)
                self.position += 1
        flush()
        return parts

    def _dollar(self, *, quoted: bool) -> Part:
        if self.starts("$(("):
            found = self._arithmetic(quoted)
            if found is not None:
                return found
        if self.starts("$("):
            self.position += 2
            return Substitution(self.nested_here(), quoted)
        if self.starts("${"):
            return self._braced(quoted)
        self.position += 1
        name = _NAME.match(self.text, self.position)
        if name:
            self.position = name.end()
            return Parameter(name.group(), quoted=quoted)
        char = self.peek()
        if char and char in "@*#?$!-0123456789":
            self.position += 1
            return Parameter(char, quoted=quoted)
        return Text("$", quoted)

    def _arithmetic(self, quoted: bool) -> Arithmetic | None:
        """``$((…))``; None when it is a command substitution that begins with a subshell."""
        start = self.position + 3
        depth = 0
        index = start
        while index < len(self.text):
            char = self.text[index]
            if char == "(":
                depth += 1
            elif char == ")":
                if depth == 0:
                    if self.text.startswith("))", index):
                        break
                    return None
                depth -= 1
            index += 1
        else:
            raise Unfinished("unterminated arithmetic expansion")
        inner = type(self)(self.text[start:index], depth=self.depth + 1)
        expression = Word(tuple(inner.quoted_parts("")))
        self.position = index + 2
        return Arithmetic(expression, quoted)

    def _braced(self, quoted: bool) -> Parameter:
        self.position += 2
        start = self.position
        length = self.peek() == "#" and self.peek(1) not in ("}", "")
        indirect = self.peek() == "!" and bool(_NAME.match(self.text, self.position + 1))
        if length or indirect:
            self.position += 1
        name = _NAME.match(self.text, self.position) or re.compile(r"[0-9]+|[@*#?$!-]").match(self.text, self.position)
        if not name:
            raise SyntaxProblem("bad substitution") if self.peek() else Unfinished("missing '}'")
        self.position = name.end()
        if self.peek() == "[":
            self._parts(lambda char: char == "}")
            self._close_brace()
            return Parameter(name.group(), "array", quoted=quoted)
        if length:
            self._close_brace()
            return Parameter(name.group(), "length", quoted=quoted)
        if self.peek() == "}":
            self.position += 1
            return Parameter(name.group(), quoted=quoted, indirect=indirect)
        found = _OPERATOR.match(self.text, self.position)
        if not found or (indirect and found.group() == "@"):
            self._parts(lambda char: char == "}")
            self._close_brace()
            return Parameter(self.text[start : self.position - 1], "bad", quoted=quoted)
        self.position = found.end()
        if quoted and found.group() in _CHOICES:
            operand = Word(tuple(self._operand_quoted()))
        else:
            operand = Word(self._parts(lambda char: char == "}"))
        self._close_brace()
        return Parameter(name.group(), found.group(), operand, quoted, indirect)

    def _operand_quoted(self) -> list[Part]:
        parts: list[Part] = []
        while (char := self.peek()) and char != "}":
            if char == '"':
                parts.extend(self._double_quoted())
            elif char == "\\" and self.peek(1) == "}":
                parts.append(Text("}", quoted=True))
                self.position += 2
            else:
                before = self.position
                stop = "}"
                parts.extend(self._quoted_until(stop))
                if self.position == before:
                    break
        return parts

    def _quoted_until(self, stop: str) -> list[Part]:
        """Parts up to ``stop`` or a double quote, inside double quotes."""
        parts: list[Part] = []
        plain: list[str] = []
        while (char := self.peek()) and char not in (stop, '"'):
            if char == "\\" and self.peek(1) in ("$", "`", "\\", '"'):
                plain.append(self.peek(1))
                self.position += 2
                continue
            if char == "\\" and self.peek(1) == stop:
                break
            if char in ("$", "`"):
                if plain:
                    parts.append(Text("".join(plain), quoted=True))
                    plain = []
                parts.append(self._dollar(quoted=True) if char == "$" else self._backticks(quoted=True))
                continue
            plain.append(char)
            self.position += 1
        if plain:
            parts.append(Text("".join(plain), quoted=True))
        return parts

    def _close_brace(self) -> None:
        if self.peek() != "}":
            raise Unfinished("missing '}'") if not self.peek() else SyntaxProblem("bad substitution")
        self.position += 1

    def _backticks(self, *, quoted: bool) -> Substitution:
        self.position += 1
        inside: list[str] = []
        while (char := self.peek()) != "`":
            if not char:
                raise Unfinished("EOF in backquote substitution")
            if char == "\\" and self.peek(1) in ("`", "\\", "$"):
                inside.append(self.peek(1))
                self.position += 2
                continue
            inside.append(char)
            self.position += 1
        self.position += 1
        return Substitution(self.nested("".join(inside)), quoted)


def _backslashes(text: str, index: int) -> int:
    count = 0
    while index - count - 1 >= 0 and text[index - count - 1] == "\\":
        count += 1
    return count
