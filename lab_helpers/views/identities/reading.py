"""Reading a snapshot from a cluster: objects by the Kubernetes API, the agents' own identities by exec where allowed.

Only the agents know the identities of addresses outside (CIDRs, names), and each for its own node. Reading them needs
the right to exec into the agents' pods; without it the snapshot's notes say so, and the rest stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.clusters import Cluster, ClusterError
from lab_helpers.clusters.documents import get_document
from lab_helpers.clusters.errors import NotExecuted
from lab_helpers.clusters.executing import execute
from lab_helpers.clusters.policy_inputs import config_by, objects_by
from lab_helpers.policy.pod_labels import DEFAULT_FILTER, LabelFilter
from lab_helpers.views.identities.snapshots import AgentIdentity, Snapshot

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["nodes_of", "read_snapshot"]

_PATIENCE: Final = 10
"""Seconds for one agent."""
_MOST: Final = 16
"""Agents asked at most."""
_REFUSED: Final = "the cluster refused"
_AGENT: Final = ("cilium-dbg", "identity", "list", "-o", "json")
_NAMESPACE: Final = "kube-system"


def read_snapshot(cluster: Cluster, agents: bool = True) -> Snapshot:
    """Everything a catalogue needs. Raises ClusterError when the cluster does not answer."""
    notes: list[str] = []
    with cluster.api() as api:
        objects: list[Mapping[str, Any]] = [item.obj for item in objects_by(api)]
        objects += _listed(api, "/apis/cilium.io/v2/ciliumidentities", "CiliumIdentity", notes)
        objects += _listed(api, "/apis/cilium.io/v2alpha1/ciliumendpointslices", "CiliumEndpointSlice", notes)
        objects += _listed(api, "/apis/apps/v1/replicasets", "ReplicaSet", notes)
        objects += nodes_of(api)
        told = tuple(_agents(api, objects, notes)) if agents else ()
        return Snapshot(tuple(objects), config_by(api), _filter(api), told, tuple(notes))


def nodes_of(api: ApiClient) -> list[dict[str, Any]]:
    """The Node objects; none without the right to list them."""
    return _listed(api, "/api/v1/nodes", "Node", [])


def _listed(api: ApiClient, path: str, kind: str, notes: list[str]) -> list[dict[str, Any]]:
    """Objects of a kind; none where it is not installed. What the cluster refuses is noted."""
    try:
        found = get_document(api, path)
    except ClusterError as error:
        if _REFUSED not in error.what:
            raise
        notes.append(f"Objects of the kind {kind} cannot be read: {error.what}")
        return []
    return [{**item, "kind": kind} for item in (found or {}).get("items") or ()]


def _filter(api: ApiClient) -> LabelFilter:
    """The agents' setting ``labels``; Cilium's default where there is none, or no right to read it."""
    try:
        found = get_document(api, f"/api/v1/namespaces/{_NAMESPACE}/configmaps/cilium-config")
    except ClusterError as error:
        if _REFUSED not in error.what:
            raise
        return DEFAULT_FILTER
    written = str(((found or {}).get("data") or {}).get("labels") or "")
    return LabelFilter.from_expressions(written) if written else DEFAULT_FILTER


def _agents(api: ApiClient, objects: list[Mapping[str, Any]], notes: list[str]) -> Iterator[AgentIdentity]:
    """What running agents list; the first that cannot be asked ends it, with a note."""
    pods = [pod for pod in objects if _is_agent(pod)]
    if len(pods) > _MOST:
        notes.append(f"Only {_MOST} of {len(pods)} agents were asked for identities of addresses outside.")
    for pod in pods[:_MOST]:
        metadata = pod["metadata"]
        node = str((pod.get("spec") or {}).get("nodeName") or "")
        try:
            listed = _ask(api, str(metadata.get("namespace")), str(metadata.get("name")))
        except Exception as error:  # noqa: BLE001 - no right, no connection, no such program: all leave a gap to be told
            reason = _reason(error)
            notes.append(
                f"Identities of addresses outside are known to the agents only, and the one on {node} could not be "
                f"asked ({reason}): `kubectl -n {_NAMESPACE} exec ds/cilium -- cilium-dbg identity list`"
            )
            return
        for item in listed:
            yield AgentIdentity(node, int(item["id"]), tuple(map(str, item.get("labels") or ())))


def _is_agent(pod: Mapping[str, Any]) -> bool:
    labels = (pod.get("metadata") or {}).get("labels") or {}
    running = (pod.get("status") or {}).get("phase") == "Running"
    return pod.get("kind") == "Pod" and labels.get("k8s-app") == "cilium" and running


def _ask(api: ApiClient, namespace: str, pod: str) -> list[dict[str, Any]]:
    told = execute(api, namespace, pod, _AGENT, container="cilium-agent", timeout=_PATIENCE).stdout
    found = json.loads(told)
    if not isinstance(found, list):
        raise TypeError("the agent did not answer with a list")
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, NotExecuted) and error.status == 403:
        return "no right to exec into it"
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
