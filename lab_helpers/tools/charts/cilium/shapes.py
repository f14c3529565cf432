"""Pieces that many objects of the chart share: names, labels, images, volumes, probes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lab_helpers.tools.charts.cilium.versions import Version

__all__ = ["Context", "field_env", "host_path", "http_probe", "image_name", "mount"]

Body = dict[str, Any]


class Context(NamedTuple):
    """What every object is made from."""

    values: Mapping[str, Any]
    version: Version
    namespace: str

    @property
    def chart_label(self) -> dict[str, str]:
        """``helm.sh/chart``, which objects carry since 1.20."""
        return {"helm.sh/chart": f"cilium-{self.version.text}"} if self.version.series >= (1, 20) else {}

    def labels(self, name: str, **more: str) -> dict[str, str]:
        """Labels of an object of the part ``name``; ``k8s_app`` among the keywords becomes ``k8s-app``."""
        found = {"k8s-app" if key == "k8s_app" else key: value for key, value in more.items()}
        if name:
            found["app.kubernetes.io/name"] = name
        found["app.kubernetes.io/part-of"] = "cilium"
        return {**found, **self.chart_label, **(self.values.get("commonLabels") or {})}

    def object(
        self,
        api_version: str,
        kind: str,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        namespace: str | None = None,
        **fields: Any,
    ) -> Body:
        """An object; ``namespace`` "" makes it cluster-wide."""
        metadata: Body = {"name": name}
        where = self.namespace if namespace is None else namespace
        if where:
            metadata["namespace"] = where
        if labels:
            metadata["labels"] = dict(labels)
        if annotations:
            metadata["annotations"] = dict(annotations)
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}

    def api_server_env(self) -> list[Body]:
        """Where the API server is, for programs that must not depend on a Service."""
        host = self.values.get("k8sServiceHost")
        if not host:
            return []
        return [
            {"name": "KUBERNETES_SERVICE_HOST", "value": str(host)},
            {"name": "KUBERNETES_SERVICE_PORT", "value": str(self.values.get("k8sServicePort") or "")},
        ]

    @property
    def loopback(self) -> str:
        """Where a host-network program answers its own probes."""
        return "127.0.0.1" if self.values["ipv4"]["enabled"] else "::1"


def image_name(image: Mapping[str, Any], *, repository: str = "", digest: str = "digest") -> str:
    """``repository:tag@digest``, as far as the values have them; ``override`` replaces all."""
    if image.get("override"):
        return str(image["override"])
    name = repository or str(image["repository"])
    tag = f":{image['tag']}" if image.get("tag") else ""
    return f"{name}{tag}{'@' + str(image[digest]) if image.get('useDigest') and image.get(digest) else ''}"


def field_env(name: str, path: str) -> Body:
    """An environment variable with a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def host_path(name: str, path: str, kind: str = "DirectoryOrCreate") -> Body:
    """A volume of the node."""
    return {"name": name, "hostPath": {"path": path, **({"type": kind} if kind else {})}}


def mount(name: str, path: str, *, read_only: bool | None = None, propagation: str = "") -> Body:
    """A volume in a container."""
    found: Body = {"name": name, "mountPath": path}
    if read_only is not None:
        found["readOnly"] = read_only
    if propagation:
        found["mountPropagation"] = propagation
    return found


def http_probe(
    path: str, port: str | int, *, host: str = "", headers: Mapping[str, str] | None = None, **timing: int
) -> Body:
    """An HTTP probe; ``timing`` are the probe's own fields."""
    get: Body = {"path": path, "port": port, "scheme": "HTTP"}
    if host:
        get["host"] = host
    if headers:
        get["httpHeaders"] = [{"name": name, "value": value} for name, value in headers.items()]
    return {"httpGet": get, **timing}
