"""NetworkPolicies."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.tools.kubectl.describing.pages import Page, selector_text

Body = Mapping[str, Any]


def network_policy(page: Page, body: Body) -> None:
    """A NetworkPolicy."""
    page.head(body)
    moment = dt.datetime.fromisoformat(body["metadata"]["creationTimestamp"]).astimezone()
    zone = moment.tzname() or "UTC"
    page.line(0, f"Created on:\t{moment:%Y-%m-%d %H:%M:%S %z} {zone}")
    page.tags(body)
    spec = body.get("spec") or {}
    page.line(0, "Spec:")
    chosen = selector_text(spec.get("podSelector"))
    if chosen == "<none>":
        chosen = "<none> (Allowing the specific traffic to all pods in this namespace)"
    page.line(1, f"PodSelector:     {chosen}")
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for kind, rules in (("Ingress", spec.get("ingress") or []), ("Egress", spec.get("egress") or [])):
        if kind in types:
            page.line(1, f"Allowing {kind.lower()} traffic:")
            _rules(page, kind, rules)
        else:
            page.line(1, f"Not affecting {kind.lower()} traffic")
    page.line(1, f"Policy Types: {', '.join(types)}")


def _rules(page: Page, kind: str, rules: Sequence[Body]) -> None:
    if not rules:
        page.line(2, f"<none> (Selected pods are isolated for {kind.lower()} connectivity)")
        return
    key, title, side = ("from", "From", "source") if kind == "Ingress" else ("to", "To", "destination")
    for index, rule in enumerate(rules):
        if not rule.get("ports"):
            page.line(2, "To Port: <any> (traffic allowed to all ports)")
        for port in rule.get("ports") or []:
            number = port.get("port", "<nil>")
            if port.get("endPort") is not None:
                number = f"{number}-{port['endPort']}"
            page.line(2, f"To Port: {number}/{port.get('protocol', 'TCP')}")
        if not rule.get(key):
            page.line(2, f"{title}: <any> (traffic not restricted by {side})")
        for peer in rule.get(key) or []:
            page.line(2, f"{title}:")
            _peer(page, peer)
        if index < len(rules) - 1:
            page.line(2, "----------")


def _peer(page: Page, peer: Body) -> None:
    if peer.get("namespaceSelector") is not None:
        page.line(3, f"NamespaceSelector: {selector_text(peer['namespaceSelector'])}")
    if peer.get("podSelector") is not None:
        page.line(3, f"PodSelector: {selector_text(peer['podSelector'])}")
    block = peer.get("ipBlock")
    if block:
        page.line(3, "IPBlock:")
        page.line(4, f"CIDR: {block.get('cidr')}")
        page.line(4, f"Except: {', '.join(block.get('except') or [])}")
