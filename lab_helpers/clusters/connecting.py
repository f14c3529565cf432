"""Find the cluster in use, or start the twin.

``connect`` looks at what ``up`` chose in the state folder. ``start_twin`` gives a private twin in a folder
of the caller's (the lab runner and tests use one for each run).
"""

from __future__ import annotations

import sys
from pathlib import Path

from lab_helpers.clusters import twins
from lab_helpers.clusters.cluster import Cluster
from lab_helpers.clusters.errors import ClusterError, NotRunning, Unsupported
from lab_helpers.clusters.existing import adopt
from lab_helpers.clusters.homes import Home, default_home

__all__ = ["connect", "renew", "start_twin", "up"]

BACKENDS = ("twin", "kind", "existing")


def connect(home: Home | None = None) -> Cluster:
    """The cluster that ``cilium-labs up`` chose. Raises NotRunning when there is none, or when it is gone."""
    home = home or default_home()
    chosen = home.chosen()
    if chosen is None:
        raise NotRunning("no cluster is running", where=str(home.path), try_="cilium-labs up")
    if chosen.get("backend") == "twin":
        return _twin(home)
    return adopt(home, context=str(chosen.get("context", "")), kubeconfig=str(chosen.get("kubeconfig", "")))


def start_twin(home: Path | Home, *, port: int = 0, cilium_version: str = "") -> Cluster:
    """Start a twin whose files are under ``home``, choose it there, and connect."""
    place = (home if isinstance(home, Home) else Home(Path(home))).prepare()
    write_tools(place)
    twins.start(place, port=port, cilium_version=cilium_version)
    try:
        place.choose(backend="twin")
    except ClusterError:
        twins.stop(place)
        raise
    return _twin(place)


def up(home: Home, backend: str, *, port: int = 0, context: str = "", cilium_version: str = "") -> Cluster:
    """Bring up the chosen backend. Raises ClusterError."""
    if backend == "twin":
        return start_twin(home, port=port, cilium_version=cilium_version)
    home.prepare()
    write_tools(home)
    cluster = adopt(home, context=context, kubeconfig="")
    home.choose(backend=backend, context=cluster.context, kubeconfig=str(cluster.kubeconfig))
    return cluster


def renew(cluster: Cluster) -> Cluster:
    """A fresh cluster in the place of ``cluster``: the same address and kubeconfig, everything in it forgotten.

    Raises Unsupported where the cluster is not ours to wipe.
    """
    if cluster.backend != "twin":
        raise Unsupported(
            "this cluster is not ours to wipe",
            where=cluster.name,
            try_="make a new cluster without a network plug-in, or cilium-labs up --backend twin",
        )
    home = Home(cluster.state_dir)
    address, version = str(cluster.facts["server"]), str(cluster.facts["cilium_version"])
    twins.stop(home)
    twins.wipe(home)
    return start_twin(home, port=int(address.rpartition(":")[2]), cilium_version=version)


def write_tools(home: Home) -> None:
    """Put the bundled tools into ``home/bin``."""
    from lab_helpers.tools.shims import ShimError, write_shims

    try:
        write_shims(home.bin, python=sys.executable)
    except ShimError as error:
        raise ClusterError(str(error), where=str(home.bin), try_="free space, or set CILIUM_LABS_HOME") from error


def _twin(home: Home) -> Cluster:
    facts = twins.describe(home)
    if facts is None:
        raise NotRunning("the twin is not running (its state is kept)", where=str(home.twin), try_="cilium-labs up")
    return Cluster(
        backend="twin",
        name="cilium-labs",
        state_dir=home.path,
        kubeconfig=Path(str(facts["kubeconfig"])),
        bin_dir=home.bin,
        hubble_address=str(facts["relay"]),
        facts=facts,
    )
