"""Times as Go prints them (time.Duration.String)."""

from __future__ import annotations

__all__ = ["go_duration"]


def go_duration(seconds: float) -> str:
    """``1m23.177s``, as Go prints a duration; fractions of a millisecond are kept to the nanosecond."""
    nanos = round(seconds * 1e9)
    if not nanos:
        return "0s"
    minutes, rest = divmod(nanos, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest // 10**9}.{rest % 10**9:09d}".rstrip("0").rstrip(".")
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{text}s"
