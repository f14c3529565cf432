"""One process per home: an operating-system lock that ends with the process, however it ends.

A process id alone cannot tell: it may be a zombie, or belong to somebody else by now.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO

__all__ = ["HomeInUseError", "held", "hold"]

LOCK = "twin.lock"
_TRIES, _PAUSE = 10, 0.03


class HomeInUseError(OSError):
    """Another twin runs in this home; ``cure`` is what to try, ``EXIT_CODE`` how a twin ends that finds one."""

    EXIT_CODE = 3
    cure = "cilium-labs down stops it"


def hold(home: Path) -> IO[bytes]:
    """Take the lock until the returned file is closed (or the process ends). Raises HomeInUseError."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    stream = (home / LOCK).open("a+b")
    for _ in range(_TRIES):
        if _try_lock(stream):
            return stream
        time.sleep(_PAUSE)  # who only asks whether it is held has it for an instant
    stream.close()
    raise HomeInUseError(f"another twin runs in {home}")


def held(home: Path) -> bool:
    """Does a living process hold the lock?"""
    try:
        stream = (home / LOCK).open("r+b")
    except OSError:
        return False
    with stream:
        return not _try_lock(stream)


def _try_lock(stream: IO[bytes]) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
