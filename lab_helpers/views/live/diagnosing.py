"""Why no flows come, asked of the cluster itself, and what to do about it.

Called only after Relay failed to answer, so a cluster whose Cilium is installed in an unusual way is never accused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lab_helpers.clusters import Cluster, ClusterError
from lab_helpers.views.live.statuses import State, Status

__all__ = ["diagnose"]

_PATIENCE: Final = 3
"""Seconds for one answer of the API server."""
_NAMESPACE: Final = "kube-system"


def diagnose(find: Callable[[], Cluster], failure: str = "") -> Status:
    """The state of the cluster that ``find`` finds; ``failure`` is what Relay's client said. Never raises."""
    try:
        cluster = find()
        return _examine(cluster, failure)
    except ClusterError as error:
        return Status(State.GONE, error.what, _command(error.try_ or "cilium-labs up"))
    except Exception as error:  # noqa: BLE001 - whatever keeps the API server from answering
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        return Status(State.GONE, f"the API server does not answer: {first}", "`cilium-labs status`, `cilium-labs up`")


def _examine(cluster: Cluster, failure: str) -> Status:
    from kubernetes import client

    with cluster.api() as api:
        api.rest_client.pool_manager.connection_pool_kw["retries"] = False
        apps = client.AppsV1Api(api)
        agents = _read(apps.read_namespaced_daemon_set, "cilium")
        relay = _read(apps.read_namespaced_deployment, "hubble-relay") if agents is not None else None
    if agents is None:
        return Status(State.NO_CILIUM, "Cilium is not installed on this cluster", "`cilium install --wait`")
    if relay is None:
        return Status(State.NO_HUBBLE, "Hubble Relay is not installed", "`cilium hubble enable`")
    wanted, ready = relay.spec.replicas or 0, (relay.status and relay.status.ready_replicas) or 0
    if not wanted:
        command = f"`kubectl -n {_NAMESPACE} scale deployment/hubble-relay --replicas=1`"
        return Status(State.NO_HUBBLE, "Hubble Relay is scaled to 0", command)
    if not ready:
        command = f"`kubectl -n {_NAMESPACE} get pods -l k8s-app=hubble-relay`, `cilium status`"
        return Status(State.NO_HUBBLE, f"none of {wanted} pods of Hubble Relay is ready", command)
    told = f": {failure}" if failure else ""
    where = f"at {cluster.hubble_address}" if cluster.hubble_address else "through the API server"
    return Status(State.NO_HUBBLE, f"Hubble Relay does not answer {where}{told}", "`cilium status`")


def _read(call: Callable[..., Any], name: str) -> Any:
    from kubernetes.client import ApiException

    try:
        return call(name, _NAMESPACE, _request_timeout=_PATIENCE)
    except ApiException as error:
        if error.status == 404:
            return None
        raise


def _command(text: str) -> str:
    return text if "`" in text else f"`{text}`"
