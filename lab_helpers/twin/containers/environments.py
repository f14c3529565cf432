"""A container's environment variables (kubelet's makeEnvironmentVariables): Services, ``envFrom``, ``env``, and
``$(NAME)``."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.twin.containers.errors import StartFailure
from lab_helpers.twin.objects.registry import Registry

__all__ = ["downward", "environment", "substitute"]

_REFERENCE = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")


def substitute(text: str, values: Mapping[str, str]) -> str:
    """``$(NAME)`` replaced where NAME is known; ``$$(NAME)`` is a literal ``$(NAME)``."""

    def replace(found: re.Match[str]) -> str:
        if found.group(1) is None:
            return "$"
        return values.get(found.group(1), found.group())

    return _REFERENCE.sub(replace, text)


def environment(registry: Registry, pod: Mapping[str, Any], container: Mapping[str, Any], *, ip: str) -> dict[str, str]:
    """All variables from the pod's objects. Raises StartFailure(CreateContainerConfigError) for a missing ConfigMap,
    Secret or key."""
    namespace = pod["metadata"]["namespace"]
    result = _services(registry, pod)
    for source in container.get("envFrom") or []:
        result |= _from_source(registry, namespace, source)
    for variable in container.get("env") or []:
        value = _value(registry, pod, container, variable, result, ip=ip)
        if value is not None:
            result[variable["name"]] = value
    return result


def _services(registry: Registry, pod: Mapping[str, Any]) -> dict[str, str]:
    """Variables of the namespace's Services (``enableServiceLinks``), and always those of ``kubernetes``."""
    result: dict[str, str] = {}
    links = pod["spec"].get("enableServiceLinks", True)
    namespace = pod["metadata"]["namespace"]
    services = registry.list("services", namespace) if links else []
    api = registry.find("services", "kubernetes", "default")
    if api is not None and api not in services:
        services = [*services, api]
    for service in services:
        address = service["spec"].get("clusterIP")
        ports = service["spec"].get("ports") or []
        if not address or address == "None" or not ports:
            continue
        prefix = service["metadata"]["name"].upper().replace("-", "_")
        result[f"{prefix}_SERVICE_HOST"] = address
        result[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                result[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
            protocol = port.get("protocol", "TCP")
            url = f"{protocol.lower()}://{address}:{port['port']}"
            result.setdefault(f"{prefix}_PORT", url)
            base = f"{prefix}_PORT_{port['port']}_{protocol}"
            result |= {
                base: url,
                f"{base}_PROTO": protocol.lower(),
                f"{base}_PORT": str(port["port"]),
                f"{base}_ADDR": address,
            }
    return result


def _from_source(registry: Registry, namespace: str, source: Mapping[str, Any]) -> dict[str, str]:
    prefix = source.get("prefix", "")
    for field, kind, resource in (("configMapRef", "configmap", "configmaps"), ("secretRef", "secret", "secrets")):
        reference = source.get(field)
        if not reference:
            continue
        found = registry.find(resource, reference["name"], namespace)
        if found is None:
            if reference.get("optional"):
                return {}
            raise StartFailure("CreateContainerConfigError", f'{kind} "{reference["name"]}" not found')
        return {prefix + key: text.decode("utf-8", "replace") for key, text in data_of(found).items()}
    return {}


def data_of(item: Mapping[str, Any]) -> dict[str, bytes]:
    """The contents of a ConfigMap or Secret."""
    if item.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in (item.get("data") or {}).items()}
    texts = {key: value.encode("utf-8") for key, value in (item.get("data") or {}).items()}
    return texts | {key: base64.b64decode(value) for key, value in (item.get("binaryData") or {}).items()}


def _value(
    registry: Registry,
    pod: Mapping[str, Any],
    container: Mapping[str, Any],
    variable: Mapping[str, Any],
    known: Mapping[str, str],
    *,
    ip: str,
) -> str | None:
    source = variable.get("valueFrom")
    if not source:
        return substitute(str(variable.get("value", "")), known)
    namespace = pod["metadata"]["namespace"]
    for field, kind, resource in (
        ("configMapKeyRef", "configmap", "configmaps"),
        ("secretKeyRef", "secret", "secrets"),
    ):
        reference = source.get(field)
        if not reference:
            continue
        found = registry.find(resource, reference["name"], namespace)
        if found is None:
            if reference.get("optional"):
                return None
            raise StartFailure("CreateContainerConfigError", f'{kind} "{reference["name"]}" not found')
        data = data_of(found)
        if reference["key"] not in data:
            if reference.get("optional"):
                return None
            word = "ConfigMap" if kind == "configmap" else "Secret"
            raise StartFailure(
                "CreateContainerConfigError",
                f"couldn't find key {reference['key']} in {word} {namespace}/{reference['name']}",
            )
        return data[reference["key"]].decode("utf-8", "replace")
    if "fieldRef" in source:
        return downward(pod, source["fieldRef"].get("fieldPath", ""), ip=ip)
    if "resourceFieldRef" in source:
        return _resource(container, source["resourceFieldRef"])
    return ""


def downward(pod: Mapping[str, Any], path: str, *, ip: str) -> str:
    """A ``fieldRef`` of the downward API. Raises StartFailure for an unsupported path."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
    if keyed:
        return str((metadata.get(keyed.group(1)) or {}).get(keyed.group(2), ""))
    whole = re.fullmatch(r"metadata\.(labels|annotations)", path)
    if whole:
        return "".join(
            f'{key}="{value}"\n' for key, value in sorted((metadata.get(whole.group(1)) or {}).items())
        ).rstrip("\n")
    known: dict[str, Callable[[], object]] = {
        "metadata.name": lambda: metadata["name"],
        "metadata.namespace": lambda: metadata["namespace"],
        "metadata.uid": lambda: metadata["uid"],
        "spec.nodeName": lambda: spec.get("nodeName", ""),
        "spec.serviceAccountName": lambda: spec.get("serviceAccountName", "default"),
        "status.podIP": lambda: ip,
        "status.podIPs": lambda: ip,
        "status.hostIP": lambda: status.get("hostIP", ""),
        "status.hostIPs": lambda: status.get("hostIP", ""),
    }
    if path not in known:
        raise StartFailure("CreateContainerConfigError", f"unsupported fieldPath: {path}")
    return str(known[path]())


def _resource(container: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
    kind, _, name = str(reference.get("resource", "")).partition(".")
    value = str(((container.get("resources") or {}).get(kind) or {}).get(name, "0"))
    units = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9, "": 1}
    found = re.fullmatch(r"([0-9.]+)(m|Ki|Mi|Gi|k|M|G)?", value)
    if not found:
        return value
    if found.group(2) == "m":
        return str(-(-int(found.group(1)) // 1000))
    return str(int(float(found.group(1)) * units[found.group(2) or ""]))
