"""One process per home: an operating-system lock that ends with the process, however it ends.

A process id alone cannot tell: it may be a zombie, or belong to somebody else by now.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

__all__ = ["HomeInUseError", "held", "hold"]

LOCK = "twin.lock"


class HomeInUseError(OSError):
    """Another twin runs in this home."""


def hold(home: Path) -> IO[bytes]:
    """Take the lock until the returned file is closed (or the process ends). Raises HomeInUseError."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    stream = (home / LOCK).open("a+b")
    if _try_lock(stream):
        return stream
    stream.close()
    raise HomeInUseError(f"another twin runs in {home}; cilium-labs down stops it")


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
