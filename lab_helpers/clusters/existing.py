"""A cluster that is somebody's own: any kubeconfig context whose cluster runs Cilium.

Labs get a kubeconfig of their own, with that one context in it, so that no command of theirs can meet another cluster.
Before anything is done the cluster is looked at; at the end what is marked as the course's goes, and nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from lab_helpers.clusters.cluster import Cluster
from lab_helpers.clusters.errors import ClusterError, NotRunning
from lab_helpers.clusters.findings import Finding
from lab_helpers.clusters.homes import Home

__all__ = ["MARK", "adopt", "marked_namespaces", "preflight", "remove_marked"]

MARK: Final = "cilium-labs/story"
"""The annotation (and, on clusters that are not the course's, label) of namespaces that are the course's."""
NAMESPACES: Final = ("shop", "dev")
_OLDEST: Final = (1, 18)
_PATHS: Final = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}


class Right(NamedTuple):
    """What labs do, as the API server is asked about it. ``needed`` says whether most labs fail without."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    subresource: str = ""
    needed: bool = True

    @property
    def text(self) -> str:
        """As ``kubectl auth can-i`` would have it."""
        name = self.resource + (f"/{self.subresource}" if self.subresource else "")
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {name}{'.' + self.group if self.group else ''}{where}"


RIGHTS: Final = (
    Right("create", "", "namespaces"),
    Right("delete", "", "namespaces"),
    Right("list", "", "nodes"),
    Right("create", "apps", "deployments", "shop"),
    Right("delete", "apps", "deployments", "shop"),
    Right("create", "", "services", "shop"),
    Right("create", "", "configmaps", "shop"),
    Right("delete", "", "pods", "shop"),
    Right("create", "", "pods", "shop", "exec"),
    Right("create", "cilium.io", "ciliumnetworkpolicies", "shop"),
    Right("create", "networking.k8s.io", "networkpolicies", "shop"),
    Right("list", "cilium.io", "ciliumendpoints", "shop"),
    Right("list", "cilium.io", "ciliumidentities"),
    Right("list", "", "pods", "kube-system"),
    Right("create", "", "pods", "kube-system", "portforward"),
    Right("create", "", "pods", "kube-system", "exec", needed=False),
    Right("create", "cilium.io", "ciliumclusterwidenetworkpolicies", needed=False),
)


def adopt(home: Home, *, context: str, kubeconfig: str) -> Cluster:
    """Use ``context`` of ``kubeconfig``; empty means the current context, and ``KUBECONFIG`` or ~/.kube/config.

    Raises ClusterError.
    """
    from kubernetes import config

    given = kubeconfig or os.environ.get("KUBECONFIG", "") or str(Path.home() / ".kube" / "config")
    paths = [Path(part).expanduser() for part in given.split(os.pathsep) if part]
    where = os.pathsep.join(map(str, paths))
    try:
        contexts, current = config.list_kube_config_contexts(config_file=where)
    except config.ConfigException as error:
        raise ClusterError(
            f"no usable kubeconfig: {error}", where=where, try_="set KUBECONFIG, or pass --kubeconfig"
        ) from error
    names = [str(item["name"]) for item in contexts]
    wanted = context or str(current["name"])
    if wanted not in names:
        raise ClusterError(f'the kubeconfig has no context "{wanted}"', where=where, try_="one of: " + ", ".join(names))
    cluster = Cluster(
        backend="existing",
        name=wanted,
        state_dir=home.path,
        kubeconfig=_extract(paths, wanted, home.path / "existing.kubeconfig"),
        context=wanted,
        bin_dir=home.bin,
        hubble_address=os.environ.get("HUBBLE_SERVER", ""),
    )
    if not cluster.reachable():
        raise NotRunning(
            f'the cluster of context "{wanted}" does not answer',
            where=where,
            try_="kubectl --context " + wanted + " cluster-info",
        )
    return cluster


def preflight(cluster: Cluster) -> Iterator[Finding]:
    """Is it fit for the labs? Only questions are asked. Raises ClusterError when it stops answering."""
    from kubernetes import client
    from urllib3.exceptions import HTTPError

    try:
        with cluster.api() as api:
            yield from _cilium(cluster.versions())
            yield from _relay(client.AppsV1Api(api), client)
            yield from _namespaces(client.CoreV1Api(api), client)
            yield from _rights(client.AuthorizationV1Api(api), client)
    except (client.ApiException, HTTPError, OSError) as error:
        raise ClusterError(f"the cluster cannot be looked at: {error}", where=cluster.name) from error


def marked_namespaces(cluster: Cluster) -> list[str]:
    """The namespaces that are the course's."""
    from kubernetes import client

    with cluster.api() as api:
        found = client.CoreV1Api(api).list_namespace().items
    marks = [(one.metadata.name, one.metadata.labels or {}, one.metadata.annotations or {}) for one in found]
    return [name for name, labels, annotations in marks if MARK in labels or MARK in annotations]


def remove_marked(cluster: Cluster) -> list[str]:
    """Delete the course's namespaces, with everything in them; returns their names. Raises ClusterError."""
    from kubernetes import client

    names = marked_namespaces(cluster)
    with cluster.api() as api:
        for name in names:
            try:
                client.CoreV1Api(api).delete_namespace(name)
            except client.ApiException as error:
                if error.status != 404:
                    raise ClusterError(
                        f"the namespace {name} cannot be removed: {error.reason}",
                        where=cluster.name,
                        try_=f"kubectl delete namespace {name}",
                    ) from error
    return names


def _cilium(versions: Mapping[str, str]) -> Iterator[Finding]:
    yield Finding("ok", f"Kubernetes {versions['kubernetes']}")
    version = versions.get("cilium")
    if version is None:
        yield Finding(
            "bad",
            "this cluster runs no Cilium (no DaemonSet cilium in kube-system)",
            "install Cilium 1.18 or newer, or use a cluster of the course's: cilium-labs up --backend kind",
        )
        return
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        yield Finding("note", f'Cilium has the tag "{version}", which names no version; 1.18 or newer is needed')
    elif (int(numbers[1]), int(numbers[2])) < _OLDEST:
        yield Finding(
            "bad", f"Cilium {version} is too old for the labs", "upgrade to 1.18 or newer, one minor at a time"
        )
    else:
        yield Finding("ok", f"Cilium {version}")


def _relay(apps: Any, client: Any) -> Iterator[Finding]:
    cure = "helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set hubble.relay.enabled=true"
    try:
        found = apps.read_namespaced_deployment("hubble-relay", "kube-system")
    except client.ApiException as error:
        if error.status != 404:
            raise
        yield Finding("bad", "Hubble Relay is not installed: labs have no flows to show", cure)
        return
    if found.status and found.status.ready_replicas:
        yield Finding("ok", "Hubble Relay is ready")
    else:
        yield Finding("bad", "Hubble Relay is not ready", "kubectl -n kube-system get pods -l k8s-app=hubble-relay")


def _namespaces(core: Any, client: Any) -> Iterator[Finding]:
    for name in NAMESPACES:
        try:
            found = core.read_namespace(name)
        except client.ApiException as error:
            if error.status == 404:
                continue
            if error.status != 403:
                raise
            yield Finding("note", f'whether there is a namespace "{name}" may not be asked')
            continue
        marks = {**(found.metadata.labels or {}), **(found.metadata.annotations or {})}
        if MARK not in marks:
            yield Finding(
                "bad",
                f'the namespace "{name}" exists and is not the course\'s',
                f"rename or delete it, or mark it: kubectl annotate namespace {name} {MARK}=shop",
            )


def _rights(authorization: Any, client: Any) -> Iterator[Finding]:
    missing: list[Right] = []
    for right in RIGHTS:
        attributes = client.V1ResourceAttributes(
            verb=right.verb,
            group=right.group,
            resource=right.resource,
            subresource=right.subresource or None,
            namespace=right.namespace or None,
        )
        spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
        answer = authorization.create_self_subject_access_review(client.V1SelfSubjectAccessReview(spec=spec))
        if not answer.status.allowed:
            missing.append(right)
    for right in missing:
        if right.needed:
            yield Finding("bad", f"you may not {right.text}", "ask whoever runs the cluster for that right")
        else:
            yield Finding("note", f"you may not {right.text}: some labs will say so and leave it out")
    if not missing:
        yield Finding("ok", f"all {len(RIGHTS)} rights that labs use are there")


def _extract(paths: list[Path], context: str, target: Path) -> Path:
    """One context with its cluster and user, in a file only its owner reads. Raises ClusterError."""
    import yaml

    merged: dict[str, dict[str, Any]] = {"contexts": {}, "clusters": {}, "users": {}}
    for path in paths:
        if not path.is_file():
            continue
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for section, found in merged.items():
            for item in document.get(section) or ():
                found.setdefault(item["name"], _absolute(item, path.parent))
    chosen = merged["contexts"][context]
    spec = chosen.get("context") or {}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [chosen],
        "clusters": [merged["clusters"][spec["cluster"]]] if spec.get("cluster") in merged["clusters"] else [],
        "users": [merged["users"][spec["user"]]] if spec.get("user") in merged["users"] else [],
    }
    if paths == [target]:
        return target
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise ClusterError(f"cannot write: {error.strerror}", where=str(target), try_="free some space") from error
    return target


def _absolute(item: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A copy whose files are named from the root: kubeconfigs name them from their own folder."""
    copied = dict(item)
    for part, keys in _PATHS.items():
        if isinstance(copied.get(part), dict):
            inside = dict(copied[part])
            for key in keys:
                if inside.get(key):
                    inside[key] = str((folder / Path(str(inside[key])).expanduser()).absolute())
            copied[part] = inside
    return copied
