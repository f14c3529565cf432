"""The scheduler: gives each pod a node, or says why none fits (kubernetes pkg/scheduler).

Of the nodes that fit, the one with the fewest pods of the same owner wins, then the one with the fewest pods, then
the first by name. Pods that fit nowhere are tried again when a node, or the pods on one, change.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from lab_helpers.twin.controllers.controlling import Controller
from lab_helpers.twin.controllers.placements import occupies, unsuitable
from lab_helpers.twin.controllers.pods import condition, is_finished
from lab_helpers.twin.controllers.references import controller_of
from lab_helpers.twin.objects.selectors import matches_selector
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["Scheduler"]

COMPONENT = "default-scheduler"
HOSTNAME = "kubernetes.io/hostname"
CROWDED = 100
"""From this many pods on a node, finished ones are told from the others before they are counted."""
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"


class Scheduler(Controller):
    """Binds pods to nodes."""

    name = COMPONENT
    primary = "pods"
    watches = frozenset({"pods", "nodes", "persistentvolumeclaims"})

    def prime(self) -> None:
        """Only pods without a node are of interest."""
        for key in self.indexes.unscheduled():
            self.enqueue(key)

    def observe(self, change: Change) -> None:
        """A pod without a node; or something that may make room for those that wait."""
        if change.key.resource != "pods":
            self._retry_all(change)
        elif change.type == "DELETED" or is_finished(change.object):
            if change.object["spec"].get("nodeName"):
                self._retry_all(change)
        elif change.object["spec"].get("nodeName"):
            if change.previous is None or not change.previous["spec"].get("nodeName"):
                self._retry_companions()
        else:
            status_only = change.previous is not None and change.previous["spec"] == change.object["spec"]
            if not status_only:
                self.enqueue(change.key)

    def _retry_companions(self) -> None:
        """A pod came to a node: those that want company there may now go, too."""
        for key in self.indexes.companions():
            self.enqueue(key)

    def _retry_all(self, change: Change) -> None:
        before, after = change.previous, change.object
        if change.key.resource == "nodes" and before is not None and change.type == "MODIFIED":
            same = before["spec"] == after["spec"] and before["metadata"].get("labels") == after["metadata"].get(
                "labels"
            )
            if same and (before.get("status") or {}).get("allocatable") == (after.get("status") or {}).get(
                "allocatable"
            ):
                return
        for key in self.indexes.unscheduled():
            self.enqueue(key)

    def reconcile(self, key: Key) -> None:
        """Bind the pod, or note why it waits."""
        pod = self.registry.find("pods", key.name, key.namespace)
        if pod is None or pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp") or is_finished(pod):
            return
        if pod["spec"].get("schedulerName", COMPONENT) != COMPONENT or pod["spec"].get("schedulingGates"):
            return
        nodes = self.registry.list("nodes")
        claims = self._unbound_claims(pod)
        reasons: Counter[str] = Counter()
        fitting: list[Object] = []
        for node in nodes if not claims else ():
            reason = self._reason(pod, node)
            if reason is None:
                fitting.append(node)
            else:
                reasons[reason] += 1
        if fitting:
            self._bind(pod, self._least_crowded(pod, fitting))
        else:
            self._refuse(pod, _message(len(nodes), reasons, claims))

    def _reason(self, pod: Object, node: Object) -> str | None:
        name = node["metadata"]["name"]
        others: list[Object] = []
        count = self.indexes.count_on(name)
        if pod["spec"].get("affinity") or occupies(pod) or count >= CROWDED:
            others = [other for other in self.indexes.pods_on(name) if not is_finished(other)]
            count = len(others)
        return unsuitable(pod, node, others, count) or self._company(pod, node, others)

    def _company(self, pod: Object, node: Object, others: list[Object]) -> str | None:
        """Required pod affinity and anti-affinity."""
        affinity = pod["spec"].get("affinity") or {}
        for term in _required(affinity.get("podAffinity")):
            if not any(_selected(term, pod, other) for other in self._domain(term, node, others)):
                placed = (other for other in self.registry.list("pods") if other["spec"].get("nodeName"))
                alone = not any(_selected(term, pod, other) for other in placed)
                if not (alone and _selected(term, pod, pod)):
                    return AFFINITY
        for term in _required(affinity.get("podAntiAffinity")):
            if any(_selected(term, pod, other) for other in self._domain(term, node, others)):
                return ANTI_AFFINITY
        for other in self.indexes.unsociable_on(node["metadata"]["name"]):
            for term in (
                () if is_finished(other) else _required((other["spec"].get("affinity") or {}).get("podAntiAffinity"))
            ):
                if _selected(term, other, pod):
                    return EXISTING
        return None

    def _domain(self, term: dict[str, Any], node: Object, others: list[Object]) -> list[Object]:
        """The pods on the nodes that share the term's topology value with ``node``."""
        topology = term.get("topologyKey", HOSTNAME)
        if topology == HOSTNAME:
            return others
        value = (node["metadata"].get("labels") or {}).get(topology)
        if value is None:
            return []
        names = [
            item["metadata"]["name"]
            for item in self.registry.list("nodes")
            if (item["metadata"].get("labels") or {}).get(topology) == value
        ]
        return [other for name in names for other in self.indexes.pods_on(name) if not is_finished(other)]

    def _least_crowded(self, pod: Object, nodes: list[Object]) -> str:
        """The node with the fewest pods of the same owner; of several the one with the fewest pods."""
        owner = controller_of(pod)
        family = [] if owner is None else self.indexes.owned(owner["uid"], "pods")
        siblings = Counter(sibling["spec"].get("nodeName") for sibling in family)
        names: list[str] = [node["metadata"]["name"] for node in nodes]
        return min(names, key=lambda name: (siblings[name], self.indexes.count_on(name), name))

    def _unbound_claims(self, pod: Object) -> str | None:
        namespace = pod["metadata"]["namespace"]
        for volume in pod["spec"].get("volumes") or ():
            if "persistentVolumeClaim" in volume:
                name = volume["persistentVolumeClaim"]["claimName"]
                claim = self.registry.find("persistentvolumeclaims", name, namespace)
                if claim is None:
                    return f'persistentvolumeclaim "{name}" not found'
                if (claim.get("status") or {}).get("phase") != "Bound":
                    return "pod has unbound immediate PersistentVolumeClaims"
        return None

    def _bind(self, pod: Object, node: str) -> None:
        metadata = pod["metadata"]
        bound = {**pod, "spec": {**pod["spec"], "nodeName": node}}
        self.registry.update("pods", bound)
        message = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {node}"
        self.recorder.event(pod, "Scheduled", message, component=COMPONENT)

    def _refuse(self, pod: Object, message: str) -> None:
        before = condition(pod, "PodScheduled")
        if before is None or before.get("message") != message:
            found = {
                "type": "PodScheduled",
                "status": "False",
                "observedGeneration": pod["metadata"].get("generation", 1),
                "lastProbeTime": None,
                "lastTransitionTime": before["lastTransitionTime"] if before else self.clock.timestamp(),
                "reason": "Unschedulable",
                "message": message,
            }
            status = {"phase": "Pending", **(pod.get("status") or {})}
            status["conditions"] = [
                *(item for item in status.get("conditions") or () if item["type"] != "PodScheduled"),
                found,
            ]
            self.write_status("pods", pod, status)
        self.recorder.event(pod, "FailedScheduling", message, component=COMPONENT, kind="Warning")


def _required(affinity: dict[str, Any] | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (affinity or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or []
    return found


def _selected(term: dict[str, Any], owner: Object, other: Object) -> bool:
    """``other`` is among the pods a term of ``owner`` speaks of."""
    namespaces = term.get("namespaces") or [owner["metadata"]["namespace"]]
    if "namespaceSelector" not in term and other["metadata"]["namespace"] not in namespaces:
        return False
    return matches_selector(term.get("labelSelector"), other["metadata"].get("labels") or {})


def _message(nodes: int, reasons: Counter[str], claims: str | None) -> str:
    if not nodes:
        return "no nodes available to schedule pods"
    head = f"0/{nodes} nodes are available: "
    if claims is not None:
        return f"{head}{claims}. preemption: {head}{nodes} Preemption is not helpful for scheduling."
    texts = sorted(f"{count} {reason}" for reason, count in reasons.items())
    lasting = sum(count for reason, count in reasons.items() if not _by_eviction(reason))
    helped = nodes - lasting
    tails = sorted(
        [
            *([f"{lasting} Preemption is not helpful for scheduling"] if lasting else []),
            *([f"{helped} No preemption victims found for incoming pod"] if helped else []),
        ]
    )
    return f"{head}{', '.join(texts)}. preemption: {head}{', '.join(tails)}."


def _by_eviction(reason: str) -> bool:
    """Removing other pods could make the node fit."""
    return reason.startswith(("Insufficient", "Too many")) or reason in (
        "node(s) didn't have free ports for the requested pod ports",
        ANTI_AFFINITY,
        EXISTING,
    )
