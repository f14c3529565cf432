"""The part of YAML that kubeconfig files are written in, read without a YAML library.

Importing PyYAML costs more time than a small request. Block mappings and sequences of plain or simply
quoted scalars are understood here; at anything else `parse` returns None and the caller uses the real parser.
"""

import re
from typing import Any

_KEY = re.compile(r'([A-Za-z0-9_.\-/@]+|"[^"\\]*")\s*:(?:\s+(.*))?$')
_PLAIN = re.compile(r"[A-Za-z0-9_./+\-=@:,()~ ]*$")


class _UnclearError(Exception):
    """Not in the simple subset."""


def _scalar(text: str) -> Any:
    if text in ("{}", "[]"):
        return {} if text == "{}" else []
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        body = text[1:-1]
        if "\\" in body or text[0] in body:
            raise _UnclearError
        return body
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if not _PLAIN.match(text) or " #" in text or ": " in text or text[0] in "-:,@" or text.endswith(":"):
        raise _UnclearError
    if text[0].isdigit() and len(text) < 20 and not any(letter.isalpha() for letter in text):
        raise _UnclearError
    return text


def _block(lines: list[tuple[int, str]], at: int, indent: int) -> tuple[Any, int]:
    if lines[at][1].startswith("- ") or lines[at][1] == "-":
        return _sequence(lines, at, indent)
    return _mapping(lines, at, indent)


def _sequence(lines: list[tuple[int, str]], at: int, indent: int) -> tuple[list[Any], int]:
    out: list[Any] = []
    while at < len(lines) and lines[at][0] == indent and lines[at][1].startswith("- "):
        rest = lines[at][1][1:]
        inner = indent + 1 + len(rest) - len(rest.lstrip())
        if _KEY.match(rest.lstrip()):
            lines[at] = (inner, rest.lstrip())
            value, at = _mapping(lines, at, inner)
        else:
            value, at = _scalar(rest.strip()), at + 1
        out.append(value)
    return out, at


def _mapping(lines: list[tuple[int, str]], at: int, indent: int) -> tuple[dict[str, Any], int]:
    out: dict[str, Any] = {}
    while at < len(lines) and lines[at][0] == indent:
        if lines[at][1].startswith("- "):
            break
        match = _KEY.match(lines[at][1])
        if not match:
            raise _UnclearError
        key, rest = match.group(1).strip('"'), (match.group(2) or "").strip()
        if key in out:
            raise _UnclearError
        at += 1
        if rest:
            out[key] = _scalar(rest)
        elif at < len(lines) and (lines[at][0] > indent or (lines[at][0] == indent and lines[at][1].startswith("- "))):
            out[key], at = _block(lines, at, lines[at][0])
        else:
            out[key] = None
    if at < len(lines) and lines[at][0] > indent:
        raise _UnclearError
    return out, at


def parse(text: str) -> dict[str, Any] | None:
    """The document, or None when it needs a real parser."""
    lines: list[tuple[int, str]] = []
    for raw in text.splitlines():
        body = raw.strip()
        if not body or body.startswith("#") or (body == "---" and not lines):
            continue
        if "\t" in raw:
            return None
        lines.append((len(raw) - len(raw.lstrip(" ")), body))
    if not lines:
        return {}
    try:
        value, at = _mapping(lines, 0, lines[0][0])
    except (_UnclearError, RecursionError):
        return None
    return value if at == len(lines) else None
