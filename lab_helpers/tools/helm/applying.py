"""Objects of a release into the cluster and out of it: order by kind, ownership, creation, change, removal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lab_helpers.tools.helm.errors import HelmError
from lab_helpers.tools.helm.merging import three_way_patch
from lab_helpers.tools.helm.storing import Api
from lab_helpers.tools.rest.errors import ApiError

__all__ = ["Cluster", "Identity", "identity", "in_install_order", "owned"]

Body = dict[str, Any]
Paths = Callable[[str, str, str, str], str]
"""``paths(api_version, kind, namespace, name)``: the URL path of an object; of its collection when the name is
empty."""

_ORDER = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
]
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}
MANAGED_BY = "app.kubernetes.io/managed-by"
RELEASE = "meta.helm.sh/release-name"
RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"
MANAGER = {"fieldManager": "helm"}


class Identity(NamedTuple):
    """What makes two manifests the same object."""

    api_version: str
    kind: str
    namespace: str
    name: str


def identity(body: Mapping[str, Any]) -> Identity:
    """The identity of an object."""
    metadata = body["metadata"]
    return Identity(body["apiVersion"], body["kind"], metadata.get("namespace", ""), metadata["name"])


def in_install_order(bodies: Iterable[Body]) -> list[Body]:
    """By kind, as helm creates them; within a kind the given order is kept."""
    return sorted(bodies, key=lambda body: _RANK.get(body["kind"], len(_ORDER)))


def owned(body: Body, release: str, namespace: str) -> Body:
    """The object with helm's marks of ownership."""
    metadata = dict(body["metadata"])
    metadata["labels"] = {**(metadata.get("labels") or {}), MANAGED_BY: "Helm"}
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        RELEASE: release,
        RELEASE_NAMESPACE: namespace,
    }
    return {**body, "metadata": metadata}


class Cluster:
    """Writes objects by way of the API."""

    def __init__(self, api: Api, paths: Paths) -> None:
        self._api = api
        self._paths = paths

    def find(self, which: Identity) -> Body | None:
        """The live object, or None."""
        try:
            return self._api.get(self._paths(which.api_version, which.kind, which.namespace, which.name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def conflicts(self, bodies: Sequence[Body], release: str, namespace: str, *, verb: str) -> dict[Identity, Body]:
        """Objects that exist already and belong to the release (to be adopted). Raises HelmError for somebody
        else's."""
        found = {}
        for body in bodies:
            live = self.find(identity(body))
            if live is None:
                continue
            problem = _ownership(live, release, namespace)
            if problem:
                metadata = live["metadata"]
                where = f'{body["kind"]} "{metadata["name"]}" in namespace "{metadata.get("namespace", "")}"'
                raise HelmError(
                    f"Unable to continue with {verb}: {where} exists and cannot be imported into the current release: "
                    f"invalid ownership metadata; {problem}"
                )
            found[identity(body)] = live
        return found

    def create(self, body: Body) -> None:
        """Create one object. Raises HelmError in helm's words."""
        which = identity(body)
        try:
            self._api.post(self._paths(which.api_version, which.kind, which.namespace, ""), body, **MANAGER)
        except ApiError as error:
            raise HelmError(f"failed to create resource: {error}") from error

    def change(self, former: Mapping[str, Any], body: Body, live: Body) -> bool:
        """Bring a live object to the wished state; True if something had to change."""
        which = identity(body)
        patch = three_way_patch(former, body, live)
        if not patch:
            return False
        path = self._paths(which.api_version, which.kind, which.namespace, which.name)
        try:
            self._api.patch(path, patch, **MANAGER)
        except ApiError as error:
            raise HelmError(f'cannot patch "{which.name}" with kind {which.kind}: {error}') from error
        return True

    def remove(self, bodies: Iterable[Body]) -> list[str]:
        """Delete objects in the reverse order; returns the errors' texts."""
        errors = []
        for body in reversed(in_install_order(bodies)):
            which = identity(body)
            path = self._paths(which.api_version, which.kind, which.namespace, which.name)
            try:
                self._api.delete(path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})
            except ApiError as error:
                if error.code != 404:
                    errors.append(str(error))
        return errors


def _ownership(live: Body, release: str, namespace: str) -> str:
    metadata = live["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    problems = [
        _mark("label", labels, MANAGED_BY, "Helm"),
        _mark("annotation", annotations, RELEASE, release),
        _mark("annotation", annotations, RELEASE_NAMESPACE, namespace),
    ]
    return "; ".join(problem for problem in problems if problem)


def _mark(kind: str, found: Mapping[str, str], key: str, wanted: str) -> str:
    if key not in found:
        return f'{kind} validation error: missing key "{key}": must be set to "{wanted}"'
    if found[key] != wanted:
        return f'{kind} validation error: key "{key}" must equal "{wanted}": current value is "{found[key]}"'
    return ""
