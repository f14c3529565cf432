"""The twin as a backend: start its process, wait until it answers, stop it.

The process is detached from the terminal and keeps its state in SQLite; ``stop`` then ``start`` (or a crash in
between) goes on where it was. ``wipe`` forgets everything: the next start is a fresh cluster.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_helpers.clusters.errors import AlreadyRunning, ClusterError, StartFailed, Unsupported
from lab_helpers.clusters.homes import Home, read_json
from lab_helpers.releases import CILIUM_VERSION as DEFAULT_CILIUM_VERSION
from lab_helpers.twin.locking import LOCK, HomeInUseError, held, hold

__all__ = ["DEFAULT_CILIUM_VERSION", "describe", "playable", "start", "stop", "wipe"]

OLDEST = (1, 19)
"""The oldest minor release whose behaviour the twin plays; helm knows older charts."""
SPACE = 24_000_000
"""Bytes that must be free: a cluster with Cilium and the shop takes 5 to 10 MB, its log of writes up to 16."""
_LOG_LINES = 12
_PATIENCE = 3.0


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
    if held(home.twin):
        raise _running_already(home)
    _require_space(home)
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
        with log.open("ab") as stream:  # a twin empties it once it has the home to itself
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd=home.twin, **_detached()
            )
    except OSError as error:
        raise StartFailed(
            f"the twin could not be started: {error.strerror or error}", where=str(log), try_="cilium-labs doctor"
        ) from error
    try:
        return _wait(home, process, timeout)
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
    """Stop the running twin, also one that is just starting; False when none ran. Raises ClusterError."""
    running = _described(home, timeout)
    if running is None:
        if held(home.twin):
            raise ClusterError(
                "a twin runs here that does not say which process it is",
                where=str(home.twin),
                try_="end the process `python -m lab_helpers.twin` with this folder, then run the command again",
            )
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
        while held(home.twin) and time.monotonic() < deadline + timeout:
            time.sleep(0.02)
    (home.twin / "twin.json").unlink(missing_ok=True)
    return True


def wipe(home: Home) -> None:
    """Forget the cluster's state. The twin must be stopped. Raises AlreadyRunning when one runs, ClusterError when
    something of it cannot be removed; then nothing was.
    """
    try:
        with hold(home.twin):
            state = home.twin / "state.db"
            # what cannot go without the rest goes first
            for path in (state, *(path for path in home.twin.iterdir() if path.name != LOCK and path != state)):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
    except HomeInUseError as error:
        raise AlreadyRunning(str(error), where=str(home.twin), try_=error.cure) from error
    except OSError as error:
        raise ClusterError(
            f"the state cannot be removed: {error.strerror or error}",
            where=str(error.filename or home.twin),
            try_="remove this folder by hand, or set CILIUM_LABS_HOME to another one",
        ) from error


def _detached() -> dict[str, Any]:
    if os.name == "nt":
        return {"creationflags": 0x00000008 | 0x00000200}  # DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP
    return {"start_new_session": True}


def _described(home: Home, patience: float) -> Mapping[str, Any] | None:
    """``describe``, but a twin that is just starting is given time to say who it is."""
    deadline = time.monotonic() + patience
    while (facts := describe(home)) is None and held(home.twin) and time.monotonic() < deadline:
        time.sleep(0.02)
    return facts


def _running_already(home: Home) -> AlreadyRunning:
    running = _described(home, _PATIENCE) or {}
    where = f"{running['server']} (process {running['pid']})" if running else str(home.twin)
    return AlreadyRunning(
        "the twin is running already", where=where, try_="cilium-labs status, or cilium-labs down first"
    )


def _require_space(home: Home) -> None:
    free = shutil.disk_usage(home.twin).free
    if free < SPACE:
        raise StartFailed(
            f"no space: {free / 1e6:.1f} MB are free, and a cluster needs {SPACE / 1e6:.0f} MB for its state",
            where=str(home.twin),
            try_="free some space, or set CILIUM_LABS_HOME to a folder on another disk",
        )


def _wait(home: Home, process: subprocess.Popen[bytes], timeout: float) -> Mapping[str, Any]:
    log = home.twin / "twin.log"
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        facts = read_json(home.twin / "twin.json")
        if facts and facts.get("pid") == process.pid:
            process.returncode = 0  # detached: it is not ours to wait for when this object goes
            return facts
        if process.poll() == HomeInUseError.EXIT_CODE:
            raise _running_already(home)
        if process.returncode is not None:
            raise _stopped(process.returncode, log)
        time.sleep(0.01)
    process.terminate()
    raise StartFailed(
        f"the twin did not answer within {timeout:.0f} s:\n{_tail(log)}", where=str(log), try_="cilium-labs doctor"
    )


def _stopped(code: int, log: Path) -> StartFailed:
    """What a twin that ended before it answered has to say: its own words where it has some, else the log's end."""
    said = re.search(r"^error: (?P<what>.+)\n(?:try: (?P<cure>.+)\n)?\Z", _text(log), re.MULTILINE)
    if said:
        return StartFailed(said["what"], where=str(log), try_=said["cure"] or "cilium-labs doctor")
    what = f"the twin stopped while starting (exit code {code}):\n{_tail(log)}"
    return StartFailed(what, where=str(log), try_="cilium-labs doctor")


def _text(log: Path) -> str:
    with contextlib.suppress(OSError):
        return log.read_text(encoding="utf-8", errors="replace")
    return ""


def _tail(log: Path) -> str:
    lines = _text(log).splitlines()[-_LOG_LINES:]
    return "\n".join("  " + line for line in lines) or "  (its log is empty; is the disk full?)"
