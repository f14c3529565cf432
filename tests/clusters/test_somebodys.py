"""The contract suite on a cluster that is somebody's: a twin it did not start, known by its kubeconfig alone."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_helpers.clusters import Cluster, start_twin
from lab_helpers.course.api import Api
from lab_helpers.course.staging import Stager
from lab_helpers.course.tasks import Stage
from lab_helpers.course.tooling import Tools
from tests.clusters.contract.conftest import hurried
from tests.clusters.contract.inventories import inventory

ROOT = Path(__file__).resolve().parents[2]
SOME = ("test_hubble.py::test_relay_knows_its_nodes", "test_labs.py::test_the_card_says_what_it_runs_on")


@pytest.fixture(scope="module")
def somebodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = start_twin(tmp_path_factory.mktemp("somebody"))
    with hurried(cluster), contextlib.closing(Api(cluster.api())) as api:
        Stager(api, Tools(cluster.environment()), own=True, say=lambda _line: None).reach(Stage.CILIUM)
    yield cluster
    cluster.down()


def run_suite(cluster: Cluster, *tests: str) -> str:
    """Run tests of the suite with nothing but the kubeconfig; their output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CILIUM_LABS", "HUBBLE", "KUBE"))}
    chosen = [str(ROOT / "tests" / "clusters" / "contract" / test) for test in tests or ("",)]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "--backend",
        "existing",
    ]
    done = subprocess.run(
        [*command, "--kubeconfig", str(cluster.kubeconfig), *chosen],
        cwd=ROOT,
        env={name: value for name, value in kept.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "tests",
    [pytest.param(SOME, id="some"), pytest.param((), id="all", marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
    ids=str,
)
def test_the_suite_leaves_nothing_in_somebodys_cluster(somebodys: Cluster, tests: tuple[str, ...]) -> None:
    with contextlib.closing(Api(somebodys.api())) as api:
        before = inventory(api)
        assert {entry.resource for entry in before} >= {"namespaces", "nodes", "services", "daemonsets.apps"}
        assert " passed" in run_suite(somebodys, *tests)
        assert inventory(api) == before


def test_what_is_left_is_seen(somebodys: Cluster) -> None:
    left = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "left", "namespace": "default"},
        "data": {},
    }
    with contextlib.closing(Api(somebodys.api())) as api:
        before = inventory(api)
        api.apply(left)
        assert {(entry.resource, entry.name) for entry in inventory(api) - before} == {("configmaps", "left")}
        api.delete("ConfigMap", "left", "default")
        assert inventory(api) == before
