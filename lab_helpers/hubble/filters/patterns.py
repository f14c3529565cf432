"""Patterns in filters: globs of names and regular expressions.

Regular expressions are RE2's, as in Go. Where google-re2 has no wheel, Python's engine is used instead, after refusing
what RE2 does not know (look-around, back references, possessive and atomic groups).
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from lab_helpers.hubble.errors import FilterError

Search = Callable[[str], Any]

_NODE_CHARACTER = "[-._0-9a-z]"
_FQDN_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.*")
_NODE_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.*")


def quoted(text: str) -> str:
    """`text` as Go's ``%q`` prints it."""
    import json

    return json.dumps(text, ensure_ascii=False)


def _rune(char: str) -> str:
    return f"'{char}'" if char not in "'\\" else f"'\\{char}'"


def _glob(pattern: str, allowed: frozenset[str], star: str) -> str:
    out = []
    for char in pattern:
        if char not in allowed:
            raise FilterError(f"{_rune(char)}: invalid rune in pattern")
        out.append(star if char == "*" else re.escape(char))
    return "".join(out)


def compile_fqdn_patterns(patterns: Iterable[str]) -> Search:
    """Globs of domain names: lower-cased, one trailing dot dropped, ``*`` also spans dots; anchored."""
    out = []
    for pattern in patterns:
        text = pattern.strip().lower().removesuffix(".")
        if not text:
            raise FilterError("empty pattern")
        if text.endswith("."):
            raise FilterError("multiple trailing dots in pattern")
        out.append(_glob(text, _FQDN_ALLOWED, "[-._0-9a-z]*"))
    return re.compile("|".join(out)).fullmatch


def compile_node_patterns(patterns: Iterable[str]) -> Search:
    """Globs of ``cluster/node``: a missing or empty half is any."""
    out = []
    for pattern in patterns:
        if not pattern:
            raise FilterError("empty pattern")
        head, slash, tail = pattern.partition("/")
        if "/" in tail:
            raise FilterError("too many slashes in pattern")
        cluster, node = (head, tail) if slash else ("", head)
        anything = f"{_NODE_CHARACTER}+"
        halves = [
            _glob(half.lower(), _NODE_ALLOWED, f"{_NODE_CHARACTER}*") if half else anything for half in (cluster, node)
        ]
        out.append("/".join(halves))
    return re.compile("|".join(out)).fullmatch


_GO_ERRORS = (
    ("missing ): ", "missing closing )"),
    ("missing ]: ", "missing closing ]"),
    ("unexpected ): ", "unexpected )"),
    ("no argument for repetition operator: ", "missing argument to repetition operator"),
    ("bad repetition operator: ", "invalid nested repetition operator"),
    ("invalid repetition size: ", "invalid repeat count"),
    ("invalid escape sequence: ", "invalid escape sequence"),
    ("invalid character class range: ", "invalid character class range"),
    ("invalid character class: ", "invalid character class"),
    ("invalid perl operator: ", "invalid or unsupported Perl syntax"),
    ("invalid named capture group: ", "invalid named capture"),
    ("trailing \\", "trailing backslash at end of expression"),
)


def _go_error(message: str) -> str:
    for theirs, gos in _GO_ERRORS:
        if message.startswith(theirs):
            rest = message[len(theirs) :] if theirs.endswith(": ") else ""
            return f"error parsing regexp: {gos}: `{rest}`"
    return f"error parsing regexp: {message}"


@lru_cache(maxsize=256)
def compile_regex(pattern: str) -> Search:
    """A search function for a regular expression; FilterError with Go's text when it is none."""
    try:
        import re2
    except ImportError:
        return _fallback(pattern)
    options = re2.Options()
    options.log_errors = False
    options.perl_classes = True
    try:
        search: Search = re2.compile(pattern, options).search
    except re2.error as error:
        message = error.args[0]
        text = message.decode() if isinstance(message, bytes) else str(message)
        if text.endswith(("operator: (?<=", "operator: (?<!")):  # for Go these begin a name
            rest = pattern[pattern.index(text[-4:]) :]
            text = f"invalid named capture group: {rest[: rest.find('>') + 1] or rest}"
        raise FilterError(_go_error(text)) from None
    return search


_NOT_RE2 = re.compile(r"\(\?(?:[=!>|(]|<[=!])|\\[1-9]|[*+?}]\+|\\Z")


def _fallback(pattern: str) -> Search:
    refused = _NOT_RE2.search(re.sub(r"\[\^?\]?[^\]]*\]", "", pattern))
    if refused:
        raise FilterError(f"error parsing regexp: invalid or unsupported Perl syntax: `{refused.group()}`")
    try:
        return re.compile(pattern.replace("\\z", "\\Z")).search
    except re.error as error:
        if "unterminated subpattern" in str(error):
            raise FilterError(f"error parsing regexp: missing closing ): `{pattern}`") from None
        if "unterminated character set" in str(error):
            rest = pattern[error.pos or 0 :]
            raise FilterError(f"error parsing regexp: missing closing ]: `{rest}`") from None
        raise FilterError(f"error parsing regexp: {error.msg}: `{pattern}`") from None
