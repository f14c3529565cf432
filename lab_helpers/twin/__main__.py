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
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab_helpers.twin.assembly import Twin

__all__ = ["main"]

_MANY = 10_000
"""New containers between two collections: objects of a cluster are many, live long, and are seldom in cycles."""


def main() -> int:
    """Returns an exit code; failures to start are one line on stderr."""
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
    gc.disable()  # until everything is imported: nothing of that is ever garbage
    try:
        asyncio.run(_run(arguments))
    except OSError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _run(arguments: argparse.Namespace) -> None:
    from lab_helpers.twin.assembly import Twin
    from lab_helpers.twin.locking import hold

    home: Path = arguments.home
    lock = hold(home)
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
        lock.close()


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
