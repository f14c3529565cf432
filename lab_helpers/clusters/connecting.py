"""Find the cluster in use, or bring one up.

``connect`` looks at what ``up`` chose in the state folder. ``start_twin`` gives a private twin in a folder
of the caller's (the lab runner and tests use one for each run).
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab_helpers.clusters import twins
from lab_helpers.clusters.cluster import Cluster
from lab_helpers.clusters.errors import AlreadyRunning, ClusterError, NotRunning, Unsupported
from lab_helpers.clusters.existing import adopt
from lab_helpers.clusters.homes import Home, default_home

if TYPE_CHECKING:
    from lab_helpers.clusters.kind.steps import Reporter

__all__ = ["connect", "renew", "start_twin", "up", "up_existing", "up_kind"]


def connect(home: Home | None = None) -> Cluster:
    """The cluster that ``cilium-labs up`` chose. Raises NotRunning when there is none, or when it is gone."""
    home = home or default_home()
    chosen = home.chosen()
    if chosen is None:
        raise NotRunning("no cluster is running", where=str(home.path), try_="cilium-labs up")
    if chosen.get("backend") == "twin":
        return _twin(home)
    if chosen.get("backend") == "kind":
        return _kind(home)
    cluster = adopt(home, context=str(chosen.get("context", "")), kubeconfig=str(chosen.get("kubeconfig", "")))
    return dataclasses.replace(cluster, facts={"cluster_wide": bool(chosen.get("cluster_wide"))})


def start_twin(home: Path | Home, *, port: int = 0, cilium_version: str = "", eager_clock: bool = False) -> Cluster:
    """Start a twin whose files are under ``home``, choose it there, and connect. ``eager_clock`` as in ``twins``."""
    place = (home if isinstance(home, Home) else Home(Path(home))).prepare()
    write_tools(place)
    twins.start(place, port=port, cilium_version=cilium_version, eager_clock=eager_clock)
    try:
        place.choose(backend="twin")
    except ClusterError:
        twins.stop(place)
        raise
    return _twin(place)


def up(home: Home, backend: str, *, port: int = 0, context: str = "", cilium_version: str = "") -> Cluster:
    """Bring up the chosen backend, without options of its own. Raises ClusterError."""
    if backend == "twin":
        return start_twin(home, port=port, cilium_version=cilium_version)
    if backend == "kind":
        return up_kind(home, port=port, cilium_version=cilium_version)
    return up_existing(home, context=context)


def up_kind(
    home: Home,
    *,
    port: int = 0,
    cilium_version: str = "",
    with_cilium: bool = False,
    report: Reporter | None = None,
) -> Cluster:
    """Make what is missing of the kind cluster, choose it, and connect. Raises ClusterError."""
    from lab_helpers.clusters.kind import KindCluster
    from lab_helpers.clusters.kind.ledgers import Ledger
    from lab_helpers.clusters.tools.linking import link_tools

    _no_twin(home.prepare())
    version = cilium_version or twins.DEFAULT_CILIUM_VERSION
    kind = KindCluster(home, report) if report is not None else KindCluster(home)
    try:
        kind.up(version, with_cilium=with_cilium, port=port)
        link_tools(home)
    finally:
        # also when it is not whole: `down` removes what an interrupted `up` made
        if Ledger(home).read() is not None:
            home.choose(backend="kind", cilium_version=version, bundle=str(kind.bundle or ""))
    return _kind(home)


def up_existing(home: Home, *, context: str = "", kubeconfig: str = "", cluster_wide: bool = False) -> Cluster:
    """Use a cluster that is somebody's own, after a look at it.

    ``cluster_wide`` is consent to objects outside the course's namespaces. Raises ClusterError.
    """
    from lab_helpers.clusters.existing import preflight
    from lab_helpers.clusters.findings import refuse_if_bad
    from lab_helpers.clusters.tools.linking import link_tools

    _no_twin(home.prepare())
    cluster = adopt(home, context=context, kubeconfig=kubeconfig)
    refuse_if_bad(preflight(cluster), where=cluster.name)
    link_tools(home)
    home.choose(
        backend="existing", context=cluster.context, kubeconfig=str(cluster.kubeconfig), cluster_wide=cluster_wide
    )
    return connect(home)


def renew(cluster: Cluster) -> Cluster:
    """A fresh cluster in the place of ``cluster``: the same address and kubeconfig, everything in it forgotten.

    Raises Unsupported where the cluster is not ours to wipe.
    """
    if cluster.backend == "kind":
        from lab_helpers.clusters.kind import remove
        from lab_helpers.clusters.kind.steps import reporter

        place = Home(cluster.state_dir)
        wanted = str((place.chosen() or {}).get("cilium_version") or "")
        remove(place, reporter())
        return up_kind(place, cilium_version=wanted, report=reporter())
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
    eager = bool(cluster.facts.get("eager_clock"))
    return start_twin(home, port=int(address.rpartition(":")[2]), cilium_version=version, eager_clock=eager)


def write_tools(home: Home) -> None:
    """Put the bundled tools into ``home/bin``."""
    from lab_helpers.tools.shims import ShimError, write_shims

    try:
        write_shims(home.bin, python=sys.executable)
    except ShimError as error:
        raise ClusterError(str(error), where=str(home.bin), try_="free space, or set CILIUM_LABS_HOME") from error


def _no_twin(home: Home) -> None:
    running = twins.describe(home)
    if running is not None:
        raise AlreadyRunning(
            "the twin is running in this home", where=str(running["server"]), try_="cilium-labs down, then up again"
        )


def _kind(home: Home) -> Cluster:
    from lab_helpers.clusters.kind import KindCluster

    kind = KindCluster(home)
    if not kind.kubeconfig.is_file():
        raise NotRunning(
            "the kind cluster is not whole", where=str(kind.kubeconfig), try_="cilium-labs up --backend kind"
        )
    chosen = home.chosen() or {}
    version = str(chosen.get("cilium_version") or twins.DEFAULT_CILIUM_VERSION)
    return dataclasses.replace(kind.cluster(), facts={"cilium_version": version, "bundle": chosen.get("bundle", "")})


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
