"""Regular expressions as RE2 understands them, which is what Envoy and Hubble use.

Where google-re2 has no wheel, Python's ``re`` takes its place after the constructs RE2 does not have were refused;
POSIX classes (``[[:alpha:]]``), ``\\pC``, ``\\pN`` and their opposites, ``\\z`` and ``$`` are translated, other Unicode
classes refused. The differences left are that classes know ASCII only, and the speed on hostile patterns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from lab_helpers.policy.errors import RegexError

__all__ = ["Found", "Pattern", "compile_pattern", "compile_with_re", "compile_with_re2"]


class Found(Protocol):
    """Where an expression matched."""

    def end(self) -> int:
        """The offset behind the match."""


class Pattern(Protocol):
    """A compiled expression."""

    def fullmatch(self, text: str, /) -> object | None:
        """Not None when the whole of ``text`` matches."""

    def search(self, text: str, /) -> Found | None:
        """Not None when some part of ``text`` matches."""


_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7F",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_GO_WORDS = (
    ("missing )", "missing closing )"),
    ("missing ]", "missing closing ]"),
    ("invalid perl operator", "invalid or unsupported Perl syntax"),
    ("no argument for repetition operator", "missing argument to repetition operator"),
    ("bad repetition operator", "invalid nested repetition operator"),
    ("invalid repetition size", "invalid repeat count"),
    ("invalid named capture group", "invalid named capture"),
    ("trailing \\", "trailing backslash at end of expression"),
)
"""RE2's words for what is wrong, and those of Go's regexp package, which is what Cilium quotes in a condition."""
_REFUSED = re.compile(r"\(\?(?:[=!]|<[=!]|>|\(|#|P=)|\(\?[^)]*[aLux]|(?<!\\)(?:\\\\)*\\[1-9Z]|[*+?}]\+")


_PIECES = re.compile(r"\\[pP](?:\{\^?\w+\}|\w)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|.", re.DOTALL)
"""Escapes, bracket expressions, single characters."""
_MULTILINE = re.compile(r"\(\?[a-zA-Z]*m")
_ALIKE = {
    "$": r"\Z",
    r"\z": r"\Z",
    r"\C": r"[\s\S]",
    r"\pC": r"[\x00-\x1F\x7F-\x9F]",
    r"\PC": r"[^\x00-\x1F\x7F-\x9F]",
    r"\pN": r"[0-9]",
    r"\PN": r"[^0-9]",
}


def _translated(piece: str) -> str:
    if piece.startswith("[") and len(piece) > 1:
        if "[:^" in piece or re.search(r"(?<!\\)(?:\\\\)*\\[pP]", piece):
            raise RegexError(f"{piece!r} needs google-re2, which is not installed here; spell the class out")
        return re.sub(r"\[:(\w+):\]", lambda found: _POSIX.get(found[1], found[0]), piece)
    if piece[:2] in (r"\p", r"\P") and piece not in _ALIKE:
        raise RegexError(f"{piece!r} needs google-re2, which is not installed here; spell the class out")
    return _ALIKE.get(piece, piece)


def compile_with_re(pattern: str, *, longest: bool = False) -> Pattern:
    """Compile with Python's engine, refusing what RE2 refuses; it has no ``longest``. Raises RegexError."""
    del longest
    refused = _REFUSED.search(pattern)
    if refused:
        raise RegexError(f"invalid or unsupported Perl syntax: `{refused.group()}`")
    pieces = [_translated(piece) for piece in _PIECES.findall(pattern)]
    translated = "".join("$" if piece == r"\Z" and _MULTILINE.search(pattern) else piece for piece in pieces)
    try:
        return re.compile(translated, re.ASCII)
    except re.error as error:
        raise RegexError(f"{pattern!r}: {error}") from error


def compile_with_re2(pattern: str, *, longest: bool = False) -> Pattern:
    """Compile with google-re2. Raises RegexError, or ImportError where it is not installed."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.longest_match = longest
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else pattern
        raise RegexError(_in_go_words(said.decode("utf-8", "replace") if isinstance(said, bytes) else said)) from error
    return compiled


def _in_go_words(message: str) -> str:
    """``missing ): (a`` → ``missing closing ): `(a```."""
    for ours, gos in _GO_WORDS:
        if message.startswith(ours):
            return f"{gos}: `{message[len(ours) :].removeprefix(': ')}`"
    what, separator, where = message.partition(": ")
    return f"{what}: `{where}`" if separator else message


def _engine() -> Callable[..., Pattern]:
    try:
        import re2  # noqa: F401
    except ImportError:
        return compile_with_re
    return compile_with_re2


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str, *, longest: bool = False) -> Pattern:
    """Compile with RE2 if it is here, else with its stand-in; ``longest``: of alternatives that match at one place the
    longest wins, as POSIX has it. Raises RegexError.
    """
    return _engine()(pattern, longest=longest)
