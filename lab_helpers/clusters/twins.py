"""The twin as a backend: start its process, wait until it answers, stop it.

The process is detached from the terminal and keeps its state in SQLite; ``stop`` then ``start`` (or a crash in
between) goes on where it was. ``wipe`` forgets everything: the next start is a fresh cluster.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_helpers.clusters.errors import AlreadyRunning, StartFailed, Unsupported
from lab_helpers.clusters.homes import Home, read_json
from lab_helpers.twin.locking import held

__all__ = ["DEFAULT_CILIUM_VERSION", "describe", "playable", "start", "stop", "wipe"]

DEFAULT_CILIUM_VERSION = "1.20.2"
OLDEST = (1, 19)
"""The oldest minor release whose behaviour the twin plays; helm knows older charts."""
_LOG_LINES = 12


def describe(home: Home) -> Mapping[str, Any] | None:
    """What the running twin says of itself (``pid``, ``server``, ``kubeconfig``, ``relay``, …); None when none runs."""
    facts = read_json(home.twin / "twin.json")
    return facts if facts and held(home.twin) else None


def start(
    home: Home, *, port: int = 0, cilium_version: str = "", eager_clock: bool = False, timeout: float = 30.0
) -> Mapping[str, Any]:
    """Start the twin and wait until its API answers. ``cilium_version`` is what tools install when none is named
    ("": as before); ``eager_clock`` is for runs that nobody watches: what is only waited for comes at once. Raises
    AlreadyRunning, StartFailed, Unsupported.
    """
    chosen = playable(cilium_version) if cilium_version else ""
    home.prepare()
    running = describe(home)
    if running:
        where = f"{running['server']} (process {running['pid']})"
        raise AlreadyRunning(
            "the twin is running already", where=where, try_="cilium-labs status, or cilium-labs down first"
        )
    (home.twin / "twin.json").unlink(missing_ok=True)
    log = home.twin / "twin.log"
    command = [
        sys.executable,
        "-m",
        "lab_helpers.twin",
        "--home",
        str(home.twin),
        "--port",
        str(port),
        "--cilium-version",
        chosen,
        *(["--eager-clock"] if eager_clock else []),
    ]
    try:
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd=home.twin, **_detached()
            )
    except OSError as error:
        raise StartFailed(
            f"the twin could not be started: {error.strerror or error}", where=str(log), try_="cilium-labs doctor"
        ) from error
    try:
        return _wait(home, process, log, timeout)
    except BaseException:
        if process.poll() is None:
            process.terminate()
        raise


def playable(text: str) -> str:
    """The Cilium meant by ``1.19.8``, ``v1.19.8`` or ``1.19``. Raises Unsupported for one the twin does not play."""
    from lab_helpers.tools.charts.cilium import VERSIONS, resolve_version

    found = resolve_version(text)
    if found is None or found.series < OLDEST:
        known = ", ".join(version.text for version in VERSIONS if version.series >= OLDEST)
        raise Unsupported(f'the twin does not play Cilium "{text}"', try_=f"--cilium-version with one of {known}")
    return found.text


def stop(home: Home, *, timeout: float = 10.0) -> bool:
    """Stop the running twin; False when none ran."""
    running = describe(home)
    if running is None:
        return False
    pid = int(running["pid"])
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while held(home.twin) and time.monotonic() < deadline:
        time.sleep(0.02)
    if held(home.twin):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    (home.twin / "twin.json").unlink(missing_ok=True)
    return True


def wipe(home: Home) -> None:
    """Forget the cluster's state. The twin must be stopped."""
    shutil.rmtree(home.twin, ignore_errors=True)


def _detached() -> dict[str, Any]:
    if os.name == "nt":
        return {"creationflags": 0x00000008 | 0x00000200}  # DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP
    return {"start_new_session": True}


def _wait(home: Home, process: subprocess.Popen[bytes], log: Path, timeout: float) -> Mapping[str, Any]:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        facts = read_json(home.twin / "twin.json")
        if facts and facts.get("pid") == process.pid:
            process.returncode = 0  # detached: it is not ours to wait for when this object goes
            return facts
        if process.poll() is not None:
            raise StartFailed(
                f"the twin stopped while starting (exit code {process.returncode}):\n{_tail(log)}",
                where=str(log),
                try_="cilium-labs doctor",
            )
        time.sleep(0.01)
    process.terminate()
    raise StartFailed(
        f"the twin did not answer within {timeout:.0f} s:\n{_tail(log)}", where=str(log), try_="cilium-labs doctor"
    )


def _tail(log: Path) -> str:
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    return "\n".join("  " + line for line in lines) or "  (its log is empty; is the disk full?)"
