"""Shell patterns (``* ? […]``), for pathname expansion, ``case``, ``[[ == ]]`` and ``${x#pattern}``."""

from __future__ import annotations

import functools
import posixpath
import re

from lab_helpers.twin.containers.files import FileSystem, normalise
from lab_helpers.twin.containers.regexes import compile_regex

__all__ = ["escape", "expand_path", "has_magic", "matches", "translate"]

_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r" \t\n\r\f\v",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
    "print": r" -~",
    "graph": r"!-~",
    "cntrl": r"\x00-\x1f\x7f",
}


def escape(text: str) -> str:
    """``text`` so that it matches only itself."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)


def has_magic(pattern: str) -> bool:
    """Does it contain an unescaped wildcard?"""
    return re.search(r"(?<!\\)(?:\\\\)*[*?\[]", pattern) is not None


@functools.lru_cache(maxsize=512)
def translate(pattern: str) -> str:
    """As a regular expression without anchors. Runs of ``*`` become one, so that matching stays quick."""
    out: list[str] = []
    index = 0
    while index < len(pattern):
        char = pattern[index]
        index += 1
        if char == "*":
            if not out or out[-1] != ".*":
                out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "\\" and index < len(pattern):
            out.append(re.escape(pattern[index]))
            index += 1
        elif char == "[":
            end = _bracket_end(pattern, index)
            if end < 0:
                out.append(r"\[")
            else:
                out.append(_bracket(pattern[index:end]))
                index = end + 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _bracket_end(pattern: str, index: int) -> int:
    start = index
    if index < len(pattern) and pattern[index] in "!^":
        index += 1
        start += 1
    while index < len(pattern):
        if pattern.startswith("[:", index):
            closing = pattern.find(":]", index + 2)
            if closing > 0:
                index = closing + 2
                continue
        if pattern[index] == "]" and index > start:
            return index
        index += 1
    return -1


def _bracket(inside: str) -> str:
    negated = inside[0] in "!^"
    body = inside[1:] if negated else inside
    body = body.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("^", "\\^").replace("&&", "&\\&")
    body = body.replace("||", "|\\|").replace("~~", "~\\~").replace("--", "-\\-")
    body = re.sub(r"\\\[:(\w+):\\\]", lambda found: _CLASSES.get(found.group(1), found.group()), body)
    try:
        re.compile(f"[{body}]")
    except re.error:
        return re.escape(f"[{inside}]")
    return f"[{'^' if negated else ''}{body}]"


def matches(pattern: str, text: str) -> bool:
    """Does the whole ``text`` match?"""
    return compile_regex(f"^(?s:{translate(pattern)})$").search(text) is not None


def expand_path(pattern: str, system: FileSystem, cwd: str) -> list[str]:
    """Existing paths that match, sorted, in the form the pattern was written; [] when there are none. Hidden files
    need a dot."""
    absolute = pattern.startswith("/")
    found = ["/"] if absolute else [""]
    for piece in [p for p in pattern.split("/") if p]:
        following: list[str] = []
        for base in found:
            directory = normalise(base, cwd)
            if not has_magic(piece):
                plain = re.sub(r"\\(.)", r"\1", piece)
                candidate = posixpath.join(base, plain)
                if system.exists(normalise(candidate, cwd)):
                    following.append(candidate)
                continue
            if not system.is_directory(directory):
                continue
            names = [n for n in system.listing(directory) if not n.startswith(".") or piece.startswith(".")]
            following += [posixpath.join(base, name) for name in names if matches(piece, name)]
        found = following
    return sorted(found)
