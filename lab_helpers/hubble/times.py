"""Moments as Hubble prints and reads them.

A moment is an integer: nanoseconds since 1970-01-01T00:00:00Z. Layouts are named as on the command line; printing is
always in UTC. Follows Cilium ``hubble/pkg/time`` and Go's time layouts.
"""

import re
from functools import lru_cache
from typing import Protocol

SECOND = 1_000_000_000
_FIRST_SECOND = -62135596800  # 0001-01-01T00:00:00Z
_LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

LAYOUTS = (
    "StampMilli",
    "YearMonthDay",
    "YearMonthDayHour",
    "YearMonthDayHourMinute",
    "RFC3339",
    "RFC3339Milli",
    "RFC3339Micro",
    "RFC3339Nano",
    "RFC1123Z",
)
_BY_LOWER_NAME = {name.lower(): name for name in LAYOUTS}
_FRACTION = {"RFC3339": 0, "RFC3339Milli": 3, "RFC3339Micro": 6, "RFC3339Nano": 9}


class TimestampLike(Protocol):
    """A google.protobuf.Timestamp, as far as it is read here."""

    seconds: int
    nanos: int


def layout_name(name: str) -> str:
    """The layout called `name` in any case; an unknown name means StampMilli, as in Hubble."""
    return _BY_LOWER_NAME.get(name.lower(), "StampMilli")


def moment(stamp: TimestampLike) -> int:
    """Nanoseconds since 1970."""
    return stamp.seconds * SECOND + stamp.nanos


@lru_cache(maxsize=1024)
def _civil(second: int) -> tuple[int, int, int, int, int, int]:
    """Year, month, day, hour, minute, second of a second since 1970 (proleptic Gregorian, UTC)."""
    days, rest = divmod(second, 86400)
    days += 719468
    era, day_of_era = divmod(days, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    hour, rest = divmod(rest, 3600)
    return year, month, day, hour, rest // 60, rest % 60


def _second_of(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return (era * 146097 + day_of_era - 719468) * 86400 + hour * 3600 + minute * 60 + second


@lru_cache(maxsize=1024)
def _stem(second: int, layout: str) -> str:
    """Everything of a layout that does not depend on the fraction of the second."""
    year, month, day, hour, minute, sec = _civil(second)
    if layout == "StampMilli":
        return f"{_MONTHS[month - 1]} {day:2d} {hour:02d}:{minute:02d}:{sec:02d}."
    date = f"{year:04d}-{month:02d}-{day:02d}"
    if layout == "YearMonthDay":
        return date
    if layout == "YearMonthDayHour":
        return f"{date}T{hour:02d}Z"
    if layout == "YearMonthDayHourMinute":
        return f"{date}T{hour:02d}:{minute:02d}Z"
    if layout == "RFC1123Z":
        weekday = _DAYS[(second // 86400 + 3) % 7]
        month_name = _MONTHS[month - 1]
        return f"{weekday}, {day:02d} {month_name} {year:04d} {hour:02d}:{minute:02d}:{sec:02d} +0000"
    return f"{date}T{hour:02d}:{minute:02d}:{sec:02d}"


def format_stamp(stamp: TimestampLike, layout: str = "StampMilli") -> str:
    """A timestamp in one of LAYOUTS; the fraction is cut, not rounded. ``N/A`` for an invalid one."""
    seconds, nanos = stamp.seconds, stamp.nanos
    if not (_FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < SECOND):
        return "N/A"
    if layout == "StampMilli":
        return f"{_stem(seconds, layout)}{nanos // 1_000_000:03d}"
    stem = _stem(seconds, layout)
    if layout not in _FRACTION:
        return stem
    digits = f"{nanos:09d}"[: _FRACTION[layout]].rstrip("0")
    return f"{stem}.{digits}Z" if digits else f"{stem}Z"


def json_stamp(stamp: TimestampLike) -> str:
    """A timestamp in protobuf's JSON form: 0, 3, 6 or 9 digits of fraction and ``Z``."""
    seconds, nanos = stamp.seconds, stamp.nanos
    stem = _stem(seconds, "RFC3339")
    if not nanos:
        return f"{stem}Z"
    digits = f"{nanos:09d}"
    if digits.endswith("000000"):
        digits = digits[:3]
    elif digits.endswith("000"):
        digits = digits[:6]
    return f"{stem}.{digits}Z"


# compiled when first used, which most commands never do
_RFC3339 = r"(\d{4})-(\d{2})-(\d{2})T(\d{2})(?::(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?(?:(Z)|([+-])(\d{2}):(\d{2}))"
_DATE = r"(\d{4})-(\d{2})-(\d{2})"
_RFC1123Z = (
    rf"(?i:(?:{'|'.join(_DAYS)}), (\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}}) "
    r"(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2}))"
)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _checked(year: int, month: int, day: int, hour: int, minute: int, second: int, offset: int) -> int | None:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12 or not 1 <= day <= _MONTH_DAYS[month - 1] + leap:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    return (_second_of(year, month, day, hour, minute, second) - offset) * SECOND


def parse_rfc3339(text: str, *, partial: bool = False) -> int | None:
    """A moment from RFC 3339 with any fraction and zone; `partial` also allows minutes or seconds to be missing."""
    match = re.fullmatch(_RFC3339, text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zulu, sign, zone_hours, zone_minutes = match.groups()
    if second is None and (not partial or not zulu):
        return None
    offset = 0
    if sign:
        if int(zone_hours) > 24 or int(zone_minutes) > 59:
            return None
        offset = (int(zone_hours) * 3600 + int(zone_minutes) * 60) * (1 if sign == "+" else -1)
    whole = _checked(int(year), int(month), int(day), int(hour), int(minute or 0), int(second or 0), offset)
    return None if whole is None else whole + int((fraction or "0")[:9].ljust(9, "0"))


def parse_moment(text: str) -> int | None:
    """An absolute moment in one of the layouts the command line reads, else None.

    ``2006-01-02``, ``2006-01-02T15Z``, ``2006-01-02T15:04Z``, RFC 3339 with any fraction, RFC 1123 with a numeric zone.
    """
    match = re.fullmatch(_DATE, text)
    if match:
        year, month, day = (int(part) for part in match.groups())
        return _checked(year, month, day, 0, 0, 0, 0)
    found = parse_rfc3339(text, partial=True)
    if found is not None:
        return found
    match = re.fullmatch(_RFC1123Z, text)
    if not match:
        return None
    day_text, month_text, year_text, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    offset = (int(zone_hours) * 3600 + int(zone_minutes) * 60) * (1 if sign == "+" else -1)
    month = _MONTHS.index(month_text.capitalize()) + 1
    return _checked(int(year_text), month, int(day_text), int(hour), int(minute), int(second), offset)
