"""Validation of NetworkPolicies (Kubernetes pkg/apis/networking/validation)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.api.admission.names import check_selector, port_name
from lab_helpers.twin.api.admission.problems import Problems

__all__ = ["check_network_policy"]

Item = Mapping[str, Any]
_PORT_RANGE = "must be between 1 and 65535, inclusive"


def check_network_policy(item: Item, problems: Problems) -> None:
    """Selectors, peers, ports, policy types."""
    spec = item["spec"]
    check_selector(spec.get("podSelector") or {}, "spec.podSelector", problems)
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for position, rule in enumerate(spec.get(direction) or ()):
            field = f"spec.{direction}[{position}]"
            for number, port in enumerate((rule or {}).get("ports") or ()):
                _port(port, f"{field}.ports[{number}]", problems)
            for number, peer in enumerate((rule or {}).get(peers) or ()):
                _peer(peer, f"{field}.{peers}[{number}]", problems)
    for position, kind in enumerate(spec.get("policyTypes") or ()):
        if kind not in ("Ingress", "Egress"):
            problems.unsupported(f"spec.policyTypes[{position}]", kind, ("Egress", "Ingress"))


def _port(port: Item, field: str, problems: Problems) -> None:
    if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
        problems.unsupported(f"{field}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))
    number, last = port.get("port"), port.get("endPort")
    if isinstance(number, int) and not 1 <= number <= 65535:
        problems.invalid(f"{field}.port", number, _PORT_RANGE)
    elif isinstance(number, str):
        for why in port_name(number):
            problems.invalid(f"{field}.port", number, why)
    if last is not None:
        if number is None:
            problems.required(f"{field}.port", "must be specified if endPort is set")
        elif isinstance(number, str):
            problems.invalid(f"{field}.endPort", last, "may not be specified when port is non-numeric")
        elif last < number:
            problems.invalid(f"{field}.endPort", last, "must be greater than or equal to `port`")
        elif last > 65535:
            problems.invalid(f"{field}.endPort", last, _PORT_RANGE)


def _peer(peer: Item, field: str, problems: Problems) -> None:
    kinds = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if name in peer]
    if not kinds:
        problems.required(field, "must specify a peer")
    for name in ("podSelector", "namespaceSelector"):
        if name in peer:
            check_selector(peer[name], f"{field}.{name}", problems)
    block = peer.get("ipBlock")
    if block is None:
        return
    if len(kinds) > 1:
        problems.forbidden(field, "may not specify both ipBlock and another peer")
    if not block.get("cidr"):
        problems.required(f"{field}.ipBlock.cidr")
        return
    network = _network(block["cidr"])
    if network is None:
        problems.invalid(
            f"{field}.ipBlock.cidr", block["cidr"], "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
        )
        return
    for position, text in enumerate(block.get("except") or ()):
        place, inner = f"{field}.ipBlock.except[{position}]", _network(text)
        if inner is None:
            problems.invalid(place, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
        elif inner.version != network.version or not inner.subnet_of(network) or inner == network:  # type: ignore[arg-type]
            problems.invalid(place, text, "must be a strict subset of `cidr`")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None
