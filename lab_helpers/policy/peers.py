"""From the peer fields of an element to selectors, with the namespace and cluster labels Cilium adds.

Follows Cilium pkg/k8s/apis/cilium.io/utils (namespace and cluster injection) and pkg/policy/utils/parserules.go
(which lists count).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.labels import CLUSTER_LABEL, NAMESPACE_LABEL, NAMESPACE_LABELS_PREFIX, parse_key
from lab_helpers.policy.matchpatterns import FQDNSelector
from lab_helpers.policy.prefixes import Prefix, PrefixError, parse_prefix
from lab_helpers.policy.selectors import (
    CIDR_GROUP_LABEL,
    WILDCARD,
    LabelSelector,
    NameSelector,
    Operator,
    PrefixSelector,
    Requirement,
    Selector,
    entity_selector,
    label_selector,
)

__all__ = [
    "cluster_scoped",
    "decoded_selector",
    "element_peers",
    "fqdn_selector",
    "node_selector",
    "peer_selector",
    "prefix_selector",
    "subject_selector",
]

_Node = Mapping[str, Any]
_NAMESPACE_KEYS = (f"k8s:{NAMESPACE_LABEL}", f"any:{NAMESPACE_LABEL}")
_CLUSTER_KEYS = (f"k8s:{CLUSTER_LABEL}", f"any:{CLUSTER_LABEL}")


def decoded_selector(
    node: _Node, *, default_source: str = "any", lenient: bool = False, key_prefix: str = ""
) -> LabelSelector:
    """A decoded label selector as requirements. ``lenient`` drops expressions that are not well formed, as Cilium does
    where it does not validate (NetworkPolicy); ``key_prefix`` goes before every key.
    """
    expressions = []
    for item in node.get("matchExpressions") or ():
        operator, values = item.get("operator", ""), tuple(sorted({value or "" for value in item.get("values") or ()}))
        if lenient and (operator not in set(Operator) or (not values) == (operator in (Operator.IN, Operator.NOT_IN))):
            continue
        source, key = parse_key(item.get("key", ""), default_source)
        expressions.append(Requirement(source, key_prefix + key, Operator(operator), values))
    labels = {}
    for text, value in (node.get("matchLabels") or {}).items():
        source, key = parse_key(text, default_source)
        labels[f"{source}:{key_prefix}{key}"] = value or ""
    return label_selector(labels, expressions, default_source=default_source)


def _with(selector: LabelSelector, *more: Requirement) -> LabelSelector:
    return LabelSelector(tuple(sorted({*selector.requirements, *more})))


def _exact(key: str, value: str) -> Requirement:
    return Requirement("k8s", key, Operator.IN, (value,))


def cluster_scoped(selector: LabelSelector, config: PolicyConfig) -> LabelSelector:
    """Limit a peer to the local cluster, unless it names a cluster or the configuration says otherwise."""
    if not config.default_local_cluster or any(selector.has_key(key) for key in _CLUSTER_KEYS):
        return selector
    return _with(selector, _exact(CLUSTER_LABEL, config.cluster_name))


def subject_selector(node: _Node, namespace: str) -> LabelSelector:
    """The subject of a policy: in a namespaced one always the pods of its namespace, whatever was written under
    ``k8s:``.
    """
    selector = decoded_selector(node)
    if not namespace:
        return selector
    kept = tuple(
        r
        for r in selector.requirements
        if not (r.full_key == _NAMESPACE_KEYS[0] and r.operator is Operator.IN and _from_match_labels(node, r))
    )
    return _with(LabelSelector(kept), _exact(NAMESPACE_LABEL, namespace))


def _from_match_labels(node: _Node, requirement: Requirement) -> bool:
    written = (node.get("matchLabels") or {}).get(_NAMESPACE_KEYS[0])
    return written is not None and requirement.values == (written,)


def peer_selector(node: _Node, namespace: str, config: PolicyConfig, *, for_init: bool) -> LabelSelector:
    """One element of ``fromEndpoints``/``toEndpoints``. ``namespace`` "" means a clusterwide policy; ``for_init``: its
    subject names ``reserved:init``.
    """
    selector = decoded_selector(node)
    keys = [requirement.full_key for requirement in selector.requirements]
    if any(key.startswith("reserved:") for key in keys):
        return selector
    if not any(key in _NAMESPACE_KEYS for key in keys):
        by_labels = any(
            key.startswith((f"k8s:{NAMESPACE_LABELS_PREFIX}", f"any:{NAMESPACE_LABELS_PREFIX}")) for key in keys
        )
        if not namespace:
            if not for_init:
                selector = _with(selector, Requirement("k8s", NAMESPACE_LABEL, Operator.EXISTS))
        elif not by_labels:
            selector = _with(selector, _exact(NAMESPACE_LABEL, namespace))
    return cluster_scoped(selector, config)


def node_selector(node: _Node, config: PolicyConfig, *, default_source: str = "any") -> LabelSelector:
    """One element of ``fromNodes``/``toNodes``."""
    selector = _with(
        decoded_selector(node, default_source=default_source), Requirement("reserved", "remote-node", Operator.EXISTS)
    )
    return cluster_scoped(selector, config)


def _world(prefix: Prefix | None, config: PolicyConfig) -> tuple[str, ...]:
    """What a zero-length prefix of that family selects."""
    family = 4 if prefix is None else prefix.family
    other = config.ipv6 if family == 4 else config.ipv4
    own = config.ipv4 if family == 4 else config.ipv6
    if own and not other:
        return ("world",)
    return (f"world-ipv{family}",)


def prefix_selector(
    prefix: Prefix | None,
    config: PolicyConfig,
    *,
    excluded: Sequence[Prefix] = (),
    group: LabelSelector | None = None,
) -> PrefixSelector:
    """A CIDR or CIDR group under a configuration."""
    return PrefixSelector(
        prefix,
        tuple(excluded),
        group,
        nodes="nodes" in config.cidr_match_mode,
        pods="pods" in config.cidr_match_mode,
        world=_world(prefix, config),
    )


def _cidr_rule(item: _Node, config: PolicyConfig) -> PrefixSelector:
    excluded = [prefix for text in item.get("except") or () if (prefix := _prefix(text or "")) is not None]
    if item.get("cidrGroupRef"):
        key = f"{CIDR_GROUP_LABEL}/{item['cidrGroupRef']}"
        group = LabelSelector((Requirement("cidrgroup", key, Operator.EXISTS),))
        return prefix_selector(None, config, excluded=excluded, group=group)
    if item.get("cidrGroupSelector") is not None:
        group = decoded_selector(item["cidrGroupSelector"], default_source="cidrgroup")
        return prefix_selector(None, config, excluded=excluded, group=group)
    return prefix_selector(parse_prefix(item["cidr"]), config, excluded=excluded)


def _prefix(text: str) -> Prefix | None:
    try:
        return parse_prefix(text if "/" in text else f"{text}/{128 if ':' in text else 32}")
    except PrefixError:
        return None


def _aws_group(item: _Node) -> LabelSelector:
    digest = hashlib.sha224(json.dumps(item, sort_keys=True).encode()).hexdigest()
    return LabelSelector((Requirement("cidrgroup", f"extgrp.cilium.io/{digest}", Operator.EXISTS),))


def fqdn_selector(node: _Node) -> FQDNSelector:
    """One decoded element of ``toFQDNs`` or ``rules.dns``."""
    return FQDNSelector(node.get("matchName", ""), node.get("matchPattern", ""))


def element_peers(
    element: _Node, way: str, namespace: str, config: PolicyConfig, *, for_init: bool
) -> tuple[Selector, ...] | None:
    """The peers of a decoded element; ``way`` is ``from`` or ``to``. None: some list is present and empty, so
    nobody is meant.
    An empty tuple: no list at all, which with ports means everybody. ``toServices`` is not looked at here."""
    if any(element.get(way + kind) == [] for kind in ("Endpoints", "Nodes", "Entities", "CIDR", "CIDRSet")):
        return None
    peers: list[Selector] = [
        peer_selector(node or {}, namespace, config, for_init=for_init) for node in element.get(f"{way}Endpoints") or ()
    ]
    peers += [node_selector(node or {}, config) for node in element.get(f"{way}Nodes") or ()]
    for name in element.get(f"{way}Entities") or ():
        entity = entity_selector(name, config)
        assert entity is not None
        peers.append(WILDCARD if entity.is_wildcard else entity)
    peers += [prefix_selector(_prefix(text), config) for text in element.get(f"{way}CIDR") or ()]
    peers += [_cidr_rule(item or {}, config) for item in element.get(f"{way}CIDRSet") or ()]
    peers += [NameSelector(fqdn_selector(item or {})) for item in element.get("toFQDNs") or ()]
    peers += [prefix_selector(None, config, group=_aws_group(item or {})) for item in element.get(f"{way}Groups") or ()]
    return tuple(dict.fromkeys(peers))
