"""A cluster that is somebody's own: any kubeconfig context that answers."""

from __future__ import annotations

import os
from pathlib import Path

from lab_helpers.clusters.cluster import Cluster
from lab_helpers.clusters.errors import ClusterError, NotRunning
from lab_helpers.clusters.homes import Home

__all__ = ["adopt"]


def adopt(home: Home, *, context: str, kubeconfig: str) -> Cluster:
    """Use ``context`` of ``kubeconfig``; empty means the current context, and ``KUBECONFIG`` or ~/.kube/config.

    Raises ClusterError.
    """
    from kubernetes import config

    path = Path(
        kubeconfig or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or Path.home() / ".kube" / "config"
    ).expanduser()
    try:
        contexts, current = config.list_kube_config_contexts(config_file=str(path))
    except config.ConfigException as error:
        raise ClusterError(
            f"no usable kubeconfig: {error}", where=str(path), try_="set KUBECONFIG, or pass --context"
        ) from error
    names = [str(item["name"]) for item in contexts]
    wanted = context or str(current["name"])
    if wanted not in names:
        raise ClusterError(
            f'the kubeconfig has no context "{wanted}"', where=str(path), try_="one of: " + ", ".join(names)
        )
    cluster = Cluster(
        backend="existing",
        name=wanted,
        state_dir=home.path,
        kubeconfig=path,
        context=wanted,
        bin_dir=home.bin,
        hubble_address=os.environ.get("HUBBLE_SERVER", ""),
    )
    if not cluster.reachable():
        raise NotRunning(
            f'the cluster of context "{wanted}" does not answer',
            where=str(path),
            try_="kubectl --context " + wanted + " cluster-info",
        )
    return cluster
