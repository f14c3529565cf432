"""Numbers for things: cluster-wide identities (CiliumIdentity objects), local identities, pod addresses, endpoint ids.

Follows Cilium pkg/identity/cache, pkg/k8s/identitybackend, pkg/ipam and pkg/endpointmanager/idallocator.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable, Iterator
from typing import Any

from lab_helpers.policy.identities import (
    LOCAL_SCOPE,
    MAXIMUM_CLUSTER_IDENTITY,
    MINIMUM_CLUSTER_IDENTITY,
    Identity,
)
from lab_helpers.policy.labels import CLUSTER_LABEL, NAMESPACE_LABEL, Label, LabelSet
from lab_helpers.twin.objects.registry import Registry

__all__ = [
    "AddressPool",
    "EndpointIds",
    "IdentityAllocator",
    "LocalIdentities",
    "PoolExhaustedError",
    "identity_labels",
]

IDENTITIES = "ciliumidentities.cilium.io"


class PoolExhaustedError(RuntimeError):
    """No number or address is left."""


def identity_labels(obj: dict[str, Any]) -> LabelSet:
    """The labels of a CiliumIdentity object."""
    found = []
    for key, value in (obj.get("security-labels") or {}).items():
        source, _, name = key.partition(":")
        found.append(Label(source, name, value))
    return LabelSet(found)


class IdentityAllocator:
    """Cluster-wide identities, one per label set, kept as CiliumIdentity objects; numbers are pseudo-random."""

    def __init__(self, registry: Registry, numbers: random.Random) -> None:
        self._registry = registry
        self._random = numbers
        self._by_labels: dict[LabelSet, Identity] = {}
        self._by_number: dict[int, Identity] = {}

    def start(self) -> None:
        """Read the objects that are there."""
        self._by_labels.clear()
        self._by_number.clear()
        for obj in self._registry.list(IDENTITIES):
            self.learn(obj)

    def learn(self, obj: dict[str, Any]) -> Identity | None:
        """A CiliumIdentity object appeared."""
        name = obj["metadata"]["name"]
        if not name.isdigit():
            return None
        identity = Identity(int(name), identity_labels(obj))
        self._by_number[identity.numeric] = identity
        self._by_labels.setdefault(identity.labels, identity)
        return identity

    def forget(self, numeric: int) -> None:
        """A CiliumIdentity object was deleted."""
        identity = self._by_number.pop(numeric, None)
        if identity is not None and self._by_labels.get(identity.labels) is identity:
            del self._by_labels[identity.labels]

    def get(self, numeric: int) -> Identity | None:
        """The identity of a number."""
        return self._by_number.get(numeric)

    def __iter__(self) -> Iterator[Identity]:
        return iter(tuple(self._by_number.values()))

    def allocate(self, labels: LabelSet, cluster_id: int = 0) -> Identity:
        """The identity of a label set; made when it is new. Raises PoolExhaustedError."""
        known = self._by_labels.get(labels)
        if known is not None:
            return known
        low = MINIMUM_CLUSTER_IDENTITY if not cluster_id else cluster_id << 16
        high = MAXIMUM_CLUSTER_IDENTITY if not cluster_id else (cluster_id << 16) + 65535
        for _ in range(1000):
            numeric = self._random.randint(low, high)
            if numeric not in self._by_number and self._registry.find(IDENTITIES, str(numeric)) is None:
                break
        else:
            raise PoolExhaustedError("unable to allocate an identity: all numbers from 256 to 65535 are in use")
        metadata = {
            label.key: label.value
            for label in labels
            if label.source == "k8s" and label.key in (NAMESPACE_LABEL, "app", "class", CLUSTER_LABEL)
        }
        body = {
            "metadata": {"name": str(numeric), "labels": {**metadata}},
            "security-labels": {f"{label.source}:{label.key}": label.value for label in labels},
        }
        created = self.learn(self._registry.create(IDENTITIES, body))
        assert created is not None
        return created


class LocalIdentities:
    """Identities of one node's own: label sets of addresses outside (CIDR, FQDN). Numbers are never used twice in an
    agent's life.
    """

    def __init__(self) -> None:
        self._next = LOCAL_SCOPE + 1
        self._by_labels: dict[LabelSet, Identity] = {}

    def allocate(self, labels: LabelSet) -> tuple[Identity, bool]:
        """The identity of a label set, and whether it is new."""
        known = self._by_labels.get(labels)
        if known is not None:
            return known, False
        identity = Identity(self._next, labels)
        self._next += 1
        self._by_labels[labels] = identity
        return identity, True

    def retain(self, wanted: Iterable[LabelSet]) -> list[Identity]:
        """Forget all others; returns those."""
        keep = set(wanted)
        gone = [identity for labels, identity in self._by_labels.items() if labels not in keep]
        for identity in gone:
            del self._by_labels[identity.labels]
        return gone

    def __iter__(self) -> Iterator[Identity]:
        return iter(self._by_labels.values())


class AddressPool:
    """The pod addresses of a node: its pod CIDRs without network and broadcast addresses, handed out at random."""

    def __init__(self, cidrs: Iterable[str], numbers: random.Random) -> None:
        self.networks = [ipaddress.IPv4Network(cidr) for cidr in cidrs]
        self._random = numbers
        self._owners: dict[str, str] = {}

    @property
    def capacity(self) -> int:
        """How many addresses there are."""
        return sum(network.num_addresses - 2 for network in self.networks)

    @property
    def owners(self) -> dict[str, str]:
        """Address → owner (``default/web``, ``router``, ``health`` …)."""
        return self._owners

    def allocate(self, owner: str) -> str:
        """A free address. Raises PoolExhaustedError."""
        for network in self.networks:
            first, count = int(network.network_address) + 1, network.num_addresses - 2
            start = self._random.randrange(count)
            for step in range(count):
                ip = str(ipaddress.IPv4Address(first + (start + step) % count))
                if ip not in self._owners:
                    self._owners[ip] = owner
                    return ip
        raise PoolExhaustedError("range is full")

    def claim(self, ip: str, owner: str) -> bool:
        """Take this address if it belongs to the pool and is free (or already ours)."""
        address = ipaddress.IPv4Address(ip)
        if not any(address in network for network in self.networks) or self._owners.get(ip, owner) != owner:
            return False
        self._owners[ip] = owner
        return True

    def release(self, ip: str) -> None:
        """Give an address back."""
        self._owners.pop(ip, None)


class EndpointIds:
    """Agent-local endpoint ids, 1 to 4095, at random."""

    def __init__(self, numbers: random.Random) -> None:
        self._random = numbers
        self._used: set[int] = set()

    def allocate(self, wanted: int = 0) -> int:
        """A free id, the wanted one if possible. Raises PoolExhaustedError."""
        if wanted and wanted not in self._used:
            self._used.add(wanted)
            return wanted
        if len(self._used) >= 4095:
            raise PoolExhaustedError("no more endpoint IDs available")
        while True:
            number = self._random.randint(1, 4095)
            if number not in self._used:
                self._used.add(number)
                return number

    def release(self, number: int) -> None:
        """Give an id back."""
        self._used.discard(number)
