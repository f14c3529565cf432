"""Who takes part in an action: a pod that calls, and what it calls."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A pod that takes part: its workload (also its container's name), own name, namespace, address, labels, node."""

    workload: str
    name: str
    namespace: str
    ip: str
    labels: Mapping[str, str]
    node: str
    node_ip: str

    @property
    def shown(self) -> str:
        """``cilium-test-1/client-… (10.0.1.5)``."""
        return f"{self.namespace}/{self.name} ({self.ip})"

    def has(self, labels: Mapping[str, str]) -> bool:
        """Does it carry all these labels?"""
        return all(self.labels.get(key) == value for key, value in labels.items())


class Target(NamedTuple):
    """What is called. ``port`` 0 means ICMP; ``labels`` are those of the pod behind it, and headers that are sent."""

    name: str
    address: str
    port: int = 0
    path: str = ""
    labels: Mapping[str, str] = {}
    pod: str = ""

    @property
    def shown(self) -> str:
        """``cilium-test-1/echo-… (10.0.1.7:8080)``."""
        return f"{self.name} ({self.address}:{self.port})"

    @property
    def outside_by_name(self) -> bool:
        """Is it a name that somebody outside the cluster has?"""
        return not self.pod and bool(self.port) and any(char.isalpha() for char in self.address)

    def has(self, labels: Mapping[str, str]) -> bool:
        """Does it carry all these labels?"""
        return all(self.labels.get(key) == value for key, value in labels.items())


def place_of(pod: dict[str, Any], workload: str) -> Place:
    """The place of a pod."""
    meta, status = pod["metadata"], pod.get("status") or {}
    return Place(
        workload,
        meta["name"],
        meta["namespace"],
        str(status.get("podIP") or ""),
        dict(meta.get("labels") or {}),
        str(pod["spec"].get("nodeName") or ""),
        str(status.get("hostIP") or ""),
    )
