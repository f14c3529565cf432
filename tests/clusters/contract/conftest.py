"""A cluster, whichever it is, with a small copy of the shop in namespaces of its own.

``--backend twin`` (the default) brings its own up; ``existing`` adopts a kubeconfig's context; ``kind`` uses the kind
cluster that is up, or makes one. Afterwards nothing the suite made is left in a cluster that was there before.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubernetes import client

from lab_helpers.clusters import Cluster, ClusterError, Home, connect, default_home, start_twin
from lab_helpers.course.api import Api, Resource
from lab_helpers.course.limitations import limitation
from lab_helpers.course.observing import HubbleFlows
from lab_helpers.course.probing import Prober
from lab_helpers.course.staging import Stager
from lab_helpers.course.tasks import Stage
from lab_helpers.course.tooling import Tools
from tests.clusters.contract.inventories import LABEL, inventory
from tests.clusters.contract.stages import Shop, set_up, take_down

CILIUM_TIMEOUT = 600


def pytest_runtest_setup(item: pytest.Item) -> None:
    backend = item.config.getoption("--backend")
    for mark in item.iter_markers("needs"):
        for key in mark.args:
            limit = limitation(key)
            if backend in limit.backends:
                pytest.skip(f"{limit.what}: {limit.why}")


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, with Cilium and Hubble Relay in it."""
    backend = request.config.getoption("--backend")
    before = dict(os.environ)
    home = tmp_path_factory.mktemp("home")
    try:
        if backend == "twin":
            yield from _twin(home)
        elif backend == "existing":
            yield from _existing(home, request.config.getoption("--kubeconfig"), request.config.getoption("--context"))
        else:
            yield _kind()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _twin(home: Path) -> Iterator[Cluster]:
    cluster = start_twin(home)
    try:
        with hurried(cluster), contextlib.closing(Api(cluster.api())) as api:
            Stager(api, Tools(cluster.environment()), own=True, say=lambda _line: None).reach(Stage.CILIUM)
        yield cluster
    finally:
        cluster.down()


def _existing(home: Path, kubeconfig: str, context: str) -> Iterator[Cluster]:
    if kubeconfig:
        os.environ["KUBECONFIG"] = kubeconfig
    os.environ["CILIUM_LABS_HOME"] = str(home)
    _command("up", "--backend", "existing", *(["--context", context] if context else []))
    cluster = connect(Home(home))
    with contextlib.closing(Api(cluster.api())) as api:
        before = inventory(api)
        yield cluster
        left = inventory(api) ^ before
    # no `cilium-labs down`: it would remove a shop that somebody works with, too
    assert not left, "the suite changed what was in the cluster:\n" + "\n".join(map(str, sorted(left)))


def _kind() -> Cluster:
    with contextlib.suppress(ClusterError):
        cluster = connect(default_home())
        if cluster.backend == "kind" and cluster.reachable():
            return cluster
    _command("up", "--backend", "kind", "--with-cilium")
    return connect(default_home())


def _command(*words: str) -> None:
    command = [sys.executable, "-m", "lab_helpers.cli", *words]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=CILIUM_TIMEOUT,
        check=False,
    )
    if done.returncode:
        pytest.exit(f"cilium-labs {' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}", 4)


@contextlib.contextmanager
def hurried(cluster: Cluster) -> Iterator[None]:
    """On the twin nobody waits for the delays of probes and rollouts; elsewhere nothing happens."""
    over = threading.Event()

    def hurry() -> None:
        while not over.wait(0.1):
            with contextlib.suppress(ClusterError):
                cluster.wait(2.0)

    thread = threading.Thread(target=hurry)
    if cluster.backend == "twin":
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread.ident is not None:
            thread.join()


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    """The API as the course uses it."""
    with contextlib.closing(Api(cluster.api())) as api:
        yield api


@pytest.fixture(scope="session")
def official(cluster: Cluster) -> Iterator[client.ApiClient]:
    """The official client."""
    with cluster.api() as api:
        yield api


@pytest.fixture(scope="session")
def core(official: client.ApiClient) -> client.CoreV1Api:
    """Its core group."""
    return client.CoreV1Api(official)


@pytest.fixture(scope="session")
def shop(cluster: Cluster, api: Api) -> Iterator[Shop]:
    """Two labelled namespaces with the shop's workloads, running."""
    name = f"contract-{uuid.uuid4().hex[:6]}"
    try:
        with hurried(cluster):
            yield set_up(api, Shop(name, f"{name}-dev"))
    finally:
        with hurried(cluster):
            take_down(api, LABEL)


@pytest.fixture
def flows(cluster: Cluster) -> HubbleFlows:
    """Hubble through Relay."""
    return HubbleFlows(cluster)


@pytest.fixture
def prober(api: Api, flows: HubbleFlows) -> Prober:
    """Real connections from real pods."""
    return Prober(api, flows)


@pytest.fixture
def made(api: Api) -> Iterator[Callable[[Resource], Resource]]:
    """Apply an object; it is gone after the test."""
    objects: list[Resource] = []

    def make(resource: Resource) -> Resource:
        objects.append(resource)
        return api.apply(resource)

    yield make
    for resource in reversed(objects):
        metadata = resource["metadata"]
        api.delete(resource["kind"], metadata["name"], metadata.get("namespace", ""), grace=0)
