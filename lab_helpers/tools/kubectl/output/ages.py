"""Times as kubectl shows them (k8s.io/apimachinery util/duration)."""

import time
from typing import Any


def parse_time(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time. Raises ValueError."""
    import datetime as dt

    return dt.datetime.fromisoformat(text).timestamp()


def human_duration(seconds: float) -> str:
    """``5s``, ``2m10s``, ``3h5m``, ``2d4h``, ``10d``, ``2y35d``."""
    if seconds < -1:
        return "<invalid>"
    whole = max(int(seconds), 0)
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return _pair(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return _pair(hours // 24, "d", hours % 24, "h")
    days = hours // 24
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _pair(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _pair(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"


def age(timestamp: Any, now: float | None = None) -> str:
    """How long ago; ``<unknown>`` without a time."""
    if not timestamp:
        return "<unknown>"
    return human_duration((time.time() if now is None else now) - parse_time(str(timestamp)))


def long_time(timestamp: Any) -> str:
    """``Mon, 02 Jan 2006 15:04:05 +0000`` in the local zone, as describe prints times."""
    import datetime as dt

    if not timestamp:
        return ""
    moment = dt.datetime.fromisoformat(str(timestamp)).astimezone()
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{days[moment.weekday()]}, {moment:%d} {months[moment.month - 1]} {moment:%Y %H:%M:%S %z}"
