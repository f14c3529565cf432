"""Which pod is meant by ``namespace/workload``.

A workload is a Deployment, StatefulSet, DaemonSet or Job, or a pod of that name. Pods being deleted do not count.
"""

from __future__ import annotations

from typing import NamedTuple

from lab_helpers.course.api import Api, Resource, owner_names
from lab_helpers.course.errors import ProbeError

__all__ = ["PodRef", "Workload", "is_ready", "pods_of", "running_pod"]


class Workload(NamedTuple):
    """``namespace/name``."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Workload:
        """Read ``namespace/name``. Raises ProbeError."""
        namespace, slash, name = text.partition("/")
        if not (namespace and slash and name) or "/" in name:
            raise ProbeError(f'"{text}" names no workload', try_='namespace/name, e.g. "shop/frontend"')
        return cls(namespace, name)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class PodRef(NamedTuple):
    """A running pod."""

    namespace: str
    name: str
    ip: str
    node: str


def belongs(pod: Resource, name: str) -> bool:
    """Is the pod the workload called ``name``, or one of its pods?"""
    if pod["metadata"]["name"] == name:
        return True
    for kind, owner in owner_names(pod):
        if owner == name or (kind == "ReplicaSet" and owner.rpartition("-")[0] == name):
            return True
    return False


def is_ready(pod: Resource) -> bool:
    """Is its condition Ready true, and is it not being deleted?"""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", ())
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def pods_of(api: Api, workload: Workload) -> list[Resource]:
    """All its pods that are not being deleted, by name."""
    pods = api.list("Pod", workload.namespace)
    return [pod for pod in pods if belongs(pod, workload.name) and "deletionTimestamp" not in pod["metadata"]]


def running_pod(api: Api, workload: Workload, *, not_on: str = "") -> PodRef:
    """Its first ready pod, not on the node ``not_on``. Raises ProbeError that says in which state the pods are."""
    pods = [pod for pod in pods_of(api, workload) if not not_on or pod["spec"].get("nodeName") != not_on]
    for pod in pods:
        if is_ready(pod):
            status, spec = pod["status"], pod["spec"]
            return PodRef(
                workload.namespace, pod["metadata"]["name"], status.get("podIP", ""), spec.get("nodeName", "")
            )
    if pods:
        states = ", ".join(f"{pod['metadata']['name']} is {pod.get('status', {}).get('phase', '?')}" for pod in pods)
        what = f"no pod of {workload} is ready: {states}"
    else:
        what = f"there is no pod of {workload}" + (f" on another node than {not_on}" if not_on else "")
    raise ProbeError(what, where=str(workload), try_=f"kubectl -n {workload.namespace} get pods, or lab.reset()")
