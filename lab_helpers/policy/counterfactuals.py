"""The smallest changes that would turn a verdict: a label, a port, a rule. Each is tried on a copy before it is told.

Candidates come from the rules that nearly matched (or did); they are ordered by how little they change, and only those
that the engine confirms are returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from lab_helpers.policy.explaining import Explanation, Question, Side, explain
from lab_helpers.policy.identities import Endpoint, Identity, pod_namespace
from lab_helpers.policy.labels import CLUSTER_LABEL, NAMESPACE_LABEL, NAMESPACE_LABELS_PREFIX, Label, LabelSet
from lab_helpers.policy.parsing import parse
from lab_helpers.policy.protocols import PORT_PROTOCOLS
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.requests import L7Parser
from lab_helpers.policy.rules import Action, Direction, ParsedPolicy, Rule, RuleRef
from lab_helpers.policy.selectors import LabelSelector, Operator

__all__ = ["Change", "Flip", "distinguishing_labels", "flips"]

_MEASURING = 1 << 30
"""Identities invented to try a label change have numbers from here on."""


class Change(IntEnum):
    """What kind of thing changes; smaller is less intrusive."""

    LABEL = 1
    PORT = 2
    RULE_REMOVED = 3
    RULE_ADDED = 4


@dataclass(frozen=True, slots=True)
class Flip:
    """One confirmed change. ``manifest``: the policy to apply, when the change is a new rule."""

    change: Change
    text: str
    cost: int
    manifest: Mapping[str, Any] | None = None


def flips(repository: Repository, question: Question, *, limit: int = 6) -> tuple[Flip, ...]:
    """Changes after which the answer is the other one, the smallest first. The repository itself stays as it is."""
    explanation = explain(repository, question)
    wanted = not explanation.allowed
    found: dict[str, Flip] = {}
    for flip, trial, asked in _candidates(repository, explanation, wanted=wanted):
        if flip.text not in found and explain(trial, asked).allowed is wanted:
            found[flip.text] = flip
    return tuple(sorted(found.values(), key=lambda flip: (flip.change, flip.cost, flip.text)))[:limit]


_Candidate = tuple[Flip, Repository, Question]


def _candidates(repository: Repository, explanation: Explanation, *, wanted: bool) -> Iterator[_Candidate]:
    question = explanation.question
    for side in (explanation.egress, explanation.ingress):
        if wanted and side.decision.allowed and (side.layer7 is None or side.layer7.allowed):
            continue
        yield from _label_changes(repository, question, side, wanted=wanted)
        if wanted:
            yield from _other_ports(repository, question, side)
    if wanted:
        yield from _openings(repository, explanation)
    else:
        for side in (explanation.egress, explanation.ingress):
            yield from _closings(repository, question, side)


def _rules(repository: Repository, side: Side) -> list[Rule]:
    resolved = repository.view(side.direction, side.subject).resolved
    return [] if resolved is None else [state.rule for block in resolved.blocks for state in block.rules]


def _own_keys(labels: LabelSet) -> set[str]:
    shared = (NAMESPACE_LABEL, NAMESPACE_LABELS_PREFIX, CLUSTER_LABEL, "io.cilium.")
    return {label.key for label in labels.of("k8s") if not label.key.startswith(shared)}


def _relabelled(endpoint: Endpoint, changes: Mapping[str, str | None]) -> Endpoint:
    kept = [label for label in endpoint.identity.labels if label.key not in changes]
    added = [Label("k8s", key, value) for key, value in changes.items() if value is not None]
    return replace(
        endpoint,
        name=f"{endpoint.name} (changed)",
        identity=Identity(_MEASURING + endpoint.identity.numeric, LabelSet([*kept, *added])),
    )


def _needed(selector: LabelSelector, labels: LabelSet) -> dict[str, str | None] | None:
    """The label changes that make a pod fulfil a selector; None when labels of the pod cannot do it."""
    changes: dict[str, str | None] = {}
    for requirement in selector.requirements:
        if requirement.matches(labels):
            continue
        fixed = requirement.key.startswith((NAMESPACE_LABEL, "io.cilium.")) or requirement.source not in ("k8s", "any")
        if fixed:
            return None
        if requirement.operator is Operator.IN:
            changes[requirement.key] = requirement.values[0]
        elif requirement.operator is Operator.EXISTS:
            changes[requirement.key] = ""
        else:
            changes[requirement.key] = None
    return changes


def _label_changes(repository: Repository, question: Question, side: Side, *, wanted: bool) -> Iterator[_Candidate]:
    if pod_namespace(side.peer.identity.labels) is None:
        return
    labels = side.peer.identity.labels
    options: list[dict[str, str | None]] = []
    matched = {match.ref for match in side.matches}
    for rule in _rules(repository, side):
        helps = (rule.action is Action.ALLOW) is wanted
        for peer in rule.peers:
            if not isinstance(peer, LabelSelector):
                continue
            if helps and rule.ref not in matched:
                needed = _needed(peer, labels)
                if needed:
                    options.append(needed)
            elif not helps and rule.ref in matched:
                keys = [r.key for r in peer.requirements if r.operator is Operator.IN and r.key in _own_keys(labels)]
                options.extend({key: None} for key in keys)
    trial = repository.copy()
    for changes in options:
        changed = _relabelled(side.peer, changes)
        asked = (
            replace(question, target=changed)
            if side.direction is Direction.EGRESS
            else replace(question, source=changed)
        )
        told = " and ".join(
            f"without the label {key}" if value is None else f"with the label {key}={value}"
            for key, value in sorted(changes.items())
        )
        yield Flip(Change.LABEL, f"{side.peer.name} {told}", len(changes)), trial, asked


def _other_ports(repository: Repository, question: Question, side: Side) -> Iterator[_Candidate]:
    seen = set()
    for rule in _rules(repository, side):
        if rule.action is not Action.ALLOW:
            continue
        for port in rule.ports or ():
            match = port.match
            if match.name or match.protocol not in PORT_PROTOCOLS or not match.first:
                continue
            if (match.protocol, match.first) not in seen and (match.protocol, match.first) != (
                question.protocol,
                question.port,
            ):
                seen.add((match.protocol, match.first))
                asked = replace(question, protocol=match.protocol, port=match.first)
                cost = abs(match.first - question.port) if match.protocol is question.protocol else 65536
                yield Flip(Change.PORT, f"port {asked.where} instead of {question.where}", cost), repository, asked


def distinguishing_labels(labels: LabelSet) -> dict[str, str]:
    """The labels to write into a selector for a pod: the few that say what it is."""
    own = {label.key: label.value for label in labels.of("k8s") if label.key in _own_keys(labels)}
    for key in ("app", "app.kubernetes.io/name", "k8s-app", "name"):
        if key in own:
            return {key: own[key]}
    return own


def _peer_element(way: str, subject: Endpoint, peer: Endpoint) -> dict[str, Any]:
    labels = peer.identity.labels
    namespace = pod_namespace(labels)
    if namespace is not None:
        wanted = distinguishing_labels(labels)
        if namespace != pod_namespace(subject.identity.labels):
            wanted = {NAMESPACE_LABEL: namespace, **wanted}
        return {f"{way}Endpoints": [{"matchLabels": wanted}]}
    for label in labels.of("fqdn"):
        kind = "matchPattern" if "*" in label.key else "matchName"
        return {"toFQDNs": [{kind: label.key}]} if way == "to" else {f"{way}Entities": ["world"]}
    names = [label.key for label in labels.of("reserved")]
    if names and names[0].startswith("world"):
        return {f"{way}Entities": ["world"]}
    return {f"{way}Entities": [names[0]] if names else ["world"]}


def _opening(question: Question, side: Side) -> dict[str, Any] | None:
    namespace = pod_namespace(side.subject.identity.labels)
    if namespace is None:
        return None
    way = "from" if side.direction is Direction.INGRESS else "to"
    element = _peer_element(way, side.subject, side.peer)
    if question.protocol in PORT_PROTOCOLS:
        element["toPorts"] = [{"ports": [{"port": str(question.port), "protocol": question.protocol.text}]}]
    else:
        family = "IPv6" if question.protocol.text == "ICMPv6" else "IPv4"
        element["icmps"] = [{"fields": [{"family": family, "type": question.port}]}]
    demands = _request_rules(question, side)
    if demands is not None and "toPorts" in element:
        element["toPorts"][0]["rules"] = demands
    short = side.peer.name.rpartition("/")[2] or side.peer.name
    name = f"allow-{side.direction}-{short}".lower().replace(".", "-").replace(":", "-")
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "endpointSelector": {"matchLabels": distinguishing_labels(side.subject.identity.labels)},
            str(side.direction): [element],
        },
    }


def _request_rules(question: Question, side: Side) -> dict[str, Any] | None:
    """The L7 rule that lets exactly this request pass, where it was the proxy that refused it."""
    if side.layer7 is None or side.layer7.allowed:
        return None
    if side.layer7.parser is L7Parser.HTTP and question.http is not None:
        return {"http": [{"method": question.http.method, "path": re.escape(question.http.path).replace("\\/", "/")}]}
    if side.layer7.parser is L7Parser.DNS and question.dns:
        return {"dns": [{"matchName": question.dns}]}
    return None


def _openings(repository: Repository, explanation: Explanation) -> Iterator[_Candidate]:
    """Take away what denies, and add what allows, on every side that says no."""
    question = explanation.question
    trial = repository.copy()
    told: list[str] = []
    manifests: list[dict[str, Any]] = []
    removed = False
    for side in (explanation.egress, explanation.ingress):
        if side.decision.allowed and (side.layer7 is None or side.layer7.allowed):
            continue
        for match in side.matches:
            if match.action is Action.DENY:
                _drop(trial, match.ref)
                told.append(f"without {match.ref}")
                removed = True
        if explain(trial, question).allowed:
            break
        manifest = _opening(question, side)
        if manifest is None:
            return
        trial.upsert(parse(manifest, trial.config))
        manifests.append(manifest)
        told.append(f"with one more {side.direction} rule for {manifest['metadata']['namespace']}")
    if not told:
        return
    items: dict[str, Any] | None = None
    if len(manifests) == 1:
        items = manifests[0]
    elif manifests:
        items = {"apiVersion": "v1", "kind": "List", "items": manifests}
    change = Change.RULE_REMOVED if removed and not manifests else Change.RULE_ADDED
    yield Flip(change, " and ".join(told), len(told), items), trial, question


def _drop(repository: Repository, ref: RuleRef) -> None:
    """Take one rule out of its policy."""
    for policy in list(repository.policies()):
        if policy.ref == ref.policy:
            repository.upsert(_without(policy, ref))


def _without(policy: ParsedPolicy, ref: RuleRef) -> ParsedPolicy:
    return replace(policy, rules=tuple(rule for rule in policy.rules if rule.ref != ref))


def _closings(repository: Repository, question: Question, side: Side) -> Iterator[_Candidate]:
    allowing = list(dict.fromkeys(match.ref for match in side.matches if match.action is Action.ALLOW))
    if allowing:
        trial = repository.copy()
        for ref in allowing:
            _emptied(trial, ref)
        text = "without " + " and ".join(map(str, allowing))
        yield Flip(Change.RULE_REMOVED, text, len(allowing)), trial, question
    manifest = _opening(question, side)
    if manifest is None:
        return
    spec = dict(manifest["spec"])
    element = spec.pop(str(side.direction))
    spec[f"{side.direction}Deny"] = [{key: value for key, value in element[0].items() if key != "toFQDNs"}]
    spec["enableDefaultDeny"] = {str(side.direction): False}
    metadata = {**manifest["metadata"], "name": manifest["metadata"]["name"].replace("allow-", "deny-", 1)}
    denied = {**manifest, "metadata": metadata, "spec": spec}
    trial = repository.copy()
    trial.upsert(parse(denied, trial.config))
    yield (
        Flip(Change.RULE_ADDED, f"with one {side.direction}Deny rule for {side.subject.name}", 1, denied),
        trial,
        question,
    )


def _emptied(repository: Repository, ref: RuleRef) -> None:
    """Take away what a rule allows, but leave its default deny: as if its peers had been deleted from the list."""
    for policy in list(repository.policies()):
        if policy.ref == ref.policy:
            rules = tuple(replace(rule, peers=(), services=()) if rule.ref == ref else rule for rule in policy.rules)
            repository.upsert(replace(policy, rules=rules))
