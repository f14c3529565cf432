"""Which nodes a pod may run on, and the scheduler's words for the others (kubernetes pkg/scheduler/framework/plugins).

Pure functions over Node and Pod objects. The order of the checks is the scheduler's: the first that fails names the
reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lab_helpers.twin.objects.selectors import matches_selector
from lab_helpers.twin.objects.storage import Object

__all__ = ["matches_node_selector_terms", "occupies", "quantity", "requests", "tolerates", "unsuitable", "untolerated"]

Taint = Mapping[str, Any]
NO_CONSTRAINT: Mapping[str, Any] = {}


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Taint) -> bool:
    """One of the tolerations covers the taint."""
    for toleration in tolerations:
        if toleration.get("effect") and toleration["effect"] != taint["effect"]:
            continue
        if toleration.get("key") and toleration["key"] != taint["key"]:
            continue
        if toleration.get("operator", "Equal") == "Exists" or (
            toleration.get("key") and toleration.get("value", "") == taint.get("value", "")
        ):
            return True
    return False


def untolerated(
    tolerations: Sequence[Mapping[str, Any]], node: Object, effects: Sequence[str] = ("NoSchedule", "NoExecute")
) -> Taint | None:
    """The node's first taint with one of ``effects`` that is not tolerated."""
    for taint in node["spec"].get("taints") or ():
        if taint["effect"] in effects and not tolerates(tolerations, taint):
            found: Taint = taint
            return found
    return None


def matches_node_selector_terms(terms: Sequence[Mapping[str, Any]], node: Object) -> bool:
    """Terms are alternatives; within one, expressions and fields must all hold. Empty terms match nothing."""
    return any(_term(term, node) for term in terms)


def _term(term: Mapping[str, Any], node: Object) -> bool:
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    labels = node["metadata"].get("labels") or {}
    return all(_holds(item, labels) for item in expressions) and all(
        _holds(item, {"metadata.name": node["metadata"]["name"]}) for item in fields
    )


def _holds(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    operator = requirement["operator"]
    if operator in ("Gt", "Lt"):
        try:
            value, bound = int(labels[requirement["key"]]), int(requirement["values"][0])
        except (KeyError, ValueError, IndexError):
            return False
        return value > bound if operator == "Gt" else value < bound
    return matches_selector({"matchExpressions": [requirement]}, labels)


def quantity(text: str | float) -> float:
    """A Kubernetes quantity (``100m``, ``128Mi``, ``2``) as a number."""
    word = str(text)
    for suffix, factor in _SUFFIXES:
        if word.endswith(suffix):
            return float(word[: -len(suffix)]) * factor
    return float(word)


_SUFFIXES: tuple[tuple[str, float], ...] = (
    *((f"{letter}i", 1024.0**power) for power, letter in enumerate("KMGTPE", 1)),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    *((letter, 1000.0**power) for power, letter in enumerate("MGTPE", 2)),
)


def requests(pod: Object) -> dict[str, float]:
    """CPU cores and bytes of memory the pod asks for: its containers together, or one init container if that is
    more."""
    spec = pod["spec"]
    total = _sum(spec.get("containers") or ())
    for container in spec.get("initContainers") or ():
        for name, amount in _sum([container]).items():
            total[name] = max(total.get(name, 0.0), amount)
    return total


def _sum(containers: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for container in containers:
        for name, amount in ((container.get("resources") or {}).get("requests") or {}).items():
            total[name] = total.get(name, 0.0) + quantity(amount)
    return total


def occupies(pod: Object) -> bool:
    """It needs something of a node that other pods may have taken: host ports, CPU, memory."""
    return bool(_host_ports(pod["spec"]) or requests(pod))


def unsuitable(pod: Object, node: Object, others: Sequence[Object], count: int) -> str | None:
    """Why ``pod`` cannot run on ``node``, as FailedScheduling says it; None when it can.

    ``count`` pods are there; ``others`` are these pods, and may be left out for a pod that needs nothing of them
    (``occupies``).
    """
    spec = pod["spec"]
    tolerations = spec.get("tolerations") or []
    unschedulable = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if node["spec"].get("unschedulable") and not tolerates(tolerations, unschedulable):
        return "node(s) were unschedulable"
    taint = untolerated(tolerations, node)
    if taint is not None:
        return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    if not _wanted(spec, node):
        return "node(s) didn't match Pod's node affinity/selector"
    ports = _host_ports(spec)
    if ports and any(not ports.isdisjoint(_host_ports(other["spec"])) for other in others):
        return "node(s) didn't have free ports for the requested pod ports"
    return _overfull(pod, node, others, count)


def _wanted(spec: Mapping[str, Any], node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or NO_CONSTRAINT).get("nodeAffinity") or NO_CONSTRAINT
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or matches_node_selector_terms(required.get("nodeSelectorTerms") or [], node)


def _host_ports(spec: Mapping[str, Any]) -> set[tuple[str, int]]:
    found = set()
    for container in spec.get("containers") or ():
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port["containerPort"] if spec.get("hostNetwork") else 0)
            if number:
                found.add((port.get("protocol", "TCP"), number))
    return found


def _overfull(pod: Object, node: Object, others: Sequence[Object], count: int) -> str | None:
    room = node.get("status", {}).get("allocatable") or {}
    if "pods" in room and count + 1 > int(room["pods"]):
        return "Too many pods"
    needs = requests(pod)
    if not needs:
        return None
    used: dict[str, float] = {}
    for other in others:
        for name, amount in requests(other).items():
            used[name] = used.get(name, 0.0) + amount
    for name, amount in needs.items():
        if amount and used.get(name, 0.0) + amount > quantity(room.get(name, 0)):
            return f"Insufficient {name}"
    return None
