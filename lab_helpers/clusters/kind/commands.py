"""Running programs: their output kept and, if wanted, shown line by line; nothing is left running after Ctrl-C."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lab_helpers.clusters.kind.errors import CommandFailed
from lab_helpers.clusters.kind.failures import explain

__all__ = ["Ran", "checked", "run"]


class Ran(NamedTuple):
    """How a program ended. ``output`` is standard output, ``errors`` standard error."""

    code: int
    output: str
    errors: str

    def __bool__(self) -> bool:
        return self.code == 0


def run(
    command: Sequence[str],
    *,
    timeout: float = 60.0,
    environ: Mapping[str, str] | None = None,
    say: Callable[[str], None] | None = None,
) -> Ran:
    """Run to the end. ``say`` is told each line of standard error as it comes.

    Raises CommandFailed: not there, too long.
    """
    where = shlex.join(command)
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environ or {})},
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise CommandFailed(
            f"{command[0]} cannot be started: {error.strerror}", where=where, try_="cilium-labs doctor --backend kind"
        ) from error
    streams = {"output": process.stdout, "errors": process.stderr}
    kept: dict[str, list[str]] = {name: [] for name in streams}

    def read(name: str) -> None:
        stream = streams[name]
        assert stream is not None
        for line in stream:
            kept[name].append(line)
            if say is not None and name == "errors" and line.strip():
                say(line.rstrip())

    readers = [threading.Thread(target=read, args=(name,), daemon=True) for name in streams]
    for reader in readers:
        reader.start()
    try:
        process.wait(timeout)
        for reader in readers:
            reader.join(5)
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(
            f"{command[0]} did not end within {timeout:.0f} s",
            where=where,
            try_="is the container engine busy or hung? docker ps should answer at once",
            output="".join(kept["errors"]),
        ) from error
    finally:
        _end(process)
        for stream in streams.values():
            assert stream is not None
            stream.close()
    return Ran(process.returncode, "".join(kept["output"]), "".join(kept["errors"]))


def checked(
    command: Sequence[str],
    *,
    timeout: float = 60.0,
    environ: Mapping[str, str] | None = None,
    say: Callable[[str], None] | None = None,
) -> str:
    """Standard output of a program that succeeds.

    Raises CommandFailed with what it said, and what that usually means.
    """
    ran = run(command, timeout=timeout, environ=environ, say=say)
    if ran:
        return ran.output
    text = (ran.errors + ran.output).strip()
    meaning, cure = explain(text)
    quoted = "\n".join("  " + line for line in text.splitlines()[-12:]) or "  (it said nothing)"
    what = f"{meaning}\n{quoted}" if meaning else f"{command[0]} ended with exit code {ran.code}:\n{quoted}"
    raise CommandFailed(what, where=shlex.join(command), try_=cure, output=text)


def _end(process: subprocess.Popen[str]) -> None:
    """End a program that still runs, gently first."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(10)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()
