"""Findings in the text of a policy: lists that do not do what they look like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lab_helpers.policy.errors import Position
from lab_helpers.policy.inventories import Inventory, Object
from lab_helpers.policy.paths import Path, render
from lab_helpers.policy.rules import ParsedPolicy
from lab_helpers.policy.sanitizing import SECTIONS

__all__ = ["RawFinding", "shape_findings"]

_Node = Mapping[str, Any]
_PEER_FIELDS = frozenset(
    way + kind for way in ("from", "to") for kind in ("Endpoints", "CIDR", "CIDRSet", "Entities", "Nodes", "Groups")
) | {"toFQDNs", "toServices"}


class RawFinding(NamedTuple):
    """(severity, code, where, message, number of the lab, position)."""

    severity: str
    code: str
    where: str
    message: str
    lab: str
    position: Position | None


def shape_findings(inventory: Inventory) -> Iterator[RawFinding]:
    """Look at every accepted policy's text."""
    for policy in inventory.policies:
        source = inventory.sources.get(str(policy.ref))
        if source is None:
            continue
        if policy.ref.kind == "NetworkPolicy":
            yield from _network_policy(policy, source)
        elif policy.ref.kind.startswith("Cilium") and policy.cidr_group is None:
            specs: list[tuple[Path, Any]] = [(("spec",), source.obj.get("spec"))]
            specs += [(("specs", number), spec) for number, spec in enumerate(source.obj.get("specs") or ())]
            for path, spec in specs:
                if isinstance(spec, Mapping):
                    yield from _spec(policy, source, path, spec)


def _raw(
    policy: ParsedPolicy, source: Object, path: Path, severity: str, code: str, message: str, lab: str
) -> RawFinding:
    return RawFinding(severity, code, f"{policy.ref} {render(path)}", message, lab, source.locate(path))


def _network_policy(policy: ParsedPolicy, source: Object) -> Iterator[RawFinding]:
    spec = source.obj.get("spec") or {}
    types = spec.get("policyTypes")
    for section in ("ingress", "egress"):
        if spec.get(section) and types is not None and section.capitalize() not in types:
            message = (
                f"policyTypes does not list {section.capitalize()}, but Cilium enforces the filled section anyway "
                "(https://github.com/cilium/cilium/issues/48703)"
            )
            yield _raw(policy, source, ("spec", section), "warning", "policy-types", message, "04")


def _spec(policy: ParsedPolicy, source: Object, path: Path, spec: _Node) -> Iterator[RawFinding]:
    filled = [section for section in SECTIONS if spec.get(section)]
    for section in SECTIONS:
        if spec.get(section) == []:
            message = f"{section}: [] does nothing. To deny everything in that direction write {section}: [{{}}]"
            yield _raw(policy, source, (*path, section), "warning", "empty-section", message, "04")
        for index, element in enumerate(spec.get(section) or ()):
            yield from _element(policy, source, (*path, section, index), section, element or {})
    denies = spec.get("enableDefaultDeny") or {}
    for direction in ("ingress", "egress"):
        rules = [section for section in filled if section.startswith(direction)]
        if denies.get(direction) and not rules:
            message = f"enableDefaultDeny.{direction} needs at least one {direction} rule; alone it does nothing"
            yield _raw(policy, source, (*path, "enableDefaultDeny"), "warning", "default-deny-alone", message, "04")
        if rules == [f"{direction}Deny"] and denies.get(direction) is not False:
            message = (
                f"a {direction}Deny list also switches default deny on: everything else is denied too, unless "
                f"enableDefaultDeny.{direction} is false or another policy allows it"
            )
            yield _raw(policy, source, (*path, f"{direction}Deny"), "warning", "deny-closes", message, "04")
    everybody = policy.ref.kind == "CiliumClusterwideNetworkPolicy" and spec.get("endpointSelector") == {}
    if everybody and filled and any(rule.default_deny for rule in policy.rules):
        message = "endpointSelector: {} of a clusterwide policy closes every pod, kube-system and its DNS included"
        yield _raw(policy, source, (*path, "endpointSelector"), "warning", "closes-everybody", message, "04")


def _element(policy: ParsedPolicy, source: Object, path: Path, section: str, element: _Node) -> Iterator[RawFinding]:
    if section.endswith("Deny") and not element:
        message = "an empty deny rule denies nothing by itself; name peers (entity all) or ports"
        yield _raw(policy, source, path, "warning", "deny-nothing", message, "04")
    for key, value in element.items():
        if value == [] and key in _PEER_FIELDS:
            message = f"{key}: [] means nobody, and makes the whole rule match nobody"
            if key in ("toFQDNs", "toServices", "toGroups", "fromGroups"):
                message = f"{key}: [] is no restriction: with toPorts the rule is for everybody"
            yield _raw(policy, source, (*path, key), "warning", "empty-peers", message, "04")
    for number, port in enumerate(element.get("toPorts") or ()):
        rules = (port or {}).get("rules") or {}
        if rules and not (port or {}).get("ports"):
            message = "L7 rules without ports match nothing"
            yield _raw(policy, source, (*path, "toPorts", number), "warning", "rules-without-ports", message, "05")
        for at, http in enumerate(rules.get("http") or ()):
            yield from _http(policy, source, (*path, "toPorts", number, "rules", "http", at), http or {})


def _http(policy: ParsedPolicy, source: Object, path: Path, rule: _Node) -> Iterator[RawFinding]:
    text = str(rule.get("path") or "")
    if text.endswith("/") and len(text) > 1:
        message = (
            f'path "{text}" is a whole-string regular expression, not a prefix: write "{text}.*" for what is below it'
        )
        yield _raw(policy, source, (*path, "path"), "note", "path-prefix", message, "05")
    elif text.startswith("^"):
        message = "the path is anchored at both ends anyway; ^ and $ change nothing"
        yield _raw(policy, source, (*path, "path"), "note", "path-anchors", message, "05")
    host = str(rule.get("host") or "")
    if "." in host and "\\." not in host and "*" not in host:
        message = f'in host "{host}" each dot matches any character: write "{host.replace(".", chr(92) + ".")}"'
        yield _raw(policy, source, (*path, "host"), "note", "host-dots", message, "05")
