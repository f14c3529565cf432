"""YAML as Go's yaml.v3 writes it: mappings and lists of scalars, four spaces of indentation."""

import re
from collections.abc import Mapping
from typing import Any

_AMBIGUOUS = re.compile(
    r"""(?:~|null|true|false|yes|no|on|off|y|n
    |[-+]?(?:\d[\d_]*|0b[01_]+|0o?[0-7_]+|0x[0-9a-f_]+)
    |[-+]?(?:\.\d+|\d[\d_]*(?:\.[\d_]*)?)(?:e[-+]?\d+)?
    |[-+]?\.(?:inf|nan)
    |\d{4}-\d\d?-\d\d?(?:[Tt\s].*)?|<<|=)""",
    re.IGNORECASE | re.VERBOSE,
)
_INDICATORS = frozenset("-?:,[]{}#&*!|>'\"%@`")


def _plain(text: str) -> bool:
    """Whether a string can stand without quotes inside a block mapping."""
    if text != text.strip() or (text[0] in _INDICATORS and not (text[0] in "-?:" and text[1:2].strip())):
        return False
    return ": " not in text and " #" not in text and not text.endswith(":") and text.isprintable()


def _simple(text: str) -> bool:
    """Whether every character may stand in a single-quoted string: printable, in the basic plane."""
    return all(
        (" " <= char <= "~") or char == "\x85" or "\xa0" <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd"
        for char in text
    ) and not any(char in "\x85\u2028\u2029\ufeff" for char in text)


def _double(text: str) -> str:
    out = []
    named = {"\0": "\\0", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r"}
    named |= {"\x1b": "\\e", '"': '\\"', "\\": "\\\\", "\x85": "\\N", "\xa0": "\\_", "\u2028": "\\L", "\u2029": "\\P"}
    for char in text:
        code = ord(char)
        if char in named and char != "\xa0":
            out.append(named[char])
        elif _simple(char):
            out.append(char)
        elif code <= 0xFF:
            out.append(f"\\x{code:02X}")
        else:
            out.append(f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}")
    return '"' + "".join(out) + '"'


def scalar(value: Any) -> str:
    """One value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if not isinstance(value, str):
        return str(value)
    if not value or _AMBIGUOUS.fullmatch(value):
        return f'"{value}"'
    if _plain(value):
        return value
    return "'" + value.replace("'", "''") + "'" if _simple(value) else _double(value)


def document(value: Any, indent: str = "") -> str:
    """A scalar, a list of scalars, or a mapping to such; with the final newline."""
    if isinstance(value, Mapping):
        if not value:
            return "{}\n"
        out = []
        for key, item in value.items():
            if isinstance(item, (list, Mapping)) and item:
                out.append(f"{indent}{key}:\n{document(item, indent + '    ')}")
            else:
                out.append(f"{indent}{key}: {document(item)}")
        return "".join(out)
    if isinstance(value, list):
        return "".join(f"{indent}- {scalar(item)}\n" for item in value) or "[]\n"
    return scalar(value) + "\n"
