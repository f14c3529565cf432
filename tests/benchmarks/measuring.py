"""What benchmarks measure with: seconds, memory and processor time of a twin of their own, told as lines of a table."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab_helpers.clusters import Cluster, start_twin


def say(what: str, figure: str) -> None:
    """One line of the table."""
    print(f"{what:64} {figure:>24}", flush=True)


def seconds(values: list[float]) -> str:
    """The median, and the span."""
    return f"{statistics.median(values) * 1000:.0f} ms ({min(values) * 1000:.0f}–{max(values) * 1000:.0f})"


def timed(action: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def until(what: Callable[[], bool], patience: float = 120.0, pause: float = 0.05) -> None:
    """Wait for a condition. Raises TimeoutError."""
    deadline = time.monotonic() + patience
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError("the cluster did not get there")
        time.sleep(pause)


def memory(cluster: Cluster) -> str:
    """Resident memory of the twin's process (Linux)."""
    status = Path(f"/proc/{cluster.facts['pid']}/status")
    if not status.exists():
        return "unknown here"
    size = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmRSS"))
    return f"{int(size.split()[1]) / 1024:.0f} MB"


class Effort:
    """Time since it was made, and what the twin's process computed since then (Linux); as a text."""

    def __init__(self, cluster: Cluster | None = None) -> None:
        self._began = time.perf_counter()
        self._before = self._computed(cluster)

    def read(self, cluster: Cluster) -> tuple[float, float]:
        """(seconds passed, seconds of processor time)."""
        return time.perf_counter() - self._began, self._computed(cluster) - self._before

    def told(self, cluster: Cluster) -> str:
        """Both, to be said."""
        passed, computed = self.read(cluster)
        return f"{passed:.1f} s, computing {computed:.1f} s"

    @staticmethod
    def _computed(cluster: Cluster | None) -> float:
        if cluster is None or not (found := Path(f"/proc/{cluster.facts['pid']}/stat")).exists():
            return 0.0
        fields = found.read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def twin() -> Iterator[Cluster]:
    """A fresh one, ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="twin-bench-", ignore_cleanup_errors=True) as folder:
        cluster = start_twin(Path(folder))
        try:
            yield cluster
        finally:
            cluster.down()


def run(cluster: Cluster, *words: str) -> None:
    """A command in the cluster's environment. Raises CalledProcessError."""
    environment = {**os.environ, **cluster.environment()}
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
