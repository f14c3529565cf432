"""Policy entries as ``cilium-dbg policy get`` prints them: Cilium's ``PolicyEntry`` in JSON, its fields by Go's names.

Follows Cilium 1.20 pkg/policy/types (policyentry.go, selector.go) and pkg/policy/api; an agent of 1.19 is shown the
same way. ``toPorts`` elements that demand the same above L4 are one element here.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

from lab_helpers.policy.matchpatterns import FQDNSelector
from lab_helpers.policy.protocols import PortMatch
from lab_helpers.policy.requests import HTTPRule, L7Rules
from lab_helpers.policy.rules import Action, Direction, PortRule, Rule
from lab_helpers.policy.selectors import (
    EntitySelector,
    LabelSelector,
    NameSelector,
    Operator,
    PrefixSelector,
    Selector,
)

__all__ = ["entry_model"]

_VERDICTS: Final = {Action.ALLOW: 0, Action.DENY: 1, Action.PASS: 2}


def entry_model(rule: Rule) -> dict[str, Any]:
    """One entry. ``L3`` null: nobody; a selector ``{}``: everybody. ``L4`` empty: every protocol and port."""
    return {
        "Tier": int(rule.tier),
        "Priority": int(rule.priority) if rule.priority == int(rule.priority) else rule.priority,
        "Authentication": {"mode": rule.authentication} if rule.authentication else None,
        "Log": {"value": rule.log} if rule.log else {},
        "Subject": _labels(rule.subject),
        "L3": [model for peer in rule.peers for model in _peer(peer)] or None,
        "L4": _ports(rule.ports or ()),
        "Labels": [
            {"key": label.key, **({"value": label.value} if label.value else {}), "source": label.source}
            for label in rule.ref.labels
        ],
        "DefaultDeny": rule.default_deny,
        "Verdict": _VERDICTS[rule.action],
        "Ingress": rule.direction is Direction.INGRESS,
        "Node": rule.node,
    }


def _labels(selector: LabelSelector) -> dict[str, Any]:
    """Keys have a dot after their source, as Cilium keeps them."""
    equal = {
        f"{one.source}.{one.key}": one.values[0]
        for one in sorted(selector.requirements)
        if one.operator is Operator.IN and len(one.values) == 1
    }
    others = [
        {
            "key": f"{one.source}.{one.key}",
            "operator": str(one.operator),
            **({"values": list(one.values)} if one.values else {}),
        }
        for one in selector.requirements
        if not (one.operator is Operator.IN and len(one.values) == 1)
    ]
    return {**({"matchLabels": equal} if equal else {}), **({"matchExpressions": others} if others else {})}


def _peer(peer: Selector) -> list[Any]:
    match peer:
        case LabelSelector():
            return [_labels(peer)]
        case EntitySelector():
            return [_labels(one) for one in peer.alternatives]
        case PrefixSelector():
            return [_prefix(peer)]
        case NameSelector():
            return [peer.text]


def _prefix(peer: PrefixSelector) -> str:
    if peer.group is None:
        text = f"cidr:{peer.prefix}"
    else:
        single = peer.group.requirements[0] if len(peer.group.requirements) == 1 else None
        named = single is not None and single.operator is Operator.EXISTS
        text = single.full_key if single is not None and named else peer.group.text
    return text + (f"-[{','.join(map(str, peer.excluded))}]" if peer.excluded else "")


def _ports(ports: tuple[PortRule, ...]) -> list[dict[str, Any]]:
    return [
        {"ports": [_port(port.match) for port in group], **_above(l7)}
        for l7, group in groupby(ports, key=lambda port: port.l7)
    ]


def _port(match: PortMatch) -> dict[str, Any]:
    model: dict[str, Any] = {"port": match.name or str(match.first)}
    if match.last > match.first:
        model["endPort"] = match.last
    return {**model, "protocol": match.protocol.text}


def _above(l7: L7Rules) -> dict[str, Any]:
    """What a ``toPorts`` element holds beside its ports."""
    model: dict[str, Any] = {}
    if l7.server_names:
        model["serverNames"] = list(l7.server_names)
    if l7.listener:
        model["listener"] = {"name": l7.listener, "priority": l7.listener_priority}
    rules: dict[str, Any] = {}
    if l7.http:
        rules["http"] = [_http(rule) for rule in l7.http]
    if l7.dns:
        rules["dns"] = [_name(rule) for rule in l7.dns]
    if l7.kafka:
        rules["kafka"] = [
            _given(role=one.role, apiKey=one.api_key, apiVersion=one.api_version, clientID=one.client_id,
                   topic=one.topic)
            for one in l7.kafka
        ]  # fmt: skip
    return {**model, **({"rules": rules} if rules else {})}


def _http(rule: HTTPRule) -> dict[str, Any]:
    plain = [f"{one.name} {one.value or ''}".strip() for one in rule.headers if not one.mismatch]
    changed = [
        _given(mismatch=one.mismatch, name=one.name, value=one.value or "") for one in rule.headers if one.mismatch
    ]
    model: dict[str, Any] = _given(path=rule.path, method=rule.method, host=rule.host)
    return {**model, **({"headers": plain} if plain else {}), **({"headerMatches": changed} if changed else {})}


def _name(rule: FQDNSelector) -> dict[str, Any]:
    return _given(matchName=rule.match_name, matchPattern=rule.match_pattern)


def _given(**fields: str) -> dict[str, Any]:
    """The fields that are not empty."""
    return {key: value for key, value in fields.items() if value}
