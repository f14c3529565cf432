"""The kind configuration: ``environment/kind/cluster.yaml``, checked against the types of kind's ``v1alpha4``.

kind publishes no JSON schema. ``problems`` follows its Go types and their validation
(pkg/apis/config/v1alpha4/types.go, pkg/internal/apis/config/validate.go of v0.32): known fields with their types,
enumerations, port numbers, subnets, one control plane at least.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lab_helpers.clusters.environments import environment_file
from lab_helpers.clusters.kind.errors import KindError

__all__ = ["CLUSTER", "load_config", "problems", "write_config"]

CLUSTER: Final = "cilium-labs"

_STRINGS: Final = [str]
_MAP: Final = {str: str}
_PATCHES: Final = [{"group": str, "version": str, "kind": str, "patch": str}]
_MOUNTS: Final = [{"containerPath": str, "hostPath": str, "readOnly": bool, "selinuxRelabel": bool, "propagation": str}]
_PORTS: Final = [{"containerPort": int, "hostPort": int, "listenAddress": str, "protocol": str}]
_PATCHING: Final = {"kubeadmConfigPatches": _STRINGS, "kubeadmConfigPatchesJSON6902": _PATCHES}
_TYPES: Final[Mapping[str, Any]] = {
    "kind": str,
    "apiVersion": str,
    "name": str,
    "nodes": [
        {"role": str, "image": str, "labels": _MAP, "extraMounts": _MOUNTS, "extraPortMappings": _PORTS, **_PATCHING}
    ],
    "networking": {
        "ipFamily": str,
        "apiServerPort": int,
        "apiServerAddress": str,
        "podSubnet": str,
        "serviceSubnet": str,
        "disableDefaultCNI": bool,
        "kubeProxyMode": str,
        "dnsSearch": _STRINGS,
    },
    "featureGates": {str: bool},
    "runtimeConfig": _MAP,
    **_PATCHING,
    "containerdConfigPatches": _STRINGS,
    "containerdConfigPatchesJSON6902": _STRINGS,
}
_ENUMS: Final = {
    "networking.ipFamily": ("ipv4", "ipv6", "dual"),
    "networking.kubeProxyMode": ("iptables", "ipvs", "nftables", "none"),
}


def load_config(path: Path | None = None) -> dict[str, Any]:
    """The course's configuration. Raises KindError when kind would refuse it."""
    import yaml

    path = path or environment_file("kind", "cluster.yaml")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise KindError(f"the kind configuration cannot be read: {error}", where=str(path)) from error
    wrong = list(problems(document))
    if wrong:
        raise KindError("kind would refuse its configuration:\n" + "\n".join(wrong), where=str(path))
    assert isinstance(document, dict)
    return document


def write_config(target: Path, *, port: int = 0, source: Path | None = None) -> None:
    """The configuration for one cluster; ``port`` 0 lets kind take a free one. Raises KindError."""
    import yaml

    document = load_config(source)
    document["name"] = CLUSTER
    if port:
        document.setdefault("networking", {})["apiServerPort"] = port
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise KindError(f"cannot write: {error.strerror}", where=str(target), try_="free some space") from error


def problems(document: Any) -> Iterator[str]:
    """What kind would refuse, each as ``path: reason``."""
    wrong = list(_mistyped(document, _TYPES, ""))
    yield from wrong
    if wrong:
        return
    if (document.get("kind"), document.get("apiVersion")) != ("Cluster", "kind.x-k8s.io/v1alpha4"):
        yield "kind, apiVersion: expected Cluster and kind.x-k8s.io/v1alpha4"
    if not re.fullmatch(r"[a-z0-9.-]+", document.get("name", "kind")):
        yield "name: only a-z, 0-9, dots and dashes"
    networking = document.get("networking", {})
    for path, allowed in _ENUMS.items():
        value = networking.get(path.partition(".")[2], allowed[0])
        if value not in allowed:
            yield f"{path}: {value!r} is not one of {', '.join(allowed)}"
    yield from _ports("networking.apiServerPort", networking.get("apiServerPort", 0))
    for name in ("podSubnet", "serviceSubnet"):
        yield from _subnets(f"networking.{name}", networking.get(name, ""))
    nodes = document.get("nodes") or [{"role": "control-plane"}]
    for index, node in enumerate(nodes):
        if node.get("role", "control-plane") not in ("control-plane", "worker"):
            yield f"nodes[{index}].role: {node['role']!r} is not control-plane or worker"
        for number, mapping in enumerate(node.get("extraPortMappings", ())):
            for field in ("hostPort", "containerPort"):
                yield from _ports(f"nodes[{index}].extraPortMappings[{number}].{field}", mapping.get(field, 0))
            if mapping.get("protocol", "TCP") not in ("TCP", "UDP", "SCTP"):
                yield f"nodes[{index}].extraPortMappings[{number}].protocol: not TCP, UDP or SCTP"
        for number, mount in enumerate(node.get("extraMounts", ())):
            if mount.get("propagation", "None") not in ("None", "HostToContainer", "Bidirectional"):
                yield f"nodes[{index}].extraMounts[{number}].propagation: not None, HostToContainer or Bidirectional"
    if not any(node.get("role", "control-plane") == "control-plane" for node in nodes):
        yield "nodes: there must be at least one control-plane"


def _mistyped(value: Any, wanted: Any, path: str) -> Iterator[str]:
    if isinstance(wanted, list):
        if not isinstance(value, list):
            yield f"{path}: expected a list"
        else:
            for index, item in enumerate(value):
                yield from _mistyped(item, wanted[0], f"{path}[{index}]")
    elif isinstance(wanted, Mapping):
        if not isinstance(value, dict):
            yield f"{path or 'the configuration'}: expected a mapping"
            return
        for key, item in value.items():
            where = f"{path}.{key}" if path else str(key)
            if str in wanted:
                yield from _mistyped(item, wanted[str], where)
            elif key not in wanted:
                yield f"{where}: unknown field"
            else:
                yield from _mistyped(item, wanted[key], where)
    elif not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        words = {str: "text", bool: "true or false", int: "a whole number"}
        yield f"{path}: expected {words[wanted]}, not {value!r}"


def _ports(path: str, port: int) -> Iterator[str]:
    if not -1 <= port <= 65535:
        yield f"{path}: {port} is not a port"


def _subnets(path: str, text: str) -> Iterator[str]:
    for part in filter(None, text.split(",")):
        try:
            ipaddress.ip_network(part, strict=False)
        except ValueError:
            yield f"{path}: {part!r} is not a subnet"
