"""Colours of terminal output, and keeping control characters in names from reaching the terminal."""

import re

_STRAY_ESCAPE = re.compile("\x1b(?!\\[(?:3[1-6]|0)m)")
_RESET = "\x1b[0m"


def paint(code: int, text: str) -> str:
    """`text` between an SGR colour code and a reset."""
    return f"\x1b[{code}m{text}{_RESET}"


HOST, PORT, IDENTITY, GOOD, BAD, NOTABLE = 36, 33, 35, 32, 31, 33


def harmless(text: str, *, color: bool) -> str:
    """`text` with escape characters and carriage returns made visible; with `color`, the colours in use may pass."""
    if "\x1b" in text:
        text = _STRAY_ESCAPE.sub("^[", text) if color else text.replace("\x1b", "^[")
    return text.replace("\r", "\\r") if "\r" in text else text
