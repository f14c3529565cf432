"""Findings that need the cluster: rules that select nothing, are shadowed, or are wider or narrower than they look."""

from __future__ import annotations

from collections.abc import Iterator

from lab_helpers.policy.identities import pod_namespace
from lab_helpers.policy.inventories import Inventory, Member
from lab_helpers.policy.labels import NAMESPACE_LABEL
from lab_helpers.policy.lint_shapes import RawFinding
from lab_helpers.policy.prefixes import PrefixError, parse_prefix
from lab_helpers.policy.protocols import PORT_PROTOCOLS, PortMatch, Protocol
from lab_helpers.policy.requests import L7Parser
from lab_helpers.policy.rules import Action, Direction, Rule
from lab_helpers.policy.selectors import LabelSelector, NameSelector, PrefixSelector
from lab_helpers.policy.services import refers_to
from lab_helpers.policy.versions import faults_of

__all__ = ["rule_findings"]


def rule_findings(inventory: Inventory) -> Iterator[RawFinding]:
    """Look at every rule of the accepted policies, against the pods and Services there are."""
    rules = [rule for policy in inventory.policies for rule in policy.rules]
    for rule in rules:
        yield from _fault_notes(inventory, rule)
        yield from _gone_in_1_20(rule)
        if inventory.members:
            yield from _selects_nothing(inventory, rule)
            yield from _prefixes_of_pods(inventory, rule)
        yield from _unresolved_services(inventory, rule)
        yield from _service_ports(inventory, rule)
    yield from _names_without_dns(rules)
    yield from _beside_layer7(inventory, rules)
    yield from _shadowed(inventory, rules)


def _finding(rule: Rule, severity: str, code: str, message: str, lab: str) -> RawFinding:
    return RawFinding(severity, code, f"{rule.ref.policy} {rule.ref.path}", message, lab, rule.ref.position)


def _fault_notes(inventory: Inventory, rule: Rule) -> Iterator[RawFinding]:
    for fault in faults_of(rule, inventory.repository.config):
        tracked = f" Tracked in {fault.issue}" if fault.issue else ""
        yield _finding(rule, "note", f"cilium-{fault.key}", fault.what + tracked, "04")


def _gone_in_1_20(rule: Rule) -> Iterator[RawFinding]:
    if any(port.l7.parser is L7Parser.KAFKA for port in rule.ports or ()):
        message = (
            "has Kafka rules, which Cilium 1.20 does not know: after an upgrade the port is open to these peers, "
            "whatever they ask for"
        )
        yield _finding(rule, "warning", "gone-in-1.20", message, "13")


def _subjects(inventory: Inventory, rule: Rule) -> list[Member]:
    return [member for member in inventory.members if rule.subject.matches(member.endpoint.identity.labels)]


def _selected(inventory: Inventory, selector: LabelSelector) -> list[Member]:
    return [member for member in inventory.members if selector.matches(member.endpoint.identity.labels)]


def _selects_nothing(inventory: Inventory, rule: Rule) -> Iterator[RawFinding]:
    reserved = any(requirement.source == "reserved" for requirement in rule.subject.requirements)
    if not rule.node and not reserved and not _subjects(inventory, rule):
        yield RawFinding(
            "warning",
            "selects-nothing",
            f"{rule.ref.policy} endpointSelector",
            f"selects no pod: {rule.subject}{_near(inventory, rule.subject)}",
            "04",
            rule.ref.position,
        )
    for peer in rule.peers:
        if not isinstance(peer, LabelSelector) or peer.is_wildcard:
            continue
        if any(requirement.source in ("reserved", "node", "cidrgroup") for requirement in peer.requirements):
            continue
        if not _selected(inventory, peer):
            elsewhere = _elsewhere(inventory, peer)
            if elsewhere:
                message = (
                    f"the peer {peer} is looked for in the policy's own namespace; pods like it are in {elsewhere}: "
                    f"add {NAMESPACE_LABEL} to the selector"
                )
                yield _finding(rule, "warning", "missing-namespace", message, "04")
            else:
                message = f"no pod is like the peer {peer}{_near(inventory, peer)}"
                yield _finding(rule, "warning", "peer-selects-nothing", message, "04")


def _elsewhere(inventory: Inventory, peer: LabelSelector) -> str:
    loose = LabelSelector(tuple(r for r in peer.requirements if r.key != NAMESPACE_LABEL))
    if not loose.requirements or len(loose.requirements) == len(peer.requirements):
        return ""
    own = [r for r in loose.requirements if not r.key.startswith("io.cilium.")]
    if not own:
        return ""
    found = {pod_namespace(member.endpoint.identity.labels) or "" for member in _selected(inventory, loose)}
    return ", ".join(sorted(found - {""}))


def _near(inventory: Inventory, selector: LabelSelector) -> str:
    """The requirement that nobody fulfils, to find a typing error quickly."""
    for requirement in selector.requirements:
        if not any(requirement.matches(member.endpoint.identity.labels) for member in inventory.members):
            values = sorted(
                {
                    value
                    for member in inventory.members
                    for value in member.endpoint.identity.labels.values(requirement.source, requirement.key)
                }
            )
            known = f"; {requirement.key} is one of {', '.join(values[:6])}" if values else ""
            return f" (nobody has {LabelSelector((requirement,))}{known})"
    return ""


def _prefixes_of_pods(inventory: Inventory, rule: Rule) -> Iterator[RawFinding]:
    if inventory.repository.config.cidr_match_mode:
        return
    for peer in rule.peers:
        if not isinstance(peer, PrefixSelector) or peer.prefix is None or peer.prefix.length == 0:
            continue
        inside = []
        for member in inventory.members:
            try:
                address = parse_prefix(f"{member.ip}/{128 if ':' in member.ip else 32}")
            except PrefixError:
                continue
            if peer.prefix.contains(address):
                inside.append(member.endpoint.name)
        if inside:
            message = (
                f"{peer.prefix} contains pods ({', '.join(inside[:3])} …), but a CIDR never matches pods: use labels"
            )
            yield _finding(rule, "warning", "cidr-of-pods", message, "04")


def _unresolved_services(inventory: Inventory, rule: Rule) -> Iterator[RawFinding]:
    for ref in rule.services:
        if not any(refers_to(ref, service.service) for service in inventory.services):
            name = f"{ref.namespace}/{ref.name}" if ref.name else str(ref.selector)
            opens = rule.ports is not None and len(rule.services) == 1
            effect = "with toPorts the rule is then for everybody" if opens else "it adds nobody"
            yield _finding(rule, "warning", "service-unknown", f"no Service {name}: {effect}", "04")


def _numbers(rule: Rule) -> Iterator[PortMatch]:
    for port in rule.ports or ():
        if not port.match.name and port.match.first and port.match.protocol in PORT_PROTOCOLS:
            yield port.match


def _service_ports(inventory: Inventory, rule: Rule) -> Iterator[RawFinding]:
    if rule.direction is Direction.INGRESS:
        listening = _subjects(inventory, rule)
    else:
        listening = [m for peer in rule.peers if isinstance(peer, LabelSelector) for m in _selected(inventory, peer)]
    if not listening:
        return
    open_ports = {(named.port, named.protocol.upper()) for member in listening for named in member.ports}
    told = set()
    for match in _numbers(rule):
        if match.first != match.last or (match.first, match.protocol.name) in open_ports or match.first in told:
            continue
        for service in inventory.services:
            namespace = service.service.namespace
            wanted = dict(service.service.selector)
            behind = [
                member
                for member in listening
                if member.namespace == namespace and wanted and wanted.items() <= dict(member.labels).items()
            ]
            for port in service.ports:
                if behind and port.port == match.first and port.target != str(port.port):
                    told.add(match.first)
                    message = (
                        f"{match} is the port of Service {namespace}/{service.service.name}; "
                        f"policy sees the pod's port, which is {port.target}"
                    )
                    yield _finding(rule, "warning", "service-port", message, "04")
                    break


def _names_without_dns(rules: list[Rule]) -> Iterator[RawFinding]:
    for rule in rules:
        if not any(isinstance(peer, NameSelector) for peer in rule.peers):
            continue
        learned = any(
            other.direction is Direction.EGRESS
            and other.action is Action.ALLOW
            and any(port.l7.parser is L7Parser.DNS for port in other.ports or ())
            and _covers_subject(other.subject, rule.subject)
            for other in rules
        )
        if not learned:
            message = (
                "toFQDNs only knows addresses that were seen in DNS answers: the same pods also need an egress rule to "
                "the resolver with rules.dns"
            )
            yield _finding(rule, "warning", "fqdn-without-dns", message, "06")


def _covers_subject(wide: LabelSelector, narrow: LabelSelector) -> bool:
    """Does whatever ``narrow`` selects also fulfil ``wide``, as far as the text tells?"""
    return set(wide.requirements) <= set(narrow.requirements)


def _span(match: PortMatch) -> tuple[int, int]:
    return (match.first, match.last) if match.first else (0, 65535)


def _overlap(first: PortMatch, second: PortMatch) -> bool:
    if first.name or second.name:
        return first.name == second.name and first.protocol == second.protocol
    if Protocol.ANY not in (first.protocol, second.protocol) and first.protocol != second.protocol:
        return False
    (low, high), (other_low, other_high) = _span(first), _span(second)
    return low <= other_high and other_low <= high


def _contains(outer: Rule, inner: Rule) -> bool:
    """Are all ports of one rule also ports of the other?"""
    if outer.ports is None:
        return True
    if inner.ports is None:
        return False
    return all(any(_inside(port.match, wide.match) for wide in outer.ports) for port in inner.ports)


def _inside(inner: PortMatch, outer: PortMatch) -> bool:
    if inner.name or outer.name:
        return inner == outer
    if outer.protocol not in (Protocol.ANY, inner.protocol):
        return False
    (low, high), (outer_low, outer_high) = _span(inner), _span(outer)
    return outer_low <= low and high <= outer_high


def _everybody(inventory: Inventory, rule: Rule) -> tuple[int, int]:
    """(subjects, peers) of a rule as bits."""
    population = inventory.repository.population
    peers = 0
    for peer in rule.peers:
        peers |= population.select(peer)
    return population.select(rule.subject), peers


def _beside_layer7(inventory: Inventory, rules: list[Rule]) -> Iterator[RawFinding]:
    allows = [(rule, *_everybody(inventory, rule)) for rule in rules if rule.action is Action.ALLOW]
    for rule, subjects, peers in allows:
        judged = [port for port in rule.ports or () if port.l7.http or port.l7.dns or port.l7.kafka]
        if not judged:
            continue
        for other, their_subjects, their_peers in allows:
            if other.direction is not rule.direction or not subjects & their_subjects or not peers & their_peers:
                continue
            plain = [port.match for port in other.ports or () if not port.l7.parser]
            if other.ports is None:
                plain = [PortMatch(Protocol.ANY)]
            if any(_overlap(port.match, match) for port in judged for match in plain):
                message = (
                    f"{other.ref} allows the same port without L7 rules to some of the same peers: for them every "
                    "request passes, the L7 rules restrict nothing"
                )
                yield _finding(rule, "warning", "layer4-beside-layer7", message, "05")
                break


def _shadowed(inventory: Inventory, rules: list[Rule]) -> Iterator[RawFinding]:
    measured = [(rule, *_everybody(inventory, rule)) for rule in rules]
    for rule, subjects, peers in measured:
        if rule.action is not Action.ALLOW or not subjects or not peers:
            continue
        for other, their_subjects, their_peers in measured:
            if other.direction is not rule.direction or other is rule or other.tier > rule.tier:
                continue
            wide = not subjects & ~their_subjects and not peers & ~their_peers and _contains(other, rule)
            if wide and other.action is Action.DENY:
                message = f"has no effect: {other.ref} denies all of it, and a deny beats every allow"
                yield _finding(rule, "warning", "shadowed", message, "04")
                break
