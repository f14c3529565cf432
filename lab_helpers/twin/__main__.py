"""``python -m lab_helpers.twin --home DIR``: the twin's process.

``cilium-labs up`` starts it; SIGTERM or Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab_helpers.twin.assembly import Twin

__all__ = ["main"]

_MANY = 10_000
"""New containers between two collections: objects of a cluster are many, live long, and are seldom in cycles."""


def main() -> int:
    """Returns an exit code. What keeps it from starting is ``error: …`` on stderr, with ``try: …`` below where there is
    a cure; the code is HomeInUseError's when another twin has the home.
    """
    parser = argparse.ArgumentParser(prog="python -m lab_helpers.twin", description="The embedded cluster's process.")
    parser.add_argument("--home", type=Path, required=True, help="folder for its state, kubeconfig and socket")
    parser.add_argument(
        "--port", type=int, default=0, help="port of the API server on 127.0.0.1 (default: as before, or a free one)"
    )
    parser.add_argument(
        "--cilium-version", default="", help="the Cilium this cluster is meant for (default: as before)"
    )
    parser.add_argument(
        "--eager-clock", action="store_true", help="what a command or a watch only waits for comes at once"
    )
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    from lab_helpers.twin.locking import HomeInUseError, hold
    from lab_helpers.twin.objects.storage import StorageError

    gc.disable()  # until everything is imported: nothing of that is ever garbage
    try:
        with hold(arguments.home):
            _forget_last(arguments.home)
            asyncio.run(_run(arguments))
    except HomeInUseError as error:
        return _fail(str(error), error.cure, error.EXIT_CODE)
    except StorageError as error:
        return _fail(error.what, error.cure)
    except OSError as error:
        return _fail(str(error), getattr(error, "cure", ""))
    except KeyboardInterrupt:
        return 130
    return 0


def _fail(what: str, cure: str, code: int = 1) -> int:
    sys.stderr.write(f"error: {what}\n" + (f"try: {cure}\n" if cure else ""))
    return code


def _forget_last(home: Path) -> None:
    """What the last twin said of itself is wrong from now on, and its log is over (where stderr is one)."""
    (home / "twin.json").unlink(missing_ok=True)
    with contextlib.suppress(OSError, ValueError):
        if stat.S_ISREG(os.fstat(sys.stderr.fileno()).st_mode):
            os.ftruncate(sys.stderr.fileno(), 0)


async def _run(arguments: argparse.Namespace) -> None:
    from lab_helpers.twin.assembly import Twin

    home: Path = arguments.home
    twin = Twin(home, port=arguments.port, cilium_version=arguments.cilium_version, eager=arguments.eager_clock)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            with contextlib.suppress(NotImplementedError):  # Windows: ended by TerminateProcess; the state is safe
                loop.add_signal_handler(getattr(signal, name), ended.set)
    await twin.start()
    _announce(twin, await twin.relay_target(), eager_clock=arguments.eager_clock)
    try:
        await twin.alive()
        gc.enable()
        gc.freeze()
        gc.set_threshold(_MANY)
        await ended.wait()
    finally:
        (home / "twin.json").unlink(missing_ok=True)
        await twin.stop()


def _announce(twin: Twin, relay: str, *, eager_clock: bool) -> None:
    """Say where everything is, for ``cilium-labs`` and whoever else has to know."""
    facts = {
        "pid": os.getpid(),
        "server": twin.url,
        "kubeconfig": str(twin.kubeconfig),
        "relay": relay,
        "cilium_version": twin.cilium_version,
        "eager_clock": eager_clock,
    }
    part = twin.home / "twin.json.part"
    part.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    part.replace(twin.home / "twin.json")


if __name__ == "__main__":
    sys.exit(main())
