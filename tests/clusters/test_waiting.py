"""Waiting: the twin's clock jumps, and comes back as far ahead; others are waited for, with progress."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_helpers.clusters import Cluster, ClusterError, Home, Unsupported, start_twin, twins
from lab_helpers.clusters.waiting import Waited, clock_of, move_clock, wait

SOMEBODYS = Cluster("existing", "somebodys", Path(), Path())


def test_a_real_cluster_is_waited_for() -> None:
    slept: list[float] = []
    told: list[float] = []
    assert wait(SOMEBODYS, 2.5, progress=told.append, sleep=slept.append) == Waited(2.5, jumped=False)
    assert slept == [1.0, 1.0, 0.5]
    assert told == [2.5, 1.5, 0.5, 0.0]


def test_the_clock_of_a_real_cluster_is_not_ours() -> None:
    with pytest.raises(Unsupported, match="only the twin's clock"):
        clock_of(SOMEBODYS)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = Home(tmp_path_factory.mktemp("home"))
    yield start_twin(home)
    twins.stop(home)


def test_the_twin_jumps_and_stays_ahead_over_a_restart(twin: Cluster) -> None:
    before = clock_of(twin)
    assert before.ahead == 0
    assert twin.wait(3000) == Waited(3000, jumped=True)
    moved = clock_of(twin)
    assert moved.ahead > 2900, "what real time passed meanwhile is part of the 3000"
    assert moved.now > before.now
    twins.stop(Home(twin.state_dir))
    again = start_twin(Home(twin.state_dir))
    assert clock_of(again).ahead > 2900


@pytest.mark.parametrize("seconds", [-1, 1e9])
def test_no_way_back_and_no_leap_of_years(twin: Cluster, seconds: float) -> None:
    with pytest.raises(ClusterError, match="forward by at most 4 h"):
        move_clock(twin, seconds)


@pytest.mark.parametrize(("argument", "code"), [("+1m10s", 0), ("+90", 0), ("1.5m", 0), ("+7x", 2), ("+s", 2), ("", 2)])
def test_the_command_reads_durations(twin: Cluster, argument: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab_helpers.cli", "clock", argument],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **twin.environment()},
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert ("ahead of this machine" in done.stdout) == (code == 0)
    assert ("write for example +70s" in done.stderr) == (code == 2)
