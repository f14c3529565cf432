"""Selectors: predicates over the labels of an identity.

Every peer form of a policy becomes one of four: labels, entity, prefix, name. They are values (equal selectors are one
selector in the caches) and each says in ``text`` how ``cilium-dbg policy selectors`` prints it. Follows Cilium
pkg/policy/api and pkg/policy/types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple

from lab_helpers.policy.configs import PolicyConfig, Version
from lab_helpers.policy.labels import CLUSTER_LABEL, LabelSet, parse_key
from lab_helpers.policy.matchpatterns import FQDNSelector
from lab_helpers.policy.prefixes import Prefix, prefix_of_label

__all__ = [
    "ENTITIES",
    "WILDCARD",
    "EntitySelector",
    "LabelSelector",
    "NameSelector",
    "Operator",
    "PrefixSelector",
    "Requirement",
    "Selector",
    "entity_selector",
    "label_selector",
]

CIDR_GROUP_LABEL: Final = "io.cilium.policy.cidrgroupname"
_WORLDS: Final = ("world", "world-ipv4", "world-ipv6")


class Operator(StrEnum):
    """The operators of matchExpressions. ``NotIn`` and ``DoesNotExist`` also match where the key is absent."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"

    @property
    def negative(self) -> bool:
        """Is it fulfilled by an absent key?"""
        return self in (Operator.NOT_IN, Operator.DOES_NOT_EXIST)


class Requirement(NamedTuple):
    """One condition. ``source`` may be ``any``; ``values`` are sorted, and empty for the two existence operators."""

    source: str
    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: LabelSet) -> bool:
        """Do the labels fulfil it?"""
        found = labels.values(self.source, self.key)
        if self.operator is Operator.EXISTS:
            return bool(found)
        if self.operator is Operator.DOES_NOT_EXIST:
            return not found
        hit = any(value in self.values for value in found)
        return hit if self.operator is Operator.IN else not hit

    @property
    def full_key(self) -> str:
        """``source:key``."""
        return f"{self.source}:{self.key}"


@dataclass(frozen=True)
class LabelSelector:
    """All requirements hold. Without requirements it selects every identity (the wildcard)."""

    requirements: tuple[Requirement, ...] = ()

    def __hash__(self) -> int:
        """Computed once: selectors are looked up often."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.requirements)

    @property
    def is_wildcard(self) -> bool:
        """Does it select everybody, so that the datapath writes it as identity 0?"""
        return not self.requirements

    @property
    def only_negative(self) -> bool:
        """Only ``NotIn``/``DoesNotExist``: also fulfilled by identities without any of the labels."""
        return bool(self.requirements) and all(requirement.operator.negative for requirement in self.requirements)

    def matches(self, labels: LabelSet) -> bool:
        """Do the labels fulfil every requirement?"""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def has_key(self, full_key: str) -> bool:
        """Is there a requirement on ``source:key``?"""
        return any(requirement.full_key == full_key for requirement in self.requirements)

    @cached_property
    def text(self) -> str:
        """As Go prints the struct."""
        equal = [r for r in self.requirements if r.operator is Operator.IN and len(r.values) == 1]
        others = [r for r in self.requirements if r not in equal]
        pairs = sorted((f"{r.source}.{r.key}", r.values[0]) for r in equal)
        labels = "".join(f"{key}: {value}," for key, value in pairs)
        expressions = "".join(
            f"LabelSelectorRequirement{{Key:{r.source}.{r.key},Operator:{r.operator},Values:[{' '.join(r.values)}],}},"
            for r in others
        )
        return (
            f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
            f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
        )

    def __str__(self) -> str:
        if not self.requirements:
            return "{}"
        parts = []
        for r in self.requirements:
            if r.operator is Operator.IN:
                parts.append(
                    f"{r.full_key}={r.values[0]}" if len(r.values) == 1 else f"{r.full_key} in ({', '.join(r.values)})"
                )
            elif r.operator is Operator.NOT_IN:
                parts.append(f"{r.full_key} not in ({', '.join(r.values)})")
            else:
                parts.append(r.full_key if r.operator is Operator.EXISTS else f"!{r.full_key}")
        return ", ".join(parts)


WILDCARD: Final = LabelSelector()


@dataclass(frozen=True)
class EntitySelector:
    """One entity: any of several label selectors."""

    name: str
    alternatives: tuple[LabelSelector, ...]

    @property
    def is_wildcard(self) -> bool:
        """Is it ``all``?"""
        return any(alternative.is_wildcard for alternative in self.alternatives)

    def matches(self, labels: LabelSet) -> bool:
        """Does one of the alternatives match?"""
        return any(alternative.matches(labels) for alternative in self.alternatives)

    @property
    def text(self) -> str:
        """The selectors, one after the other."""
        return ", ".join(alternative.text for alternative in self.alternatives)

    def __str__(self) -> str:
        return f"entity {self.name}"


@dataclass(frozen=True)
class PrefixSelector:
    """A CIDR, or a CIDR group, less some prefixes.

    It compares with the ``cidr:`` label of identities of the world; ``cidr_match_mode`` adds nodes or pods. A prefix of
    length 0 stands for the world label of its family.
    """

    prefix: Prefix | None
    excluded: tuple[Prefix, ...] = ()
    group: LabelSelector | None = None
    nodes: bool = False
    pods: bool = False
    world: tuple[str, ...] = _WORLDS
    """Keys of the reserved labels that a zero-length prefix stands for."""

    @property
    def is_wildcard(self) -> bool:
        """Never: the world is not everybody."""
        return False

    def matches(self, labels: LabelSet) -> bool:
        """Is the identity an address within?"""
        own = [prefix for label in labels.of("cidr") if (prefix := prefix_of_label(label.key)) is not None]
        if any(excluded.contains(prefix) for excluded in self.excluded for prefix in own):
            return False
        if any(
            excluded.length == 0 and any(labels.reserved(name) for name in self.world) for excluded in self.excluded
        ):
            return False
        if self.group is not None:
            return self.group.matches(labels)
        prefix = self.prefix
        if prefix is None:
            return False
        if prefix.length == 0:
            if any(labels.reserved(name) for name in self.world):
                return True
            return (
                self.pods and labels.has("k8s", "io.kubernetes.pod.namespace") and any(prefix.contains(p) for p in own)
            )
        return self.admits(labels) and any(prefix.contains(p) for p in own)

    def admits(self, labels: LabelSet) -> bool:
        """Is it the kind of identity that prefixes are compared with?"""
        if any(labels.reserved(name) for name in _WORLDS):
            return True
        if self.nodes and (labels.reserved("remote-node") or labels.reserved("host")):
            return True
        return self.pods and not labels.of("reserved")

    @property
    def text(self) -> str:
        """The prefix and its exceptions."""
        start = str(self.prefix) if self.prefix is not None else str(self.group)
        return start + (f" except {', '.join(map(str, self.excluded))}" if self.excluded else "")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class NameSelector:
    """``toFQDNs``: the identity carries the ``fqdn:`` label of exactly this selector."""

    fqdn: FQDNSelector

    @property
    def is_wildcard(self) -> bool:
        """Never."""
        return False

    def matches(self, labels: LabelSet) -> bool:
        """Was the address learned for a name that this selector matches?"""
        label = self.fqdn.label
        return bool(label.key) and labels.has("fqdn", label.key)

    @property
    def text(self) -> str:
        """``MatchName: …, MatchPattern: …``."""
        return str(self.fqdn)

    def __str__(self) -> str:
        return self.fqdn.match_name or self.fqdn.match_pattern or "(no name)"


Selector = LabelSelector | EntitySelector | PrefixSelector | NameSelector


def label_selector(
    match_labels: Mapping[str, str], expressions: Iterable[Requirement] = (), *, default_source: str = "any"
) -> LabelSelector:
    """Make a selector; keys may carry a source. The requirements come in a canonical order, so that equal ones are
    equal.
    """
    requirements = {
        Requirement(*parse_key(key, default_source), Operator.IN, (value,)) for key, value in match_labels.items()
    }
    requirements.update(expressions)
    return LabelSelector(tuple(sorted(requirements)))


def _reserved(name: str) -> LabelSelector:
    return LabelSelector((Requirement("reserved", name, Operator.EXISTS),))


_IN_CLUSTER: Final = ("host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver")

ENTITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "all": (),
    "world": _WORLDS,
    "world-ipv4": ("world-ipv4",),
    "world-ipv6": ("world-ipv6",),
    "cluster": _IN_CLUSTER,
    "cluster-mesh": _IN_CLUSTER,
    "host": ("host",),
    "init": ("init",),
    "ingress": ("ingress",),
    "unmanaged": ("unmanaged",),
    "remote-node": ("remote-node",),
    "health": ("health",),
    "kube-apiserver": ("kube-apiserver",),
    "none": (),
}
"""Entity → the ``reserved:`` labels it stands for. ``cluster`` and ``cluster-mesh`` add pods by their cluster label."""


def entity_selector(name: str, config: PolicyConfig) -> EntitySelector | None:
    """The selector of an entity, or None when this version of Cilium does not know it."""
    if name not in ENTITIES or (name == "cluster-mesh" and config.version is Version.V1_19):
        return None
    if name == "all":
        return EntitySelector(name, (WILDCARD,))
    alternatives = [_reserved(label) for label in ENTITIES[name]]
    if name == "cluster":
        alternatives.append(LabelSelector((Requirement("k8s", CLUSTER_LABEL, Operator.IN, (config.cluster_name,)),)))
    elif name == "cluster-mesh":
        alternatives.append(LabelSelector((Requirement("k8s", CLUSTER_LABEL, Operator.EXISTS),)))
    return EntitySelector(name, tuple(alternatives))
