"""From ``toPorts`` and ``icmps`` to port rules.

Follows Cilium pkg/policy/l4.go (which parser a port gets) and pkg/policy/api/{l4,icmp}.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.policy.matchpatterns import FQDNSelector
from lab_helpers.policy.protocols import ICMP_NAMES, ICMPV6_NAMES, PORT_PROTOCOLS, PortMatch, Protocol, protocol_named
from lab_helpers.policy.requests import HeaderMatch, HTTPRule, KafkaRule, L7Parser, L7Rules
from lab_helpers.policy.rules import PortRule
from lab_helpers.policy.sanitizing import is_service_name, port_number

__all__ = ["element_ports", "icmp_type", "l7_rules", "port_matches"]

_Node = Mapping[str, Any]


def port_matches(port: str, protocol: Protocol, end: int = 0) -> list[PortMatch]:
    """The matches of one ``ports`` element that has been validated. ``end`` counts modulo 2¹⁶ and only above the
    port.
    """
    protocols = PORT_PROTOCOLS if protocol is Protocol.ANY else (protocol,)
    end &= 0xFFFF
    if is_service_name(port):
        return [PortMatch(each, 0, end, port.lower()) for each in protocols]
    number = port_number(port) if port else 0
    first = number if isinstance(number, int) else 0
    last = max(first, end) if first else 0
    return [PortMatch(each, first, last) for each in protocols]


def icmp_type(written: object, family: str) -> int | None:
    """The number of an ICMP type written as number or name; None for an unknown name."""
    text = str(written)
    if text.lstrip("-").isdigit():
        return int(text)
    names = ICMPV6_NAMES if family == "IPv6" else ICMP_NAMES if family in ("", "IPv4") else {}
    return names.get(text)


def _header(text: str) -> HeaderMatch:
    name, space, value = text.partition(" ")
    return HeaderMatch(name.removesuffix(":"), value if space else None)


def _header_match(item: _Node) -> HeaderMatch:
    secret = item.get("secret") or {}
    written = item.get("value")
    return HeaderMatch(
        item.get("name", ""),
        written or None,
        item.get("mismatch", ""),
        "/".join(part for part in (secret.get("namespace", ""), secret.get("name", "")) if part),
    )


def _http(item: _Node) -> HTTPRule:
    headers = [_header(text or "") for text in item.get("headers") or ()]
    headers += [_header_match(match or {}) for match in item.get("headerMatches") or ()]
    return HTTPRule(item.get("path", ""), item.get("method", ""), item.get("host", ""), tuple(headers))


def _kafka(item: _Node) -> KafkaRule:
    return KafkaRule(
        item.get("role", ""),
        item.get("apiKey", ""),
        item.get("apiVersion", ""),
        item.get("clientID", ""),
        item.get("topic", ""),
    )


def l7_rules(item: _Node) -> L7Rules:
    """What one ``toPorts`` element demands above L4."""
    rules = item.get("rules") or {}
    http = tuple(_http(rule or {}) for rule in rules.get("http") or ())
    dns = tuple(
        FQDNSelector((rule or {}).get("matchName", ""), (rule or {}).get("matchPattern", ""))
        for rule in rules.get("dns") or ()
    )
    kafka = tuple(_kafka(rule or {}) for rule in rules.get("kafka") or ())
    terminating, originating = item.get("terminatingTLS") is not None, item.get("originatingTLS") is not None
    names = tuple(name or "" for name in item.get("serverNames") or ())
    listener = item.get("listener")
    parser = L7Parser.TLS if terminating or originating or names else L7Parser.NONE
    if http:
        parser = L7Parser.HTTP
    elif dns:
        parser = L7Parser.DNS
    elif kafka or rules.get("l7proto"):
        parser = L7Parser.KAFKA
    if listener is not None:
        parser = L7Parser.CRD
    return L7Rules(
        parser,
        http,
        dns,
        kafka,
        names,
        terminating,
        originating,
        (listener or {}).get("name", ""),
        (listener or {}).get("priority", 0),
    )


def element_ports(element: _Node, *, allows: bool) -> tuple[PortRule, ...] | None:
    """The port rules of a decoded element; None when it does not restrict ports (neither ``toPorts`` nor ``icmps``,
    or empty ones).
    """
    to_ports: Sequence[_Node] = [item or {} for item in element.get("toPorts") or ()]
    icmps: Sequence[_Node] = [item or {} for item in element.get("icmps") or ()]
    if not to_ports and not icmps:
        return None
    found: list[PortRule] = []
    for item in to_ports:
        l7 = l7_rules(item) if allows else L7Rules()
        for port in item.get("ports") or ():
            protocol = protocol_named((port or {}).get("protocol", ""))
            assert protocol is not None
            matches = port_matches((port or {}).get("port", ""), protocol, (port or {}).get("endPort", 0))
            found.extend(PortRule(match, l7) for match in matches)
    for item in icmps:
        for field in item.get("fields") or ():
            family = (field or {}).get("family", "")
            number = (icmp_type((field or {}).get("type", ""), family) or 0) & 0xFFFF
            protocol = Protocol.ICMPV6 if family == "IPv6" else Protocol.ICMP
            found.append(PortRule(PortMatch(protocol, number, number)))
    return tuple(dict.fromkeys(found))
