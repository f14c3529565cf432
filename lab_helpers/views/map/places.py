"""The places of a service map: workloads, names and addresses outside, the nodes of the cluster.

A place is where people would point, not what the datapath counts: all pods of a Deployment are one place, all addresses
of a name are one, and so is the rest of the world.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from lab_helpers.hubble.protos.flow_pb2 import Endpoint

__all__ = ["CLUSTER", "OUTSIDE", "Place", "PlaceKind", "place_of"]

OUTSIDE: Final = "outside the cluster"
"""The group of names, CIDRs and the world."""
CLUSTER: Final = "nodes of the cluster"
"""The group of host, remote-node, kube-apiserver and the other reserved identities."""

_HASHES: Final = re.compile(r"-[a-z0-9]{6,10}-[a-z0-9]{5}$")


class PlaceKind(StrEnum):
    """What kind of place, in words for people."""

    WORKLOAD = "workload"
    NAME = "name outside"
    CIDR = "address range"
    WORLD = "world"
    RESERVED = "reserved identity"


class Place(NamedTuple):
    """``group`` is the namespace of a workload, else OUTSIDE or CLUSTER; ``name`` is unique within it."""

    group: str
    name: str
    kind: PlaceKind

    def __str__(self) -> str:
        return f"{self.group}/{self.name}" if self.kind is PlaceKind.WORKLOAD else self.name


_WORLD: Final = Place(OUTSIDE, "world", PlaceKind.WORLD)
_RESERVED: Final = ("host", "kube-apiserver", "remote-node", "ingress", "health", "init", "unmanaged")
"""In the order in which one label decides when an identity has several."""


def place_of(endpoint: Endpoint, ip: str, names: Iterable[str], learned: Mapping[str, str]) -> Place:
    """Where one end of a flow is.

    ``names`` are those Hubble gives for it, ``learned`` maps addresses to names seen in DNS answers: an answer comes
    first where Hubble has no name.
    """
    if endpoint.pod_name:
        return Place(endpoint.namespace, _workload(endpoint), PlaceKind.WORKLOAD)
    labels = list(endpoint.labels)
    for name in _RESERVED:
        if f"reserved:{name}" in labels:
            return Place(CLUSTER, name, PlaceKind.RESERVED)
    if endpoint.namespace:
        return Place(endpoint.namespace, _labelled(labels) or ip, PlaceKind.WORKLOAD)
    found = sorted({name.rstrip(".") for name in names if name}) or ([learned[ip]] if ip in learned else [])
    if found:
        return Place(OUTSIDE, " / ".join(found), PlaceKind.NAME)
    cidr = _range(labels)
    return Place(OUTSIDE, cidr, PlaceKind.CIDR) if cidr else _WORLD


def _workload(endpoint: Any) -> str:
    if endpoint.workloads:
        return str(endpoint.workloads[0].name)
    return _HASHES.sub("", endpoint.pod_name)


def _labelled(labels: Iterable[str]) -> str:
    """The name a pod's labels suggest, where Hubble knows the labels only."""
    pairs = dict(label.removeprefix("k8s:").partition("=")[::2] for label in labels)
    return next((pairs[key] for key in ("app.kubernetes.io/name", "app", "k8s-app", "name") if key in pairs), "")


def _range(labels: Iterable[str]) -> str:
    """The narrowest CIDR among the labels, unless it is a single address (that is a cache entry, no range)."""
    ranges = []
    for label in labels:
        if label.startswith("cidr:"):
            try:
                network = ipaddress.ip_network(label.removeprefix("cidr:"), strict=False)
            except ValueError:
                continue
            if 0 < network.prefixlen < network.max_prefixlen:
                ranges.append(network)
    return str(max(ranges, key=lambda network: network.prefixlen)) if ranges else ""
