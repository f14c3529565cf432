"""Which part of the buffer is asked for: ``--last``, ``--first``, ``--all``, ``--since``, ``--until``, ``--follow``."""

import time
from typing import Any

from lab_helpers.hubble import times
from lab_helpers.tools.goflags import ExitError, FlagSet, parse_duration

ALL = (1 << 64) - 1
DEFAULT_NUMBER = 20
TIME_TABLE = """
  StampMilli:             Jan _2 15:04:05.000
  YearMonthDay:           2006-01-02
  YearMonthDayHour:       2006-01-02T15Z07:00
  YearMonthDayHourMinute: 2006-01-02T15:04Z07:00
  RFC3339:                2006-01-02T15:04:05Z07:00
  RFC3339Milli:           2006-01-02T15:04:05.999Z07:00
  RFC3339Micro:           2006-01-02T15:04:05.999999Z07:00
  RFC3339Nano:            2006-01-02T15:04:05.999999999Z07:00
  RFC1123Z:               Mon, 02 Jan 2006 15:04:05 -0700"""


def selector_flags() -> FlagSet:
    """The flags of this module."""
    flags = FlagSet("Selectors")
    flags.bool("all", False, "Everything in the buffer; can be a lot, best together with filters")
    flags.number("first", 0, "The oldest N; of a relay, the oldest N of every node", kind="uint64")
    flags.bool("follow", False, "Keep printing what arrives", shorthand="f")
    flags.number(
        "last", 0, f"The newest N; of a relay, the newest N of every node ({DEFAULT_NUMBER} unless told)", kind="uint64"
    )
    flags.string("since", "", f"From this moment on: an age (3s, 4m, 1h43m …) or one of:{TIME_TABLE}")
    flags.string("until", "", f"Up to this moment: an age (3s, 4m, 1h43m …) or one of:{TIME_TABLE}")
    return flags


def check_combinations(flags: FlagSet) -> None:
    """Refuse flags that contradict each other."""
    first, last, everything, follow = (flags[name] for name in ("first", "last", "all", "follow"))
    for left, right, clash in (
        ("first", "last", first and last),
        ("first", "all", first and everything),
        ("first", "follow", first and follow),
        ("last", "all", last and everything),
    ):
        if clash:
            raise ExitError(f"cannot set both --{left} and --{right}")


def moment(text: str, name: str) -> int:
    """Nanoseconds since 1970 of a ``--since`` or ``--until``."""
    try:
        return time.time_ns() - parse_duration(text)
    except ValueError:
        pass
    found = times.parse_moment(text)
    if found is None:
        raise ExitError(f"failed to parse the {name} time: failed to convert {text} to time")
    return found


def fill(request: Any, flags: FlagSet, *, is_file: bool = False, events: bool = False) -> None:
    """Set number, first, follow, since and until of a request.

    `is_file`: flows come from a file, where the default is everything. `events`: agent and debug events know no
    ``--first`` and keep their default number when following.
    """
    first, last, everything, follow = (flags[name] for name in ("first", "last", "all", "follow"))
    if flags["since"]:
        request.since.seconds, request.since.nanos = divmod(moment(flags["since"], "since"), times.SECOND)
    if flags["until"] and not follow:
        request.until.seconds, request.until.nanos = divmod(moment(flags["until"], "until"), times.SECOND)
    bounded = request.HasField("since") or request.HasField("until")
    if last:
        request.number = last
    elif first and not events:
        request.number, request.first = first, True
    elif everything:
        request.number = 0 if bounded else ALL
    elif not bounded and not (follow and not events) and not is_file:
        request.number = DEFAULT_NUMBER
    request.follow = follow
