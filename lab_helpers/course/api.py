"""The Kubernetes API as the course uses it: read, apply, delete, and run a command in a pod.

Requests go through the official client's connection pool, so any kubeconfig works that works there. Objects are plain
dictionaries, because checks look at kinds the client has no classes for (cilium.io).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from lab_helpers.clusters.errors import NotExecuted
from lab_helpers.clusters.executing import Executed, execute
from lab_helpers.clusters.upgrading import authorization
from lab_helpers.course.errors import ApiError, ProbeError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["KINDS", "Api", "Executed", "Kind", "Resource"]

Resource = Mapping[str, Any]
"""An object of the Kubernetes API, as JSON."""

FIELD_MANAGER: Final = "cilium-labs"


class Kind(NamedTuple):
    """Where objects of a kind are found. ``group`` is empty for the core."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of one object or of a list; no namespace means all of them."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        return "/" + "/".join(parts)


KINDS: Final[Mapping[str, Kind]] = {
    "Namespace": Kind("", "v1", "namespaces", namespaced=False),
    "Node": Kind("", "v1", "nodes", namespaced=False),
    "Pod": Kind("", "v1", "pods"),
    "Service": Kind("", "v1", "services"),
    "Endpoints": Kind("", "v1", "endpoints"),
    "ConfigMap": Kind("", "v1", "configmaps"),
    "Secret": Kind("", "v1", "secrets"),
    "ServiceAccount": Kind("", "v1", "serviceaccounts"),
    "Deployment": Kind("apps", "v1", "deployments"),
    "ReplicaSet": Kind("apps", "v1", "replicasets"),
    "DaemonSet": Kind("apps", "v1", "daemonsets"),
    "StatefulSet": Kind("apps", "v1", "statefulsets"),
    "Job": Kind("batch", "v1", "jobs"),
    "EndpointSlice": Kind("discovery.k8s.io", "v1", "endpointslices"),
    "NetworkPolicy": Kind("networking.k8s.io", "v1", "networkpolicies"),
    "CustomResourceDefinition": Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False),
    "CiliumNetworkPolicy": Kind("cilium.io", "v2", "ciliumnetworkpolicies"),
    "CiliumClusterwideNetworkPolicy": Kind("cilium.io", "v2", "ciliumclusterwidenetworkpolicies", namespaced=False),
    "CiliumEndpoint": Kind("cilium.io", "v2", "ciliumendpoints"),
    "CiliumIdentity": Kind("cilium.io", "v2", "ciliumidentities", namespaced=False),
    "CiliumNode": Kind("cilium.io", "v2", "ciliumnodes", namespaced=False),
}


class Api:
    """One connection pool to one API server. Safe to use from several threads."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._configuration = client.configuration
        self._pool = client.rest_client.pool_manager

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._pool.clear()

    def get(self, kind: str, name: str, namespace: str = "") -> Resource | None:
        """One object; None when there is none (or its kind is not installed)."""
        return self._found(lambda: self._request("GET", KINDS[kind].path(namespace, name)))

    def list(self, kind: str, namespace: str = "", selector: str = "") -> list[Resource]:
        """Objects by namespace and label selector, by namespace and name; none when the kind is not installed."""
        query = {"labelSelector": selector} if selector else {}
        found = self._found(lambda: self._request("GET", KINDS[kind].path(namespace), query=query))
        items = found["items"] if found else []
        return sorted(items, key=lambda item: (item["metadata"].get("namespace", ""), item["metadata"]["name"]))

    def apply(self, resource: Resource) -> Resource:
        """Server-side apply; the course's fields win over those of other managers."""
        metadata = resource["metadata"]
        path = KINDS[resource["kind"]].path(metadata.get("namespace", ""), metadata["name"])
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return self._request("PATCH", path, query=query, body=resource, content="application/apply-patch+yaml")

    def patch(self, kind: str, name: str, namespace: str, changes: Resource) -> Resource:
        """JSON merge patch."""
        path = KINDS[kind].path(namespace, name)
        return self._request("PATCH", path, body=changes, content="application/merge-patch+json")

    def delete(self, kind: str, name: str, namespace: str = "", *, grace: int | None = None) -> None:
        """Delete one object and what depends on it; harmless when there is none."""
        query = {"propagationPolicy": "Background"}
        if grace is not None:
            query["gracePeriodSeconds"] = str(grace)
        self._found(lambda: self._request("DELETE", KINDS[kind].path(namespace, name), query=query))

    def read(self, path: str) -> Resource:
        """What the server says at a path (discovery, lists of any kind, proxies that answer with JSON)."""
        return self._request("GET", path)

    def version(self) -> str:
        """``gitVersion`` of the API server."""
        return str(self._request("GET", "/version")["gitVersion"])

    def execute(
        self, namespace: str, pod: str, command: Sequence[str], *, container: str = "", timeout: float = 30.0
    ) -> Executed:
        """Run a command in a running container, without input. Raises ProbeError when it cannot run or takes longer."""
        try:
            return execute(self._client, namespace, pod, command, container=container, timeout=timeout)
        except NotExecuted as error:
            raise ProbeError(error.what, where=error.where, try_=error.try_) from error

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Resource | None = None,
        content: str = "application/json",
    ) -> Resource:
        url = self._configuration.host + path + (f"?{urlencode(query)}" if query else "")
        headers = {**authorization(self._configuration), "accept": "application/json"}
        payload = None
        if body is not None:
            headers["content-type"] = content
            payload = json.dumps(body).encode()
        try:
            answer = self._pool.request(method, url, headers=headers, body=payload, timeout=30.0, retries=2)
        except Exception as error:
            reason = str(getattr(error, "reason", error)).rpartition(": ")[2]
            raise ApiError(
                f"the API server does not answer: {reason}",
                where=f"{method} {url}",
                try_="cilium-labs up, if the cluster was stopped (in a cell: !cilium-labs up); then run the cell again",
            ) from error
        if answer.status >= 400:
            raise ApiError(_message(answer.data), status=answer.status, where=f"{method} {path}")
        found: Resource = json.loads(answer.data)
        return found

    def _found(self, ask: Callable[[], Resource]) -> Resource | None:
        try:
            return ask()
        except ApiError as error:
            if error.status == 404:
                return None
            raise


def owner_names(resource: Resource) -> Iterable[tuple[str, str]]:
    """Kind and name of what owns an object."""
    for reference in resource["metadata"].get("ownerReferences", ()):
        yield reference["kind"], reference["name"]


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data.decode("utf-8", errors="replace")[:300] or "refused without a reason"
