"""Values of flags: how a word becomes a value, and what Go says when it does not.

Durations are integers of nanoseconds (Go's time.Duration). Texts of errors are those of Go's strconv and time packages,
because users see them after "invalid argument".
"""

from collections.abc import Callable
from typing import Any

from lab_helpers.tools.goflags.quoting import go_quote

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_MAX_DURATION = (1 << 63) - 1


class Value:
    """One flag's value. `set` raises ValueError with Go's text; `type` is the word shown on help pages."""

    type = "string"

    def __init__(self, default: Any) -> None:
        self.value: Any = default

    def set(self, text: str) -> None:
        """Replace (or, for lists, extend) the value by what `text` says."""
        self.value = text

    def text(self) -> str:
        """The value as help pages show a default."""
        return str(self.value)


def parse_bool(text: str) -> bool:
    """Go's strconv.ParseBool."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"strconv.ParseBool: parsing {go_quote(text)}: invalid syntax")


def _digits(text: str, function: str) -> int:
    """An integer literal with Go's base prefixes and underscores (base 0)."""
    invalid = ValueError(f"strconv.{function}: parsing {go_quote(text)}: invalid syntax")
    body = text[1:] if function == "ParseInt" and text[:1] in ("+", "-") else text
    lower = body.lower()
    if not lower.isascii() or not lower[:1].isdigit() or lower.endswith("_") or "__" in lower:
        raise invalid
    if lower.startswith(("0x", "0b", "0o")):
        base, digits = {"x": 16, "b": 2, "o": 8}[lower[1]], lower[2:].removeprefix("_")
    elif len(lower) > 1 and lower[0] == "0":
        base, digits = 8, lower[1:].removeprefix("_")
    else:
        base, digits = 10, lower
    try:
        number = int(digits, base) if digits[:1] not in ("+", "-", "_", "") else None
    except ValueError:
        raise invalid from None
    if number is None or digits.strip() != digits:
        raise invalid
    return -number if text[:1] == "-" else number


def parse_int(text: str, bits: int = 64) -> int:
    """Go's strconv.ParseInt with base 0."""
    number = _digits(text, "ParseInt")
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise ValueError(f"strconv.ParseInt: parsing {go_quote(text)}: value out of range")
    return number


def parse_uint(text: str, bits: int = 64) -> int:
    """Go's strconv.ParseUint with base 0."""
    number = _digits(text, "ParseUint")
    if number >= 1 << bits:
        raise ValueError(f"strconv.ParseUint: parsing {go_quote(text)}: value out of range")
    return number


def parse_duration(text: str) -> int:
    """Go's time.ParseDuration, in nanoseconds."""
    invalid = ValueError(f"time: invalid duration {go_quote(text)}")
    rest, negative = text, False
    if rest[:1] in ("+", "-"):
        negative, rest = rest[0] == "-", rest[1:]
    if rest == "0":
        return 0
    if not rest:
        raise invalid
    total = 0
    while rest:
        start = 0
        while start < len(rest) and rest[start] in "0123456789":
            start += 1
        whole, fraction, dot = rest[:start], "", False
        rest = rest[start:]
        if rest[:1] == ".":
            dot, start = True, 1
            while start < len(rest) and rest[start] in "0123456789":
                start += 1
            fraction, rest = rest[1:start], rest[start:]
        if not whole and not fraction:
            raise invalid
        start = 0
        while start < len(rest) and rest[start] not in ".0123456789":
            start += 1
        if start == 0:
            raise ValueError(f"time: missing unit in duration {go_quote(text)}")
        unit, rest = rest[:start], rest[start:]
        if unit not in _UNITS:
            raise ValueError(f"time: unknown unit {go_quote(unit)} in duration {go_quote(text)}")
        total += int(whole or "0") * _UNITS[unit]
        if dot and fraction:
            total += int(fraction) * _UNITS[unit] // 10 ** len(fraction)
        if total > _MAX_DURATION + (1 if negative else 0):
            raise invalid
    return -total if negative else total


def duration_text(nanoseconds: int) -> str:
    """Go's Duration.String: ``1m30s``, ``1.5ms``, ``0s``."""
    if nanoseconds == 0:
        return "0s"
    sign, left = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    if left < 1_000_000_000:
        for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
            if left < size * 1000:
                return f"{sign}{_decimal(left, size)}{unit}"
    seconds = left % _UNITS["m"]
    minutes = left // _UNITS["m"]
    out = f"{_decimal(seconds, 1_000_000_000)}s"
    if minutes:
        out = f"{minutes % 60}m{out}"
        if minutes >= 60:
            out = f"{minutes // 60}h{out}"
    return sign + out


def _decimal(amount: int, size: int) -> str:
    whole, rest = divmod(amount, size)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(size)) - 1).rstrip('0')}"


class BoolValue(Value):
    """``true``/``false`` in the spellings of strconv.ParseBool."""

    type = "bool"

    def set(self, text: str) -> None:
        """Replace the value."""
        self.value = parse_bool(text)

    def text(self) -> str:
        """``true`` or ``false``."""
        return "true" if self.value else "false"


class NumberValue(Value):
    """An integer of a given Go type: int, int32, int64, uint, uint16, uint32, uint64."""

    def __init__(self, default: int, kind: str) -> None:
        super().__init__(default)
        self.type = kind
        bits = int(kind.lstrip("uint") or "64")
        self._parse: Callable[[str, int], int] = parse_uint if kind.startswith("u") else parse_int
        self._bits = bits

    def set(self, text: str) -> None:
        """Replace the value."""
        self.value = self._parse(text, self._bits)


class DurationValue(Value):
    """A duration in nanoseconds."""

    type = "duration"

    def set(self, text: str) -> None:
        """Replace the value."""
        self.value = parse_duration(text)

    def text(self) -> str:
        """Go's Duration.String."""
        return duration_text(self.value)


class _ListValue(Value):
    """A list: the first `set` replaces the default, later ones extend."""

    def __init__(self, default: list[str]) -> None:
        super().__init__(list(default))
        self._touched = False

    def _words(self, text: str) -> list[str]:
        return [text]

    def set(self, text: str) -> None:
        """Add the words of `text`."""
        words = self._words(text)
        self.value = [*self.value, *words] if self._touched else words
        self._touched = True

    def text(self) -> str:
        """``[a,b]``."""
        return "[" + ",".join(self.value) + "]"


class StringArrayValue(_ListValue):
    """Each occurrence is one element, commas included."""

    type = "stringArray"


class StringSliceValue(_ListValue):
    """Each occurrence is a line of comma-separated values, with CSV quoting."""

    type = "stringSlice"

    def _words(self, text: str) -> list[str]:
        if not text:
            return []
        if '"' not in text:
            return text.split(",")
        import csv

        return next(csv.reader([text]))


class CountValue(Value):
    """Counts its occurrences: ``-vvv`` is 3."""

    type = "count"

    def set(self, text: str) -> None:
        """``+1`` adds one; a number replaces."""
        self.value = self.value + 1 if text == "+1" else parse_int(text)


class CallbackValue(Value):
    """Hands each occurrence to a function, in command-line order; it raises ValueError to refuse."""

    def __init__(self, function: Callable[[str], None], kind: str = "string", shown: str = "") -> None:
        super().__init__(None)
        self.type = kind
        self._function = function
        self._shown = shown

    def set(self, text: str) -> None:
        """Call the function."""
        self._function(text)

    def text(self) -> str:
        """What the help page shows as default."""
        return self._shown
