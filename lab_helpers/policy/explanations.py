"""An explanation in words, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab_helpers.policy.decisions import Why
from lab_helpers.policy.explaining import Explanation, Match, Side
from lab_helpers.policy.identities import Endpoint
from lab_helpers.policy.rules import Direction
from lab_helpers.policy.versions import Fault

__all__ = ["explanation_json", "explanation_lines", "labels_text"]

_HIDDEN = ("io.cilium.k8s.namespace.labels", "io.cilium.k8s.policy")


def labels_text(endpoint: Endpoint) -> str:
    """The labels that people wrote, without those every pod of a namespace shares."""
    shown = [label for label in endpoint.identity.labels if not label.key.startswith(_HIDDEN)]
    return ", ".join(str(label).removeprefix("k8s:") for label in shown)


def _party(endpoint: Endpoint) -> str:
    return f"{endpoint.name} (identity {endpoint.identity.numeric}: {labels_text(endpoint)})"


def explanation_lines(explanation: Explanation, *, misses: bool = True) -> Iterator[str]:
    """The whole walk. ``misses`` also tells of rules that did not match, and why."""
    question = explanation.question
    verdict = "ALLOWED" if explanation.allowed else "DENIED"
    yield f"{verdict}  {question.source.name} → {question.target.name} {question.where}"
    yield f"  from {_party(question.source)}"
    yield f"  to   {_party(question.target)}"
    for number, side in enumerate((explanation.egress, explanation.ingress), start=1):
        yield ""
        yield from _side_lines(number, side, misses=misses)


_EXEMPT = {
    Why.NOT_ENDPOINT: "nobody enforces policy for it here (no endpoint of this cluster)",
    Why.NOT_ENFORCED: "no policy selects it in this direction, so everything is allowed",
}


def _side_lines(number: int, side: Side, *, misses: bool) -> Iterator[str]:
    decision = side.decision
    word = "egress" if side.direction is Direction.EGRESS else "ingress"
    where = "source" if side.direction is Direction.EGRESS else "destination"
    state = "allowed" if decision.allowed else "denied"
    yield f"{number}. {word} of the {where}, {side.subject.name}: {state}"
    if decision.why in _EXEMPT:
        yield f"   {_EXEMPT[decision.why]}"
        return
    if side.selected_by:
        yield f"   enforced: selected by {', '.join(map(str, side.selected_by))}"
    if side.closed_by:
        yield f"   default deny is on because of {side.closed_by[0]}" + (
            f" and {len(side.closed_by) - 1} more" if len(side.closed_by) > 1 else ""
        )
    for match in side.matches:
        yield from _match_lines(match)
    yield f"   {_conclusion(side)}"
    if decision.conflict:
        yield f"   ! Cilium cannot compute this endpoint's policy and keeps the previous one: {decision.conflict}"
    if side.layer7 is not None:
        yield f"   layer 7 ({side.layer7.parser}): {side.layer7.text}"
    if side.map_key:
        yield f"   policy map: {side.map_key}; match type {decision.match.text}"
    if decision.drop_reason:
        yield f"   the datapath drops with reason {int(decision.drop_reason)} ({decision.drop_reason.text})"
    if decision.audited:
        yield "   audit mode: the packet passes nevertheless"
    for miss in side.misses:
        if misses and not side.matches:
            yield f"   - {miss.action} {miss.ref}: {miss.reason}"
        for fault in miss.faults:
            yield f"   ! about {miss.ref}: {_fault_text(fault)}"


def _match_lines(match: Match) -> Iterator[str]:
    mark = "→" if match.decides else " "
    proxy = f", by way of the {match.parser} proxy" if match.parser else ""
    yield f" {mark} {match.action} {match.ref}: peer {match.peer}, {match.ports}{proxy}"
    for fault in match.faults:
        yield f"   ! {_fault_text(fault)}"


def _fault_text(fault: Fault) -> str:
    return fault.what + (f" Tracked in {fault.issue}" if fault.issue else "")


def _conclusion(side: Side) -> str:
    why = side.decision.why
    if why is Why.ALLOW:
        return "a rule allows it, and no deny matches"
    if why is Why.DENY:
        return "a deny matches, and a deny beats every allow"
    if why is Why.DEFAULT_ALLOW:
        return "no rule matches, but none of the policies switches default deny on (enableDefaultDeny: false)"
    if why is Why.LOCALHOST:
        return "no rule matches, but the own node may always reach its pods (allow-localhost)"
    if not side.selected_by:
        return "the endpoint is always closed (enforcement mode always, or it is still initialising)"
    return "no rule matches, and default deny is on"


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """The same as plain data."""
    question = explanation.question
    return {
        "allowed": explanation.allowed,
        "from": {"name": question.source.name, "identity": question.source.identity.numeric},
        "to": {"name": question.target.name, "identity": question.target.identity.numeric},
        "protocol": question.protocol.text,
        "port": question.port,
        "egress": _side_json(explanation.egress),
        "ingress": _side_json(explanation.ingress),
    }


def _side_json(side: Side) -> dict[str, Any]:
    decision = side.decision
    return {
        "allowed": decision.allowed,
        "why": str(decision.why),
        "match": decision.match.text,
        "dropReason": int(decision.drop_reason),
        "policyMapKey": side.map_key,
        "selectedBy": [str(ref) for ref in side.selected_by],
        "defaultDenyBy": [str(ref) for ref in side.closed_by],
        "matches": [
            {
                "rule": str(match.ref),
                "action": str(match.action),
                "peer": match.peer,
                "ports": match.ports,
                "decides": match.decides,
                "notes": [fault.what for fault in match.faults],
            }
            for match in side.matches
        ],
        "misses": [
            {
                "rule": str(miss.ref),
                "action": str(miss.action),
                "reason": miss.reason,
                "notes": [fault.what for fault in miss.faults],
            }
            for miss in side.misses
        ],
        "layer7": None
        if side.layer7 is None
        else {"parser": str(side.layer7.parser), "allowed": side.layer7.allowed, "text": side.layer7.text},
    }
