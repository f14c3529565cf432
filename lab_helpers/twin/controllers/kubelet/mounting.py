"""Whether everything a pod wants mounted or in its environment exists (kubernetes pkg/volume, kubelet_pods.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["MissingVolume", "missing_environment", "missing_volumes"]


class MissingVolume(NamedTuple):
    """A volume that cannot be set up, and the kubelet's words for it."""

    volume: str
    message: str


def missing_volumes(registry: Registry, pod: Object) -> list[MissingVolume]:
    """Volumes whose ConfigMap or Secret (or a wanted key of it) is absent."""
    found = []
    for volume in pod["spec"].get("volumes") or ():
        sources = list(_sources(volume))
        for resource, source, name in sources:
            problem = _problem(registry, resource, name, pod["metadata"]["namespace"], source)
            if problem:
                text = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {problem}'
                found.append(MissingVolume(volume["name"], text))
                break
    return found


def _sources(volume: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    if "configMap" in volume:
        yield "configmaps", volume["configMap"], volume["configMap"].get("name", "")
    if "secret" in volume:
        yield "secrets", volume["secret"], volume["secret"].get("secretName", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "configMap" in source:
            yield "configmaps", source["configMap"], source["configMap"].get("name", "")
        if "secret" in source:
            yield "secrets", source["secret"], source["secret"].get("name", "")


def _problem(registry: Registry, resource: str, name: str, namespace: str, source: Mapping[str, Any]) -> str:
    if source.get("optional"):
        return ""
    item = registry.find(resource, name, namespace)
    if item is None:
        return f'{resource.removesuffix("s")} "{name}" not found'
    keys = {*(item.get("data") or {}), *(item.get("binaryData") or {}), *(item.get("stringData") or {})}
    if any(entry["key"] not in keys for entry in source.get("items") or ()):
        return f"references non-existent {'config' if resource == 'configmaps' else 'secret'} key: " + next(
            str(entry["key"]) for entry in source["items"] if entry["key"] not in keys
        )
    return ""


def missing_environment(registry: Registry, pod: Object, container: Mapping[str, Any]) -> str:
    """Why the container's environment cannot be made (``configmap "x" not found`` …), or ""."""
    namespace = pod["metadata"]["namespace"]
    for source in container.get("envFrom") or ():
        for field, resource in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            reference = source.get(field)
            if not reference or reference.get("optional"):
                continue
            if registry.find(resource, reference["name"], namespace) is None:
                return f'{resource.removesuffix("s")} "{reference["name"]}" not found'
    for variable in container.get("env") or ():
        origin = variable.get("valueFrom") or {}
        for field, resource in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
            reference = origin.get(field)
            if not reference or reference.get("optional"):
                continue
            item = registry.find(resource, reference["name"], namespace)
            kind = resource.removesuffix("s")
            if item is None:
                return f'{kind} "{reference["name"]}" not found'
            if reference["key"] not in {*(item.get("data") or {}), *(item.get("stringData") or {})}:
                word = "ConfigMap" if kind == "configmap" else "Secret"
                return f"couldn't find key {reference['key']} in {word} {namespace}/{reference['name']}"
    return ""
