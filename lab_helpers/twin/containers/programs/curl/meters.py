"""curl's progress meter (lib/progress.c): on standard error when standard output is no terminal, unless ``-s``."""

from __future__ import annotations

from lab_helpers.twin.containers.programs.curl.transfers import Transfer

__all__ = ["HEADER", "line"]

HEADER = (
    "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    "                                 Dload  Upload   Total   Spent    Left  Speed\n"
)


def line(transfer: Transfer, seconds: float) -> str:
    """The meter after ``seconds``, beginning with a carriage return."""
    down, up = transfer.downloaded, transfer.uploaded
    length = next((value for key, value in transfer.headers if key.lower() == "content-length"), "")
    total = (int(length) if length.isdigit() else 0) + up
    speed = int(down / seconds) if seconds >= 0.001 else down * 1000
    up_speed = int(up / seconds) if seconds >= 0.001 else up * 1000
    spent = _clock(seconds)
    pairs = ((down + up, total, total), (down, total - up, down), (up, up, up))
    columns = "  ".join(f"{_share(part, whole)} {_size(shown)}" for part, whole, shown in pairs)
    return f"\r{columns}  {_size(speed)}  {_size(up_speed)} --:--:-- {spent} --:--:-- {_size(speed)}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part // whole if whole else 0:3d}"


def _size(number: int) -> str:
    """Five characters: plain, else with k, M, G."""
    if number < 100_000:
        return f"{number:5d}"
    for unit, step in (("k", 2**10), ("M", 2**20), ("G", 2**30)):
        if number < 10_000 * step:
            return f"{number // step:4d}{unit}"
    return f"{number // 2**40:4d}T"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:2d}:{whole // 60 % 60:02d}:{whole % 60:02d}" if whole else "--:--:--"
