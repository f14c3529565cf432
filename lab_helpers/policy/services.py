"""``toServices``: from Services to peers.

A Service with a selector stands for the pods it selects, one without for the addresses of its backends. Cilium
translates before it parses; when no Service is found, the element has no peers, which with ``toPorts`` means everybody
on these ports.
"""

from __future__ import annotations

from collections.abc import Iterable

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.labels import CLUSTER_LABEL, NAMESPACE_LABEL, Label, LabelSet
from lab_helpers.policy.prefixes import PrefixError, parse_prefix
from lab_helpers.policy.rules import Rule, Service, ServiceRef
from lab_helpers.policy.selectors import WILDCARD, PrefixSelector, Selector, label_selector

__all__ = ["refers_to", "service_peers"]


def refers_to(ref: ServiceRef, service: Service) -> bool:
    """Is this Service meant?"""
    if ref.namespace and ref.namespace != service.namespace:
        return False
    if ref.selector is None:
        return ref.name == service.name
    return ref.selector.matches(LabelSet(Label("k8s", key, value) for key, value in service.labels))


def service_peers(rule: Rule, services: Iterable[Service], config: PolicyConfig) -> tuple[Selector, ...]:
    """The peers of a rule with ``toServices``, from the Services there are."""
    peers: list[Selector] = []
    for service in services:
        if any(refers_to(ref, service) for ref in rule.services):
            peers.extend(_peers_of(service, config))
    if not peers and rule.ports is not None:
        return (WILDCARD,)
    return tuple(dict.fromkeys(peers))


def _peers_of(service: Service, config: PolicyConfig) -> list[Selector]:
    if service.selector:
        wanted = {f"k8s:{key}": value for key, value in service.selector}
        wanted.setdefault(f"k8s:{NAMESPACE_LABEL}", service.namespace)
        if config.default_local_cluster:
            wanted.setdefault(f"k8s:{CLUSTER_LABEL}", config.cluster_name)
        return [label_selector(wanted)]
    found: list[Selector] = []
    for address in service.backends:
        try:
            prefix = parse_prefix(f"{address}/{128 if ':' in address else 32}")
        except PrefixError:
            continue
        found.append(
            PrefixSelector(prefix, nodes="nodes" in config.cidr_match_mode, pods="pods" in config.cidr_match_mode)
        )
    return found
