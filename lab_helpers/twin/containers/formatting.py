r"""``printf`` and ``echo -e``: escapes and conversions (POSIX printf(1)), for the builtins and the programs alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from lab_helpers.twin.containers.errors import ContainersError

__all__ = ["FormatProblem", "Formatted", "byte", "echo", "joined", "printf", "unescape"]

_SIMPLE = {"a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_ESCAPE = re.compile(
    r"\\(0[0-7]{0,3}|[1-7][0-7]{0,2}|x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|U[0-9A-Fa-f]{1,8}|.)", re.DOTALL
)
_CONVERSION = re.compile(r"%([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([a-zA-Z%])|%(.?)", re.DOTALL)
_WIDTH_LIMIT = 65536


class FormatProblem(ContainersError):
    """A format or a number cannot be used."""


class Formatted(NamedTuple):
    """``problems``: arguments that are not numbers; what was printed goes on after them."""

    text: str
    problems: tuple[str, ...] = ()


def byte(value: int) -> str:
    """One byte as Python's ``surrogateescape`` writes it in text; to be ``joined`` with its neighbours."""
    value &= 0xFF
    return chr(value) if value < 0x80 else chr(0xDC00 + value)


def joined(text: str) -> str:
    """``text`` with bytes that form UTF-8 together as the characters that they are."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def unescape(text: str, *, stops: bool = True) -> tuple[str, bool]:
    r"""Escapes replaced; True when ``\c`` said to stop there (if it ``stops`` anything)."""
    stop = text.find("\\c") if stops else -1
    while stop > 0 and text[stop - 1] == "\\":
        stop = text.find("\\c", stop + 2)
    head = text if stop < 0 else text[:stop]

    def replace(found: re.Match[str]) -> str:
        code = found.group(1)
        if code[0] in "01234567":
            return byte(int(code, 8))
        if code[0] == "x" and len(code) > 1:
            return byte(int(code[1:], 16))
        if code[0] in "uU" and len(code) > 1:
            return chr(int(code[1:], 16)) if int(code[1:], 16) < 0x110000 else ""
        return _SIMPLE.get(code, "\\" + code)

    return joined(_ESCAPE.sub(replace, head)), stop >= 0


def echo(arguments: Sequence[str]) -> str:
    """What ``echo`` prints, with its options -n, -e, -E."""
    newline, escapes = True, False
    index = 0
    while index < len(arguments) and re.fullmatch(r"-[neE]+", arguments[index]):
        for letter in arguments[index][1:]:
            newline = newline and letter != "n"
            escapes = letter == "e" if letter in "eE" else escapes
        index += 1
    text = " ".join(arguments[index:])
    if escapes:
        text, stopped = unescape(text)
        newline = newline and not stopped
    return text + ("\n" if newline else "")


def printf(form: str, arguments: Sequence[str], *, bash: bool = False) -> Formatted:
    """The formatted text; the format is used again while arguments are left. ``bash``: with ``%q``, and with numbers
    read as far as they are numbers. Raises FormatProblem.
    """
    formatter = _Formatter(arguments, bash)
    out: list[str] = []
    while True:
        before = len(formatter.left)
        out.append(formatter.once(form))
        if formatter.stopped or not formatter.left or len(formatter.left) == before:
            return Formatted(joined("".join(out)), tuple(formatter.problems))


class _Formatter:
    """One ``printf``: the arguments that are left, and what was wrong with those used."""

    def __init__(self, arguments: Sequence[str], bash: bool) -> None:
        self.left = list(arguments)
        self.problems: list[str] = []
        self.stopped = False
        self._bash = bash

    def once(self, form: str) -> str:
        """The format, used once."""
        out: list[str] = []
        position = 0
        for found in _CONVERSION.finditer(form):
            out.append(self._plain(form[position : found.start()]))
            if self._ended():
                return "".join(out)
            position = found.end()
            if found.group(4) is None:
                raise FormatProblem(f"{found.group()}: invalid format")
            out.append(self._convert(found))
            if self._ended():
                return "".join(out)
        out.append(self._plain(form[position:]))
        return "".join(out)

    def _ended(self) -> bool:
        return self.stopped

    def _plain(self, text: str) -> str:
        piece, stopped = unescape(text, stops=not self._bash)
        self.stopped = self.stopped or stopped
        return piece

    def _convert(self, found: re.Match[str]) -> str:
        flags, width, precision, kind = found.group(1), found.group(2), found.group(3), found.group(4)
        if kind == "%":
            if found.group() != "%%":
                raise FormatProblem(f"{found.group()}: invalid format")
            return "%"
        if width == "*":
            width = str(self._integer(self._next()))
        if precision == "*":
            precision = str(self._integer(self._next()))
        if max(abs(int(width or 0)), abs(int(precision or 0))) > _WIDTH_LIMIT:
            raise FormatProblem(f"{found.group()}: width is too large")
        spec = f"%{flags}{width or ''}{'.' + precision if precision is not None else ''}"
        if kind == "s":
            return (spec + "s") % self._next("")
        if kind == "q" and self._bash:
            return (spec + "s") % _quoted(self._next(""))
        if kind == "b":
            text, self.stopped = unescape(self._next(""))
            return (spec + "s") % text
        if kind == "c":
            return (spec + "s") % self._next("")[:1]
        if kind in "diouxX":
            value = self._integer(self._next())
            if kind == "o" and "#" in flags:  # C's 010, not Python's 0o10
                return (spec.replace("#", "") + "s") % (f"0{value % 2**64:o}" if value else "0")
            return (spec + ("d" if kind in "iu" else kind)) % (value % 2**64 if kind in "uoxX" else value)
        if kind in "eEfFgG":
            return (spec + kind) % self._real(self._next())
        raise FormatProblem(f"{found.group()}: invalid format")

    def _next(self, default: str = "0") -> str:
        return self.left.pop(0) if self.left else default

    def _integer(self, text: str) -> int:
        if text[:1] in ("'", '"') and len(text) > 1:
            return ord(text[1])
        found = re.match(r"\s*([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)?", text)
        assert found is not None
        digits = found.group(2) or ""
        whole = bool(digits) and found.end() == len(text.rstrip())
        if text and not whole:
            self.problems.append(text)
        if not digits or not (whole or self._bash):
            return 0
        base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10
        return int(digits, base) * (-1 if found.group(1) == "-" else 1)

    def _real(self, text: str) -> float:
        try:
            return float(text or "0")
        except ValueError:
            self.problems.append(text)
            return 0.0


def _quoted(text: str) -> str:
    """bash's ``%q``."""
    if not text:
        return "''"
    if any(char < " " or char == "\x7f" for char in text):
        shown = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\x1b": "\\E", "\a": "\\a"}
        inside = "".join(
            shown.get(char) or (f"\\{ord(char):03o}" if char < " " else "\\" + char if char in "'\\" else char)
            for char in text
        )
        return f"$'{inside}'"
    return re.sub(r"([^A-Za-z0-9_./:=@%+,\-\x80-\U0010ffff])", r"\\\1", text)
