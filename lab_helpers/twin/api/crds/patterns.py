"""Go's regular expressions (RE2 syntax) in Python's: the few spellings that differ."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["compile_pattern"]

_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
    "word": r"\w",
    "print": " -~",
}


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""The pattern, with ``\z``, ``\PC``, ``\pC`` and POSIX classes translated; classes are ASCII."""
    control = r"\x00-\x1f\x7f-\x9f"
    text = pattern.replace(r"\z", r"\Z").replace(r"\PC", f"[^{control}]").replace(r"\pC", f"[{control}]")
    for name, members in _CLASSES.items():
        text = text.replace(f"[:{name}:]", members)
    if text.endswith("$") and not text.endswith(r"\$"):
        text = text[:-1] + r"\Z"
    return re.compile(text, re.ASCII)
