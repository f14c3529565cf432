"""One twin for all tests of tasks; labs are brought to their start between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_helpers.clusters import Cluster, start_twin
from lab_helpers.course import sessions
from lab_helpers.course.sessions import Lab

LABS = Path(__file__).resolve().parents[2] / "labs"


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
    last: list[Lab] = []

    def bring(name: str) -> Lab:
        if not last or last[-1].outline.name != name:
            for former in last:
                former.close()
            last[:] = [Lab(name, cluster=twin, labs=LABS)]
        last[-1].reset()
        return last[-1]

    with pytest.MonkeyPatch.context() as patch:
        # the twin has a policy in place before kubectl returns
        patch.setattr(sessions, "SETTLING", 0.3)
        yield bring
    for lab in last:
        lab.close()
