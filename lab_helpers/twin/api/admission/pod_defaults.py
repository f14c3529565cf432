"""Defaults of pods and pod templates (Kubernetes pkg/apis/core/v1/defaults.go), and what admission adds to a pod."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

__all__ = ["complete_pod", "default_pod_spec", "image_pull_policy", "quality_of_service"]

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_PRIORITIES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path, not a secret
_UNREACHABLE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def image_pull_policy(image: str) -> str:
    """``Always`` for ``latest`` or no tag at all."""
    name = image.partition("@")[0]
    tag = name.rpartition("/")[2].partition(":")[2]
    return "IfNotPresent" if (tag and tag != "latest") or (not tag and "@" in image) else "Always"


def default_pod_spec(spec: dict[str, Any], *, template: bool) -> None:
    """Fill in what every pod spec has. ``template`` leaves out what only pods themselves get."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    if not template:
        spec.setdefault("enableServiceLinks", True)
    if spec.get("serviceAccountName") and not spec.get("serviceAccount"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount") and not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(group) or ():
            _container(container, host_network=bool(spec.get("hostNetwork")), template=template)
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _container(container: dict[str, Any], *, host_network: bool, template: bool) -> None:
    container.setdefault("imagePullPolicy", image_pull_policy(container.get("image", "")))
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    resources = container.setdefault("resources", {})
    if not template and resources.get("limits"):
        resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if host_network and "containerPort" in port:
            port.setdefault("hostPort", port["containerPort"])
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe := container.get(name):
            _probe(probe)
    lifecycle = container.get("lifecycle") or {}
    for hook in ("postStart", "preStop"):
        _http_get((lifecycle.get(hook) or {}).get("httpGet"))


def _probe(probe: dict[str, Any]) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(field):
            probe[field] = value
    _http_get(probe.get("httpGet"))
    if (grpc := probe.get("grpc")) is not None:
        grpc.setdefault("service", "")


def _http_get(action: dict[str, Any] | None) -> None:
    if action is not None:
        action.setdefault("path", "/")
        action.setdefault("scheme", "HTTP")


def _volume(volume: dict[str, Any]) -> None:
    if len(volume) == 1:
        volume["emptyDir"] = {}
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if source in volume:
            volume[source].setdefault("defaultMode", 420)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    downward = (volume.get("downwardAPI") or {}).get("items") or []
    for projection in (volume.get("projected") or {}).get("sources") or ():
        downward = [*downward, *((projection.get("downwardAPI") or {}).get("items") or ())]
        if token := projection.get("serviceAccountToken"):
            token.setdefault("expirationSeconds", 3600)
    for item in downward:
        if reference := item.get("fieldRef"):
            reference.setdefault("apiVersion", "v1")


def complete_pod(pod: dict[str, Any], account: Mapping[str, Any] | None, priority: tuple[str, int] | None) -> None:
    """What admission adds to a new pod.

    Account and its token volume, tolerations, priority, phase and quality of service.
    """
    spec = pod["spec"]
    if not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"] = "default"
    wanted = spec.get("automountServiceAccountToken")
    if wanted is None:
        wanted = (account or {}).get("automountServiceAccountToken", True)
    if wanted and not _is_static(pod):
        _mount_token(spec)
    tolerations = spec.setdefault("tolerations", [])
    for key in _UNREACHABLE:
        if not any(_tolerates(toleration, key) for toleration in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    if priority is not None:
        spec.setdefault("preemptionPolicy", priority[0])
        spec["priority"] = priority[1]
    pod["status"] = {"phase": "Pending", "qosClass": quality_of_service(spec)}


def _tolerates(toleration: Mapping[str, Any], key: str) -> bool:
    return toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")


def _is_static(pod: Mapping[str, Any]) -> bool:
    return "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {})


def _mount_token(spec: dict[str, Any]) -> None:
    containers = [c for group in ("initContainers", "containers") for c in spec.get(group) or ()]
    free = [c for c in containers if all(m.get("mountPath") != _TOKEN_PATH for m in c.get("volumeMounts") or ())]
    if not free:
        return
    volumes = spec.setdefault("volumes", [])
    name = next((v["name"] for v in volumes if v["name"].startswith("kube-api-access-")), "")
    if not name:
        name = "kube-api-access-" + "".join(random.choice(_ALPHABET) for _ in range(5))
        items = [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
        sources = [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": items}},
        ]
        volumes.append({"name": name, "projected": {"sources": sources, "defaultMode": 420}})
    for container in free:
        mount = {"name": name, "readOnly": True, "mountPath": _TOKEN_PATH}
        container.setdefault("volumeMounts", []).append(mount)


def quality_of_service(spec: Mapping[str, Any]) -> str:
    """``Guaranteed``, ``Burstable`` or ``BestEffort``."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    resources = [container.get("resources") or {} for container in containers]
    if not any(entry.get("requests") or entry.get("limits") for entry in resources):
        return "BestEffort"
    for entry in resources:
        limits, requests = entry.get("limits") or {}, entry.get("requests") or {}
        for name in ("cpu", "memory"):
            if name not in limits or requests.get(name, limits[name]) != limits[name]:
                return "Burstable"
    return "Guaranteed"


def priority_of(spec: Mapping[str, Any]) -> int | None:
    """The value of the two priority classes every cluster has."""
    return _PRIORITIES.get(spec.get("priorityClassName", ""))
