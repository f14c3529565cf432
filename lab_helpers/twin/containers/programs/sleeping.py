"""Programs that pass time: sleep, timeout, time, date, watch-less waiting, and ``pause``."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

from lab_helpers.twin.containers.errors import Deadline, ProgramExit
from lab_helpers.twin.containers.processes import SIGNALS, SimulatedProcess, program
from lab_helpers.twin.containers.timing import within

__all__ = ["date", "pause", "sleep", "time", "timeout"]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(name: str, text: str) -> float:
    if text in ("inf", "infinity"):
        return float("inf")
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)", text)
    if not found:
        raise ProgramExit(1, f"{name}: invalid number '{text}'\n")
    return float(found.group(1)) * _UNITS[found.group(2)]


@program
async def sleep(process: SimulatedProcess) -> int:
    """sleep N[smhd]..."""
    if len(process.argv) < 2:
        return await process.fail("missing operand")
    seconds = sum(_duration("sleep", text) for text in process.argv[1:])
    if seconds == float("inf"):
        await asyncio.Event().wait()
    if seconds:
        await process.clock.sleep(seconds)
    return 0


@program
async def pause(process: SimulatedProcess) -> int:  # noqa: ARG001 - every program takes its process
    """Hold a pod's namespaces until told to end."""
    await asyncio.Event().wait()
    return 0


@program
async def timeout(process: SimulatedProcess) -> int:
    """timeout [-s SIG] [-k SECS] SECS PROG ARGS; 143 (SIGTERM) in BusyBox, 124 in coreutils, which this follows."""
    arguments = list(process.argv[1:])
    signal = SIGNALS["TERM"]
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option in ("-s", "-k", "--signal", "--kill-after") and arguments:
            value = arguments.pop(0)
            if option in ("-s", "--signal"):
                signal = SIGNALS.get(value.upper().removeprefix("SIG"), int(value) if value.isdigit() else signal)
    if len(arguments) < 2:
        return await process.fail("usage: timeout [-s SIG] SECS PROG ARGS", 125)
    seconds = _duration("timeout", arguments[0])
    try:
        child = process.spawn(arguments[1:])
    except FileNotFoundError:
        return await process.fail(f"can't execute '{arguments[1]}': No such file or directory", 127)
    try:
        async with within(process.clock, seconds if 0 < seconds < float("inf") else None):
            return await process.run(child)
    except Deadline:
        child.kill(signal)
        await child.wait()
        return 124


@program
async def time(process: SimulatedProcess) -> int:
    """time PROG ARGS"""
    arguments = [word for word in process.argv[1:] if word != "-p"]
    began = process.clock.monotonic()
    try:
        code = await process.run(process.spawn(arguments)) if arguments else 0
    except FileNotFoundError:
        return await process.fail(f"can't execute '{arguments[0]}': No such file or directory", 127)
    minutes, seconds = divmod(process.clock.monotonic() - began, 60)
    await process.err(f"real\t{int(minutes)}m {seconds:.2f}s\nuser\t0m 0.00s\nsys\t0m 0.00s\n")
    return code


@program
async def date(process: SimulatedProcess) -> int:
    """date [-u] [-I[s]] [-d @SECONDS] [+FORMAT]"""
    moment = process.clock.now()
    form = "%a %b %e %H:%M:%S UTC %Y"
    arguments = list(process.argv[1:])
    while arguments:
        word = arguments.pop(0)
        if word.startswith("+"):
            form = word[1:]
        elif word in ("-u", "--utc"):
            continue
        elif word.startswith(("-I", "--iso-8601")):
            form = "%Y-%m-%dT%H:%M:%S+00:00" if "s" in word[2:].removeprefix("o-8601=") else "%Y-%m-%d"
        elif word in ("-R", "--rfc-2822"):
            form = "%a, %d %b %Y %H:%M:%S +0000"
        elif word == "-d" and arguments and re.fullmatch(r"@\d+(\.\d+)?", arguments[0]):
            moment = datetime.fromtimestamp(float(arguments.pop(0)[1:]), UTC)
        else:
            return await process.fail(f"invalid date '{word}'")
    await process.out(_format(moment, form) + "\n")
    return 0


def _format(moment: datetime, form: str) -> str:
    """strftime without the C library's locale and platform differences."""
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    months = (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    )
    day, month = days[moment.weekday()], months[moment.month - 1]
    values = {
        "a": day[:3], "A": day, "b": month[:3], "h": month[:3], "B": month, "d": f"{moment.day:02d}",
        "e": f"{moment.day:2d}", "H": f"{moment.hour:02d}", "I": f"{(moment.hour + 11) % 12 + 1:02d}",
        "M": f"{moment.minute:02d}", "S": f"{moment.second:02d}", "m": f"{moment.month:02d}",
        "y": f"{moment.year % 100:02d}", "Y": str(moment.year), "p": "AM" if moment.hour < 12 else "PM",
        "N": f"{moment.microsecond:06d}000", "s": str(int(moment.timestamp())), "Z": "UTC", "z": "+0000", "n": "\n",
        "t": "\t", "%": "%", "F": f"{moment.year}-{moment.month:02d}-{moment.day:02d}",
        "T": f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}",
        "R": f"{moment.hour:02d}:{moment.minute:02d}", "j": f"{moment.timetuple().tm_yday:03d}",
        "u": str(moment.isoweekday()), "D": f"{moment.month:02d}/{moment.day:02d}/{moment.year % 100:02d}",
    }  # fmt: skip
    return re.sub(r"%[-_0]?([A-Za-z%])", lambda found: values.get(found.group(1), found.group()), form)
