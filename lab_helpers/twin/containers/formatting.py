r"""``printf`` and ``echo -e``: escapes and conversions (POSIX printf(1)), for the builtins and the programs alike."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lab_helpers.twin.containers.errors import ContainersError

__all__ = ["FormatProblem", "echo", "printf", "unescape"]

_SIMPLE = {"a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_ESCAPE = re.compile(r"\\(0[0-7]{0,3}|[1-7][0-7]{0,2}|x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|.)", re.DOTALL)
_CONVERSION = re.compile(r"%([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([a-zA-Z%])|%(.?)", re.DOTALL)
_WIDTH_LIMIT = 65536


class FormatProblem(ContainersError):  # noqa: N818 - a condition with a name of its own
    """A format or a number cannot be used."""


def unescape(text: str) -> tuple[str, bool]:
    r"""Escapes replaced; True when ``\c`` said to stop there."""
    stop = text.find("\\c")
    while stop > 0 and text[stop - 1] == "\\":
        stop = text.find("\\c", stop + 2)
    head = text if stop < 0 else text[:stop]

    def replace(found: re.Match[str]) -> str:
        code = found.group(1)
        if code[0] in "01234567":
            return chr(int(code, 8) & 0xFF)
        if code[0] in "xu" and len(code) > 1:
            return chr(int(code[1:], 16))
        return _SIMPLE.get(code, "\\" + code)

    return _ESCAPE.sub(replace, head), stop >= 0


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


def printf(form: str, arguments: Sequence[str]) -> str:
    """The formatted text; the format is used again while arguments are left. Raises FormatProblem."""
    left = list(arguments)
    out: list[str] = []
    while True:
        before = len(left)
        piece, stopped = _once(form, left)
        out.append(piece)
        if stopped or not left or len(left) == before:
            return "".join(out)


def _once(form: str, left: list[str]) -> tuple[str, bool]:
    out: list[str] = []
    position = 0
    for found in _CONVERSION.finditer(form):
        text, stopped = unescape(form[position : found.start()])
        out.append(text)
        if stopped:
            return "".join(out), True
        position = found.end()
        if found.group(4) is None:
            raise FormatProblem(f"{found.group()}: invalid format")
        text, stopped = _convert(found, left)
        out.append(text)
        if stopped:
            return "".join(out), True
    text, stopped = unescape(form[position:])
    return "".join(out) + text, stopped


def _convert(found: re.Match[str], left: list[str]) -> tuple[str, bool]:
    flags, width, precision, kind = found.group(1), found.group(2), found.group(3), found.group(4)
    if kind == "%":
        return "%", False
    if width == "*":
        width = str(_integer(left.pop(0) if left else "0"))
    if precision == "*":
        precision = str(_integer(left.pop(0) if left else "0"))
    if max(abs(int(width or 0)), abs(int(precision or 0))) > _WIDTH_LIMIT:
        raise FormatProblem(f"{found.group()}: width is too large")
    spec = f"%{flags}{width or ''}{'.' + precision if precision is not None else ''}"
    argument = left.pop(0) if left else None
    if kind in "sq":
        return (spec + "s") % (argument or ""), False
    if kind == "b":
        text, stopped = unescape(argument or "")
        return (spec + "s") % text, stopped
    if kind == "c":
        return (spec + "s") % (argument or "")[:1], False
    if kind in "diouxX":
        value = _integer(argument or "0")
        return (spec + ("d" if kind in "iu" else kind)) % (value % 2**64 if kind in "uoxX" else value), False
    if kind in "eEfFgG":
        try:
            return (spec + kind) % float(argument or "0"), False
        except ValueError:
            raise FormatProblem(f"{argument}: invalid number") from None
    raise FormatProblem(f"{found.group()}: invalid format")


def _integer(text: str) -> int:
    if text[:1] in ("'", '"') and len(text) > 1:
        return ord(text[1])
    try:
        stripped = text.strip()
        if re.fullmatch(r"[-+]?0[0-7]+", stripped):
            return int(stripped, 8)
        return int(stripped, 0)
    except ValueError:
        raise FormatProblem(f"{text}: invalid number") from None
