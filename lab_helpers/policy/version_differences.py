"""What a set of policies means in one version of Cilium and in another: objects that a version refuses or prunes, and
connections that fare otherwise.

Of an object a version refuses, nothing is in force; of a field it does not know, the rest is. Both widen or narrow what
is allowed without a word from the one who applied it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, NamedTuple

from lab_helpers.policy.configs import PolicyConfig, Version
from lab_helpers.policy.errors import Position
from lab_helpers.policy.identities import Endpoint, reserved_identity
from lab_helpers.policy.inventories import Inventory, Object, build_inventory
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.reachability import Changed, Target, difference, reachability

__all__ = ["Effect", "VersionDifference", "VersionEffect", "between_versions", "stand_ins"]

_NAMESPACE_KEYS = ("k8s:io.kubernetes.pod.namespace", "io.kubernetes.pod.namespace")
_PEERS = ("fromEndpoints", "toEndpoints")
_POLICIES = ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")
_KAFKA = "Kafka rules are gone in 1.20; what is left opens the port at L4"


class Effect(StrEnum):
    """What a version does with an object that the other one takes as it is."""

    REFUSED = "refused"
    PRUNED = "pruned"


class VersionEffect(NamedTuple):
    """One finding. ``owner`` is ``Kind/namespace/name``, ``path`` the field (empty for the whole object)."""

    version: Version
    effect: Effect
    owner: str
    path: str
    message: str
    position: Position | None = None

    def __str__(self) -> str:
        place = f"{self.position}: " if self.position else ""
        where = f"{self.owner} {self.path}".strip()
        return f"{place}{where}: {self.effect} by {self.version}: {self.message}"


class VersionDifference(NamedTuple):
    """``broken``: objects that both versions refuse; they are compared as if they were not there."""

    versions: tuple[Version, Version]
    objects: tuple[VersionEffect, ...]
    changes: tuple[Changed, ...]
    broken: tuple[VersionEffect, ...]


def between_versions(
    objects: Iterable[Object],
    versions: tuple[Version, Version],
    *,
    config: PolicyConfig | None = None,
    namespaces: Sequence[str] = (),
    ports: Sequence[tuple[Protocol, int]] = (),
) -> VersionDifference:
    """Compare. ``ports``: ask about these; else about each pod's own and those that policies name."""
    listed = list(objects)
    base = config or PolicyConfig()
    before, after = (build_inventory(listed, replace(base, version=version)) for version in versions)
    effects = [_effects(before, versions[0]), _effects(after, versions[1])]
    keys = [{(item.effect, item.owner, item.path) for item in found} for found in effects]
    own = [
        item for found, other in zip(effects, reversed(keys), strict=True) for item in found if item[1:4] not in other
    ]
    broken = [item for item in effects[1] if item.effect is Effect.REFUSED and item[1:4] in keys[0]]
    asked = tuple(ports)
    named = asked or _policy_ports(before) | _policy_ports(after)
    targets = [_targets(inventory, namespaces, named, only=bool(asked)) for inventory in (before, after)]
    matrices = [
        reachability(inventory.repository, [endpoint for endpoint, _ in _everyone(inventory, namespaces)], found)
        for inventory, found in zip((before, after), targets, strict=True)
    ]
    return VersionDifference(versions, tuple(own), difference(*matrices), tuple(broken))


def _effects(inventory: Inventory, version: Version) -> list[VersionEffect]:
    found = [
        VersionEffect(
            version,
            Effect.REFUSED,
            "/".join(part for part in (error.kind, error.namespace, error.name) if part),
            error.path,
            error.message,
            error.position,
        )
        for error in inventory.refused
    ]
    for policy in inventory.policies:
        for notice in policy.warnings:
            kafka = ".kafka" in notice.path or "l7proto" in notice.path
            message = f"{notice.message}: {_KAFKA}" if kafka else f"{notice.message}: the agent ignores it"
            found.append(VersionEffect(version, Effect.PRUNED, str(policy.ref), notice.path, message, notice.position))
    return found


def _policy_ports(inventory: Inventory) -> frozenset[tuple[Protocol, int]]:
    """The single ports, and the first of each range, that any rule names by number."""
    matches = (port.match for policy in inventory.policies for rule in policy.rules for port in rule.ports or ())
    return frozenset((match.protocol, match.first) for match in matches if match.first and not match.name)


def _everyone(
    inventory: Inventory, namespaces: Sequence[str]
) -> list[tuple[Endpoint, tuple[tuple[Protocol, int], ...]]]:
    """One endpoint per workload and identity with its own ports; the world at the end."""
    seen: dict[tuple[str, int], tuple[Endpoint, tuple[tuple[Protocol, int], ...]]] = {}
    for member in inventory.members:
        if namespaces and member.namespace not in namespaces:
            continue
        name = f"{member.namespace}/{member.workload}"
        own = tuple((Protocol[port.protocol.upper()], port.port) for port in member.ports)
        seen.setdefault((name, member.endpoint.identity.numeric), (replace(member.endpoint, name=name), own))
    return [*seen.values(), (Endpoint("world", reserved_identity("world")), ((Protocol.TCP, 443),))]


def _targets(
    inventory: Inventory, namespaces: Sequence[str], named: Iterable[tuple[Protocol, int]], *, only: bool
) -> list[tuple[Endpoint, Target]]:
    found = []
    for endpoint, own in _everyone(inventory, namespaces):
        asked = sorted({*named} if only else {*named, *(own or ((Protocol.TCP, 80),))})
        found += [(endpoint, Target(endpoint.name, protocol, port)) for protocol, port in asked]
    return found


def stand_ins(objects: Iterable[Object]) -> list[Object]:
    """Pods as the policies describe them, for files that hold policies alone: one per selector by labels, and one of no
    labels in each namespace.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for obj, _ in objects:
        if obj.get("kind") not in _POLICIES:
            continue
        namespace = str((obj.get("metadata") or {}).get("namespace") or "default")
        for spec in (obj.get("spec"), *(obj.get("specs") or ())):
            if isinstance(spec, Mapping):
                found[namespace, "others"] = {}
                for labels in _selections(spec):
                    home = next((labels[key] for key in _NAMESPACE_KEYS if key in labels), namespace)
                    plain = {
                        key.removeprefix("k8s:").removeprefix("any:"): value
                        for key, value in labels.items()
                        if key not in _NAMESPACE_KEYS and not key.startswith(("reserved:", "k8s:io.", "io."))
                    }
                    if plain:
                        found[home, plain.get("app") or "-".join(plain.values())] = plain
    return [
        Object(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "labels": labels},
                "spec": {"containers": []},
            }
        )
        for (namespace, name), labels in sorted(found.items())
    ]


def _selections(spec: Mapping[str, Any]) -> Iterable[dict[str, str]]:
    """``matchLabels`` of the subject and of every peer."""
    yield _labels(spec.get("endpointSelector"))
    for section in ("ingress", "ingressDeny", "egress", "egressDeny"):
        for element in spec.get(section) or ():
            for field in _PEERS:
                for peer in (element or {}).get(field) or ():
                    yield _labels(peer)


def _labels(selector: Any) -> dict[str, str]:
    chosen = (selector or {}).get("matchLabels") or {}
    return {str(key): str(value) for key, value in chosen.items()}
