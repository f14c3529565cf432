"""NetworkPolicy and ClusterNetworkPolicy as Cilium reads them.

Follows Cilium pkg/k8s/{network_policy,cluster_network_policy}.go. Cilium does not validate these objects (the API
server does), with few exceptions; the messages of those are Cilium's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.errors import PolicyError
from lab_helpers.policy.labels import CLUSTER_LABEL, NAMESPACE_LABEL, NAMESPACE_LABELS_PREFIX
from lab_helpers.policy.layer7_validation import check_fqdn
from lab_helpers.policy.matchpatterns import FQDNSelector
from lab_helpers.policy.paths import Path, render
from lab_helpers.policy.peers import decoded_selector, node_selector, prefix_selector
from lab_helpers.policy.port_rules import port_matches
from lab_helpers.policy.prefixes import PrefixError, parse_prefix
from lab_helpers.policy.protocols import PortMatch, Protocol, protocol_named
from lab_helpers.policy.requests import L7Parser, L7Rules
from lab_helpers.policy.rules import Action, Direction, Origin, PortRule, Rule, RuleRef, Tier
from lab_helpers.policy.sanitizing import protocol_error
from lab_helpers.policy.selectors import (
    WILDCARD,
    LabelSelector,
    NameSelector,
    Operator,
    Requirement,
    Selector,
    label_selector,
)

__all__ = ["parse_cluster_network_policy", "parse_network_policy"]

_Node = Mapping[str, Any]


def _merged(*selectors: LabelSelector) -> LabelSelector:
    requirements = {requirement for selector in selectors for requirement in selector.requirements}
    return LabelSelector(tuple(sorted(requirements)))


def _namespaces(node: _Node) -> LabelSelector:
    """A selector over namespaces: their labels, or any namespace when it is empty."""
    selector = decoded_selector(node, default_source="k8s", lenient=True, key_prefix=NAMESPACE_LABELS_PREFIX + ".")
    if selector.requirements:
        return selector
    return LabelSelector((Requirement("k8s", NAMESPACE_LABEL, Operator.EXISTS),))


def _local(selector: LabelSelector, pods: LabelSelector, config: PolicyConfig) -> LabelSelector:
    if not config.default_local_cluster or pods.has_key(f"k8s:{CLUSTER_LABEL}"):
        return selector
    return _merged(selector, label_selector({f"k8s:{CLUSTER_LABEL}": config.cluster_name}))


def _in_namespace(pods: LabelSelector, namespace: str) -> LabelSelector:
    return _merged(pods, label_selector({f"k8s:{NAMESPACE_LABEL}": namespace}))


def _peer(peer: _Node, namespace: str, config: PolicyConfig, path: Path) -> tuple[Selector, ...]:
    found: list[Selector] = []
    pods = decoded_selector(peer.get("podSelector") or {}, default_source="k8s", lenient=True)
    if peer.get("namespaceSelector") is not None:
        found.append(_local(_merged(_namespaces(peer["namespaceSelector"]), pods), pods, config))
    elif peer.get("podSelector") is not None:
        found.append(_local(_in_namespace(pods, namespace), pods, config))
    block = peer.get("ipBlock")
    if block is not None:
        try:
            excluded = [parse_prefix(text or "") for text in block.get("except") or ()]
            found.append(prefix_selector(parse_prefix(block.get("cidr", "")), config, excluded=excluded))
        except PrefixError as error:
            raise PolicyError(str(error), category="bad-cidr", path=render((*path, "ipBlock"))) from None
    return tuple(found)


def _ports(ports: Sequence[_Node | None], path: Path) -> tuple[PortRule, ...] | None:
    if not ports:
        return None
    found: list[PortRule] = []
    for number, port in enumerate(ports):
        item = port or {}
        written = item.get("protocol")
        protocol = Protocol.TCP if written is None else protocol_named(written)
        if protocol is None:
            raise PolicyError(
                protocol_error(written or ""), category="bad-protocol", path=render((*path, number, "protocol"))
            )
        value = item.get("port")
        text = "0" if value is None else str(value)
        found.extend(PortRule(match) for match in port_matches(text, protocol, item.get("endPort", 0)))
    return tuple(dict.fromkeys(found))


def parse_network_policy(decoded: _Node, config: PolicyConfig, origin: Origin) -> Iterator[Rule]:
    """The rules of a decoded NetworkPolicy, one per peer."""
    metadata, spec = decoded.get("metadata") or {}, decoded.get("spec") or {}
    namespace = metadata.get("namespace") or "default"
    pods = decoded_selector(spec.get("podSelector") or {}, default_source="k8s", lenient=True)
    subject = _in_namespace(pods, namespace)
    types = spec.get("policyTypes") or ()
    for direction, way in ((Direction.INGRESS, "from"), (Direction.EGRESS, "to")):
        elements = spec.get(direction.value) or ()
        for index, element in enumerate(elements):
            path: Path = ("spec", direction.value, index)
            ports = _ports((element or {}).get("ports") or (), (*path, "ports"))
            ref = origin.ref(direction.value, index)
            peers = (element or {}).get(way) or ()
            for number, peer in enumerate(peers):
                selectors = _peer(peer or {}, namespace, config, (*path, way, number))
                yield Rule(ref, direction, Action.ALLOW, subject, selectors, ports, default_deny=True)
            if not peers:
                yield Rule(ref, direction, Action.ALLOW, subject, (WILDCARD,), ports, default_deny=True)
        listed = direction.value.capitalize() in types
        implied = direction is Direction.INGRESS and "Egress" not in types
        if not elements and (listed or implied):
            yield Rule(origin.ref(direction.value, 0), direction, Action.ALLOW, subject, (), None, default_deny=True)


_ACTIONS = {"Deny": Action.DENY, "Pass": Action.PASS}


def _namespaced_pods(node: _Node, config: PolicyConfig | None) -> LabelSelector:
    pods = decoded_selector(node.get("podSelector") or {}, default_source="k8s", lenient=True)
    selector = _merged(_namespaces(node.get("namespaceSelector") or {}), pods)
    return selector if config is None else _local(selector, pods, config)


def _protocols(items: Sequence[_Node | None]) -> tuple[PortRule, ...] | None:
    if not items:
        return None
    found: list[PortMatch] = []
    for item in items:
        node = item or {}
        if node.get("destinationNamedPort"):
            found.extend(port_matches(node["destinationNamedPort"], Protocol.ANY))
            continue
        for name, protocol in (("tcp", Protocol.TCP), ("udp", Protocol.UDP), ("sctp", Protocol.SCTP)):
            if node.get(name) is None:
                continue
            port = node[name].get("destinationPort") or {}
            span = port.get("range")
            first = (span or {}).get("start", 0) if span is not None else port.get("number", 0)
            last = (span or {}).get("end", 0) if span is not None else first
            found.append(PortMatch(protocol, first, max(first, last)))
            break
        else:
            found.append(PortMatch(Protocol.ANY))
    return tuple(PortRule(match) for match in dict.fromkeys(found))


def _names(names: Sequence[str], path: Path) -> tuple[FQDNSelector, ...]:
    found = []
    for number, name in enumerate(names):
        text = name or ""
        pattern = text.startswith("*")
        if pattern and not text.startswith("**"):
            text = "*" + text
        check_fqdn({"matchPattern" if pattern else "matchName": text}, (*path, number), dns_rule=True)
        found.append(FQDNSelector(match_pattern=text) if pattern else FQDNSelector(match_name=text))
    return tuple(found)


def _dns_lookup(names: tuple[FQDNSelector, ...]) -> tuple[tuple[Selector, ...], tuple[PortRule, ...]]:
    l7 = L7Rules(L7Parser.DNS, dns=names)
    matches = [match for port in ("dns", "dns-tcp") for match in port_matches(port, Protocol.ANY)]
    return (label_selector({"k8s-app": "kube-dns"}),), tuple(PortRule(match, l7) for match in matches)


def parse_cluster_network_policy(decoded: _Node, config: PolicyConfig, origin: Origin) -> Iterator[Rule]:
    """The rules of a decoded ClusterNetworkPolicy (v1alpha2). They carry tier and priority and never switch default
    deny on.
    """
    spec = decoded.get("spec") or {}
    tier = Tier.BASELINE if spec.get("tier") == "Baseline" else Tier.ADMIN
    subject_node = spec.get("subject") or {}
    if subject_node.get("namespaces") is not None:
        subject = _namespaces(subject_node["namespaces"])
    elif subject_node.get("pods") is not None:
        subject = _namespaced_pods(subject_node["pods"], None)
    else:
        return
    for direction, way in ((Direction.INGRESS, "from"), (Direction.EGRESS, "to")):
        for index, element in enumerate(spec.get(direction.value) or ()):
            node = element or {}
            path: Path = ("spec", direction.value, index)
            ref = origin.ref(direction.value, index)
            action = _ACTIONS.get(node.get("action", ""), Action.ALLOW)
            ports = _protocols(node.get("protocols") or ())
            priority = spec.get("priority", 0) + index / 100

            def rule(
                peers: tuple[Selector, ...],
                ports: tuple[PortRule, ...] | None,
                action: Action,
                *,
                ref: RuleRef = ref,
                direction: Direction = direction,
                priority: float = priority,
            ) -> Rule:
                return Rule(
                    ref, direction, action, subject, peers, ports, default_deny=False, tier=tier, priority=priority
                )

            peers = node.get(way) or ()
            if not peers:
                yield rule((WILDCARD,), ports, action)
            for number, item in enumerate(peers):
                peer = item or {}
                place = (*path, way, number)
                if peer.get("domainNames") is not None:
                    names = _domain_names(peer, action, config, place)
                    yield rule(*_dns_lookup(names), Action.ALLOW)
                    yield rule(tuple(NameSelector(name) for name in names), ports, action)
                    continue
                selectors = _cluster_peer(peer, config, place)
                if selectors is not None:
                    yield rule(selectors, ports, action)
                elif action is not Action.ALLOW:
                    yield rule((WILDCARD,), ports, Action.DENY)


def _domain_names(peer: _Node, action: Action, config: PolicyConfig, path: Path) -> tuple[FQDNSelector, ...]:
    place = (*path, "domainNames")
    if action is not Action.ALLOW:
        raise PolicyError(
            "egress.to.domainNames is only supported for egress.action=Accept",
            category="kcnp-names",
            path=render(place),
        )
    if not config.l7_proxy:
        raise PolicyError(
            "egress.to.domainNames is not supported since L7 proxy is disabled",
            category="l7-disabled",
            path=render(place),
        )
    return _names(peer["domainNames"], place)


def _cluster_peer(peer: _Node, config: PolicyConfig, path: Path) -> tuple[Selector, ...] | None:
    """The selectors of a peer; None when it names nobody that is known here (Cilium then fails closed)."""
    if peer.get("pods") is not None:
        return (_namespaced_pods(peer["pods"], config),)
    if peer.get("namespaces") is not None:
        return (_namespaces(peer["namespaces"]),)
    if peer.get("nodes") is not None:
        if not config.node_selector_labels:
            raise PolicyError(
                "egress.to.nodes is not supported since node selector labels are disabled",
                category="nodes-flag",
                path=render((*path, "nodes")),
            )
        return (node_selector(peer["nodes"], config, default_source="node"),)
    if peer.get("networks") is not None:
        found = []
        for number, text in enumerate(peer["networks"]):
            try:
                found.append(prefix_selector(parse_prefix(text or ""), config))
            except PrefixError as error:
                raise PolicyError(str(error), category="bad-cidr", path=render((*path, "networks", number))) from None
        return tuple(found)
    return None
