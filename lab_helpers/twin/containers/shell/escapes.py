r"""Escapes in ``$'…'``."""

from __future__ import annotations

import re

from lab_helpers.twin.containers.formatting import byte, joined

__all__ = ["ansi"]

_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "e": "\x1b",
    "\\": "\\",
    "'": "'",
    '"': '"',
}


def ansi(text: str) -> str:
    r"""bash's ``$'…'`` escapes."""

    def replace(found: re.Match[str]) -> str:
        code = found.group(1)
        if code[0] == "x":
            return byte(int(code[1:], 16))
        if code[0] in "uU" and len(code) > 1:
            return chr(int(code[1:], 16)) if int(code[1:], 16) < 0x110000 else ""
        if code[0] in "01234567":
            return byte(int(code, 8))
        return _ESCAPES.get(code, "\\" + code)

    form = r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|U[0-9A-Fa-f]{1,8}|[0-7]{1,3}|.)"
    return joined(re.sub(form, replace, text, flags=re.DOTALL))
