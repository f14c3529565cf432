"""Is a rule one that Cilium's agent imports? The checks of its ``Validate``, in its order, with its words.

Follows Cilium pkg/policy/api/rule_validation.go. Input is what :mod:`lab_helpers.policy.decoding` made of ``spec``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lab_helpers.policy.configs import PolicyConfig, Version
from lab_helpers.policy.errors import PolicyError
from lab_helpers.policy.label_validation import check_selector
from lab_helpers.policy.layer7_validation import check_fqdn, check_l7, rules_count
from lab_helpers.policy.paths import Path, render
from lab_helpers.policy.prefixes import PrefixError, parse_prefix
from lab_helpers.policy.protocols import Protocol, protocol_named
from lab_helpers.policy.selectors import entity_selector

__all__ = ["MAX_ITEMS", "SECTIONS", "check_rule", "is_service_name", "port_number", "protocol_error"]

MAX_ITEMS: Final = 40
SECTIONS: Final = ("ingress", "ingressDeny", "egress", "egressDeny")

_Node = Mapping[str, Any]
_PORTLESS: Final = frozenset({"VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH"})


def is_service_name(port: str) -> bool:
    """Is it a port's name (RFC 6335: a letter, no double or outer hyphens, up to 15 characters)? ``0x50`` is one."""
    if not 0 < len(port) <= 15 or port[0] == "-" or port[-1] == "-" or "--" in port:
        return False
    return bool(re.fullmatch(r"[a-zA-Z0-9-]*[a-zA-Z][a-zA-Z0-9-]*", port))


def port_number(port: str) -> int | str:
    """A port's number as Go's ``ParseUint(port, 0, 16)`` reads it (``010`` is octal), or Go's complaint."""
    digits = port.replace("_", "") if re.fullmatch(r"[0-9]+(_[0-9]+)*", port) else ""
    octal = len(digits) > 1 and digits[0] == "0"
    if not digits or (octal and not set(digits) <= set("01234567")) or ("_" in port and not octal):
        return f'strconv.ParseUint: parsing "{port}": invalid syntax'
    number = int(digits, 8 if octal else 10)
    if number > 65535:
        return f'strconv.ParseUint: parsing "{port}": value out of range'
    return number


def protocol_error(protocol: str) -> str:
    """Cilium's message for a protocol it does not know."""
    known = "tcp | udp | sctp | vrrp | igmp | gre | ipip | ipv6 | esp | ah | any"
    return f'invalid protocol "{protocol.upper()}", must be {{ {known} }}'


def _fail(message: str, category: str, path: Path) -> PolicyError:
    return PolicyError(message, category=category, path=render(path))


def check_rule(rule: _Node, config: PolicyConfig, path: Path) -> None:
    """Raise PolicyError at the first thing wrong with a rule (``spec`` or one of ``specs``)."""
    if not any(rule.get(section) for section in SECTIONS):
        raise _fail("rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny", "empty-rule", path)
    endpoints, nodes = rule.get("endpointSelector"), rule.get("nodeSelector")
    if endpoints is None and nodes is None:
        raise _fail("rule must have one of EndpointSelector or NodeSelector", "no-selector", path)
    if endpoints is not None and nodes is not None:
        raise _fail(
            "rule cannot have both EndpointSelector and NodeSelector", "both-selectors", (*path, "nodeSelector")
        )
    if endpoints is not None:
        check_selector(endpoints, (*path, "endpointSelector"))
    if nodes is not None:
        check_selector(nodes, (*path, "nodeSelector"))
    for section in SECTIONS:
        for index, element in enumerate(rule.get(section) or ()):
            _check_element(element or {}, section, config, (*path, section, index), host=nodes is not None)


def _peer_kinds(section: str) -> Sequence[str]:
    if section.startswith("ingress"):
        return ("fromEndpoints", "fromCIDR", "fromCIDRSet", "fromEntities", "fromNodes", "fromGroups")
    return ("toEndpoints", "toCIDR", "toCIDRSet", "toEntities", "toServices", "toGroups", "toNodes", "toFQDNs")


def _go_name(field: str) -> str:
    return field[0].upper() + field[1:]


def _check_element(element: _Node, section: str, config: PolicyConfig, path: Path, *, host: bool) -> None:
    ingress = section.startswith("ingress")
    allows = not section.endswith("Deny")
    present = [kind for kind in _peer_kinds(section) if element.get(kind)]
    if len(present) > 1:
        first, second = map(_go_name, present[:2])
        raise _fail(f"combining {first} and {second} is not supported yet", "combining-peers", (*path, present[1]))
    _check_peers(element, "from" if ingress else "to", config, path)
    ports = [item or {} for item in element.get("toPorts") or ()]
    if allows:
        _check_l7_support(ports, config, path, ingress=ingress, host=host)
    icmps = element.get("icmps") or ()
    if icmps and not config.icmp_rules:
        raise _fail(
            'ICMP rules can only be applied when the "enable-icmp-rules" flag is set', "icmp-disabled", (*path, "icmps")
        )
    if icmps and ports:
        raise _fail(
            "the ICMPs block may only be present without ToPorts. Define a separate rule to use ToPorts",
            "icmp-with-ports",
            (*path, "icmps"),
        )
    for number, item in enumerate(ports):
        _check_port_rule(item, config, (*path, "toPorts", number), ingress=ingress, allows=allows)
    for number, item in enumerate(icmps):
        _check_icmp(item or {}, (*path, "icmps", number))
    if allows and not ingress:
        for number, item in enumerate(element.get("toFQDNs") or ()):
            check_fqdn(item or {}, (*path, "toFQDNs", number))


def _check_peers(element: _Node, way: str, config: PolicyConfig, path: Path) -> None:
    nodes_refused = bool(element.get(f"{way}Nodes")) and not config.node_selector_labels
    for kind in ("Endpoints", "Nodes"):
        for number, selector in enumerate(element.get(way + kind) or ()):
            check_selector(selector or {}, (*path, way + kind, number))
    for number, text in enumerate(element.get(f"{way}CIDR") or ()):
        _check_cidr(text or "", config, (*path, f"{way}CIDR", number))
    for number, item in enumerate(element.get(f"{way}CIDRSet") or ()):
        _check_cidr_rule(item or {}, (*path, f"{way}CIDRSet", number))
    for number, entity in enumerate(element.get(f"{way}Entities") or ()):
        if entity_selector(entity or "", config) is None:
            raise _fail(f"unsupported entity: {entity or ''}", "bad-entity", (*path, f"{way}Entities", number))
    if nodes_refused:
        raise _fail(
            'FromNodes/ToNodes rules can only be applied when the "enable-node-selector-labels" flag is set',
            "nodes-flag",
            (*path, f"{way}Nodes"),
        )


def _check_cidr(text: str, config: PolicyConfig, path: Path) -> None:
    if not text:
        raise _fail("IP must be specified", "bad-cidr", path)
    try:
        parse_prefix(text)
    except PrefixError as error:
        if config.version is Version.V1_19 and "/" not in text and _is_address(text):
            return
        raise _fail(f"unable to parse CIDR: {error}", "bad-cidr", path) from None


def _is_address(text: str) -> bool:
    try:
        parse_prefix(f"{text}/{128 if ':' in text else 32}")
    except PrefixError:
        return False
    return True


def _check_cidr_rule(item: _Node, path: Path) -> None:
    if item.get("cidrGroupSelector") is not None:
        check_selector(item["cidrGroupSelector"], (*path, "cidrGroupSelector"))
    given = [bool(item.get("cidrGroupRef")), bool(item.get("cidr")), item.get("cidrGroupSelector") is not None]
    if not any(given):
        raise _fail("one of cidr, cidrGroupRef, or cidrGroupSelector is required", "cidrset-oneof", path)
    if sum(given) > 1:
        raise _fail("more than one of cidr, cidrGroupRef, or cidrGroupSelector may not be set", "cidrset-oneof", path)
    if not given[1]:
        return
    text = item["cidr"]
    try:
        prefix = parse_prefix(text)
    except PrefixError as error:
        raise _fail(f'unable to parse CIDRRule "{text}": {error}', "bad-cidr", (*path, "cidr")) from None
    for number, excluded in enumerate(item.get("except") or ()):
        place = (*path, "except", number)
        try:
            inner = parse_prefix(excluded or "")
        except PrefixError as error:
            raise _fail(str(error), "bad-cidr", place) from None
        if not prefix.contains(inner):
            raise _fail(
                f"allow CIDR prefix {text} does not contain exclude CIDR prefix {excluded}", "except-outside", place
            )


def _check_l7_support(ports: Sequence[_Node], config: PolicyConfig, path: Path, *, ingress: bool, host: bool) -> None:
    place = (*path, "toPorts")
    counts: dict[str, int] = {}
    for item in ports:
        for name, count in rules_count(item.get("rules")).items():
            counts[name] = counts.get(name, 0) + count
    if not counts:
        return
    if ingress and host:
        raise _fail("L7 policy is not supported on host ingress yet", "host-l7", place)
    if not config.l7_proxy:
        raise _fail("L7 policy is not supported since L7 proxy is not enabled", "l7-disabled", place)
    if ingress and counts.get("DNS"):
        raise _fail("L7 protocol DNS is not supported on ingress yet", "dns-ingress", place)
    if not ingress and host:
        for name in ("HTTP", "Kafka"):
            if counts.get(name):
                raise _fail(f"L7 protocol {name} is not supported on host egress yet", "host-l7", place)


def _check_port_rule(item: _Node, config: PolicyConfig, path: Path, *, ingress: bool, allows: bool) -> None:
    rules = item.get("rules") or {}
    has_rules = bool(rules_count(rules))
    dns = bool(rules.get("dns"))
    if ingress and dns:
        raise _fail("DNS rules are not allowed on ingress", "dns-ingress", (*path, "rules", "dns"))
    names = item.get("serverNames") or ()
    if names and has_rules and item.get("terminatingTLS") is None:
        raise _fail(
            "ServerNames are not allowed with L7 rules without TLS termination", "sni-with-l7", (*path, "serverNames")
        )
    if any(not name for name in names):
        raise _fail("empty server name is not allowed", "sni-empty", (*path, "serverNames"))
    ports = [port or {} for port in item.get("ports") or ()]
    if len(ports) > MAX_ITEMS:
        raise _fail(f"too many ports, the max is {MAX_ITEMS}", "too-many-ports", (*path, "ports"))
    zero = False
    for number, port in enumerate(ports):
        place = (*path, "ports", number)
        zero |= _check_port(port, config, place, dns=dns) == 0
        protocol = protocol_named(port.get("protocol", ""))
        if has_rules and not dns and protocol is not None and protocol is not Protocol.TCP:
            raise _fail(
                f"L7 rules can only apply to TCP (not {protocol.name}) except for DNS rules",
                "l7-non-tcp",
                (*place, "protocol"),
            )
    if not allows:
        return
    listener = item.get("listener")
    if listener is not None:
        name = listener.get("name", "")
        if ingress:
            raise _fail(f"Listener is not allowed on ingress ({name})", "listener-ingress", (*path, "listener"))
        if has_rules:
            raise _fail(f"Listener is not allowed with L7 rules ({name})", "listener-with-l7", (*path, "listener"))
    if has_rules:
        if zero:
            raise _fail("L7 rules can not be used when a port is 0", "l7-port0", (*path, "ports"))
        check_l7(rules, bool(ports), (*path, "rules"))


def _check_port(port: _Node, config: PolicyConfig, path: Path, *, dns: bool) -> int | None:
    """The number, or None for a name."""
    text = port.get("port", "")
    if not text and not config.extended_ip_protocols:
        raise _fail("port must be specified", "port-missing", (*path, "port"))
    number: int | None = None
    if text and not is_service_name(text):
        if text != "0" and port.get("protocol", "") in _PORTLESS and config.version is not Version.V1_19:
            raise _fail("port must be empty or 0", "port-for-portless", (*path, "port"))
        parsed = port_number(text)
        if isinstance(parsed, str):
            raise _fail(f"unable to parse port: {parsed}", "port-unparsable", (*path, "port"))
        number = parsed
        if dns and port.get("endPort", 0) > number:
            raise _fail("DNS rules do not support port ranges", "dns-range", (*path, "endPort"))
    protocol = port.get("protocol", "")
    if protocol_named(protocol) is None:
        raise _fail(protocol_error(protocol), "bad-protocol", (*path, "protocol"))
    return number


def _check_icmp(item: _Node, path: Path) -> None:
    fields = item.get("fields") or ()
    if len(fields) > MAX_ITEMS:
        raise _fail(f"too many types, the max is {MAX_ITEMS}", "icmp-too-many", (*path, "fields"))
    for number, field in enumerate(fields):
        family = (field or {}).get("family", "")
        if family not in ("", "IPv4", "IPv6"):
            raise _fail(f"wrong family: {family}", "icmp-family", (*path, "fields", number, "family"))
