"""``python3 script.py``: a script whose text contains ``# simulated-as: <name>/<version>`` is played by the program of
that name, if it is that script: a changed one would do something else.

The twin has no interpreter for containers, by design: nothing of theirs may run on the host.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.python.calling import shop_caller
from lab_helpers.twin.containers.programs.python.shop import shop_backend
from lab_helpers.twin.interfaces import Program

__all__ = ["PLAYERS", "PYTHON_VERSION", "Player", "digest", "python3"]

PYTHON_VERSION = "3.13.9"


class Player(NamedTuple):
    """A program that plays a script, and the ``digest`` of that script."""

    program: Program
    digest: str


PLAYERS: Mapping[str, Player] = {
    "shop-backend/1": Player(shop_backend, "cd4e073b52822b41"),
    "shop-caller/1": Player(shop_caller, "d6b971cba6a9fa9d"),
}

_MARKER = re.compile(r"^#\s*simulated-as:\s*(\S+)", re.MULTILINE)


def digest(script: str) -> str:
    """What tells scripts apart, blanks at the ends and line ends aside."""
    return hashlib.sha256("\n".join(script.strip().splitlines()).encode()).hexdigest()[:16]


@program
async def python3(process: SimulatedProcess) -> int:
    """python3 [-u] script.py"""
    arguments = list(process.argv[1:])
    known = ", ".join(sorted(PLAYERS))
    while arguments and arguments[0].startswith("-") and len(arguments[0]) > 1:
        option = arguments.pop(0)
        if option in ("-V", "--version", "-VV"):
            await process.out(f"Python {PYTHON_VERSION}\n")
            return 0
        if option in ("-c", "-m"):
            return await _refuse(process, f"python3 {option} {arguments[0] if arguments else ''}".strip(), known)
    if not arguments or arguments[0] == "-":
        return await _refuse(process, "an interactive interpreter or a script on standard input", known)
    name = arguments[0]
    try:
        text = process.read_file(name).decode("utf-8", "replace")
    except OSError as error:
        await process.err(f"python3: can't open file '{process.path(name)}': [Errno {error.errno}] {error.strerror}\n")
        return 2
    found = _MARKER.search(text)
    player = PLAYERS.get(found.group(1)) if found else None
    if player is None:
        return await _refuse(process, name if found is None else f"{name} (simulated-as: {found.group(1)})", known)
    if player.digest != digest(text):
        return await _refuse(process, f"{name}: it was changed, and only the course's own script can be played", known)
    return await player.program(process)


async def _refuse(process: SimulatedProcess, what: str, known: str) -> int:
    await process.err(
        f"python3: not simulated: {what}\n"
        "The embedded cluster runs no Python code of containers. It plays scripts whose first line is\n"
        f"'# simulated-as: NAME' with one of these names: {known}.\n"
    )
    return 1
