"""One twin for all tests of tasks; labs are brought to their start between them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_helpers.clusters import Cluster, start_twin
from lab_helpers.course import sessions
from lab_helpers.course.sessions import Lab

LABS = Path(__file__).resolve().parents[2] / "labs"


@contextlib.contextmanager
def time_lapse(cluster: Callable[[], Cluster]) -> Iterator[None]:
    """The twin's clock runs fast inside: nobody waits for the delays of probes and rollouts."""
    over = threading.Event()

    def hurry() -> None:
        while not over.wait(0.1):
            with contextlib.suppress(Exception):  # a cluster that is being replaced does not answer
                cluster().wait(2.0)

    thread = threading.Thread(target=hurry)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    before = dict(os.environ)
    cluster = start_twin(tmp_path_factory.mktemp("twin"))
    yield cluster
    cluster.down()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def at_start(twin: Cluster) -> Iterator[Callable[[str], Lab]]:
    """The lab of that name at its start, by reset when it is the lab of the test before."""
    labs: list[Lab] = []

    def bring(name: str) -> Lab:
        current = labs[-1].cluster if labs else twin
        with time_lapse(lambda: labs[-1].cluster if labs else current):
            if not labs or labs[-1].outline.name != name:
                for former in labs:
                    former.close()
                labs[:] = [Lab(name, cluster=current, labs=LABS)]
            labs[-1].reset()
        return labs[-1]

    with pytest.MonkeyPatch.context() as patch:
        # the twin has a policy in place before kubectl returns
        patch.setattr(sessions, "SETTLING", 0.3)
        yield bring
    for lab in labs:
        lab.close()
