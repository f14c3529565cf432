"""Go's ``%q``: strings and characters as Go prints them in error messages."""

import unicodedata

_ESCAPES = {
    7: "\\a",
    8: "\\b",
    12: "\\f",
    10: "\\n",
    13: "\\r",
    9: "\\t",
    11: "\\v",
    92: "\\\\",
}


def _printable(char: str) -> bool:
    """Go's strconv.IsPrint, by Python's Unicode tables: letters, marks, numbers, punctuation, symbols, space."""
    return char == " " or unicodedata.category(char)[0] in "LMNPS"


def _escaped(char: str, quote: str) -> str:
    code = ord(char)
    if char == quote:
        return "\\" + quote
    if code in _ESCAPES:
        return _ESCAPES[code]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, kept by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    if _printable(char):
        return char
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_quote(text: str) -> str:
    """`text` in double quotes as Go's ``%q`` (strconv.Quote) writes it."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_escaped(char, '"') for char in text) + '"'


def go_quote_rune(char: str) -> str:
    """One character in single quotes as Go's ``%q`` writes a rune."""
    return "'" + _escaped(char, "'") + "'"
