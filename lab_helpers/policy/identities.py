"""Security identities: a number for a set of labels.

Follows Cilium pkg/identity (numericidentity.go, reserved.go). The top byte of the number is its scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from lab_helpers.policy.labels import CLUSTER_LABEL, NAMESPACE_LABEL, Label, LabelSet

__all__ = [
    "CLUSTER_ID_SHIFT",
    "LOCAL_SCOPE",
    "MAXIMUM_CLUSTER_IDENTITY",
    "MINIMUM_CLUSTER_IDENTITY",
    "REMOTE_NODE_SCOPE",
    "RESERVED",
    "Endpoint",
    "Identity",
    "NamedPort",
    "ReservedIdentity",
    "pod_namespace",
    "reserved_identity",
    "runs_endpoint",
]

MINIMUM_CLUSTER_IDENTITY: Final = 256
MAXIMUM_CLUSTER_IDENTITY: Final = 65535
CLUSTER_ID_SHIFT: Final = 16
LOCAL_SCOPE: Final = 1 << 24
REMOTE_NODE_SCOPE: Final = 2 << 24


class ReservedIdentity(IntEnum):
    """The fixed numbers below 100."""

    HOST = 1
    WORLD = 2
    UNMANAGED = 3
    HEALTH = 4
    INIT = 5
    REMOTE_NODE = 6
    KUBE_APISERVER = 7
    INGRESS = 8
    WORLD_IPV4 = 9
    WORLD_IPV6 = 10

    @property
    def label_name(self) -> str:
        """The key of its ``reserved:`` label, e.g. ``remote-node``."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Identity:
    """A number and its labels. Numbers with the local scope mean something on one node only."""

    numeric: int
    labels: LabelSet

    def __str__(self) -> str:
        return str(self.numeric)


def _reserved(number: ReservedIdentity) -> Identity:
    names = [number.label_name]
    if number is ReservedIdentity.KUBE_APISERVER:
        names.append(ReservedIdentity.REMOTE_NODE.label_name)
    return Identity(int(number), LabelSet(Label("reserved", name) for name in names))


RESERVED: Final[Mapping[int, Identity]] = {int(number): _reserved(number) for number in ReservedIdentity}


def reserved_identity(name: str) -> Identity:
    """The reserved identity called ``name`` (``host``, ``remote-node`` …). Raises KeyError."""
    return RESERVED[ReservedIdentity[name.upper().replace("-", "_")]]


class NamedPort(NamedTuple):
    """A container port with a name. ``protocol`` is TCP, UDP or SCTP."""

    name: str
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Something that sends and receives: a pod, the host, an address. ``name`` is unique in a repository, e.g.
    ``shop/backend``.

    Several endpoints share an identity; their named ports may differ.
    """

    name: str
    identity: Identity
    named_ports: tuple[NamedPort, ...] = ()


def pod_namespace(labels: LabelSet) -> str | None:
    """The namespace of a pod's identity, None when it is none."""
    return labels.value(NAMESPACE_LABEL)


def runs_endpoint(labels: LabelSet, cluster_name: str) -> bool:
    """Does some node of this cluster enforce policy for this identity?

    Yes for pods of the cluster, health, ingress, init and the host. No for other nodes, addresses outside, unmanaged
    pods and pods of other clusters of a mesh.
    """
    if any(labels.reserved(name) for name in ("host", "health", "ingress", "init")):
        return True
    if labels.of("reserved"):
        return False
    if labels.of("cidr") and not labels.of("k8s"):
        return False
    return labels.value(CLUSTER_LABEL) in (None, cluster_name)
