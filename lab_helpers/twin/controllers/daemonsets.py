"""DaemonSets: one pod on every node that admits it (kubernetes pkg/controller/daemon).

The pods carry a node affinity for their node and pass through the scheduler like all others.
"""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.controllers.controlling import Controller, Parts, key_of
from lab_helpers.twin.controllers.placements import matches_node_selector_terms, untolerated
from lab_helpers.twin.controllers.pods import available_in, is_finished, is_ready
from lab_helpers.twin.controllers.replicas import claim, nonzero
from lab_helpers.twin.controllers.revisions import HASH, Revisions
from lab_helpers.twin.controllers.rollouts import scaled
from lab_helpers.twin.controllers.templates import pod_from_template
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["DaemonSets"]

COMPONENT = "daemonset-controller"
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


class DaemonSets(Controller):
    """Creates, replaces and deletes the pods of each node."""

    name = COMPONENT
    primary = "daemonsets.apps"
    watches = frozenset({"daemonsets.apps", "pods", "nodes"})

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._revisions = Revisions(parts.registry, parts.indexes)

    def observe(self, change: Change) -> None:
        """A DaemonSet, a pod of one, or a node that changed its spec or labels."""
        if change.key.resource == self.primary:
            self.enqueue(change.key)
        elif change.key.resource == "pods":
            self.enqueue_controller(change.object, "DaemonSet", self.primary)
        elif change.previous is None or change.type == "DELETED" or _moved(change.previous, change.object):
            for item in self.registry.list(self.primary):
                self.enqueue(key_of(self.primary, item))

    def reconcile(self, key: Key) -> None:
        """One pod per fitting node, of the newest template as far as the update strategy allows."""
        owner = self.registry.find(self.primary, key.name, key.namespace)
        if owner is None:
            return
        if owner["metadata"].get("deletionTimestamp"):
            return
        digest = self._revisions.current(owner)["metadata"]["labels"][HASH]
        nodes = self.registry.list("nodes")
        fitting = {node["metadata"]["name"] for node in nodes if _runs_on(owner, node)}
        staying = {node["metadata"]["name"] for node in nodes if _stays_on(owner, node)}
        by_node = self._pods(owner)
        self._place(owner, by_node, fitting, staying, digest)
        if (owner["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate":
            self._roll(owner, fitting, digest)
        by_node = self._pods(owner)
        self._revisions.clean(owner, {_hash(pod) for pods in by_node.values() for pod in pods} | {digest})
        self._write(key, by_node, fitting, digest)

    def _pods(self, owner: Object) -> dict[str, list[Object]]:
        by_node: dict[str, list[Object]] = {}
        for pod in claim(self.registry, self.indexes, "pods", owner):
            by_node.setdefault(_target(pod), []).append(pod)
        return by_node

    def _place(
        self, owner: Object, by_node: dict[str, list[Object]], fitting: set[str], staying: set[str], digest: str
    ) -> None:
        for node, pods in by_node.items():
            alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
            failed = [pod for pod in alive if is_finished(pod)]
            for pod in failed:
                found = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                message = f"Found failed daemon pod {found} on node {node}, will try to kill it"
                self.recorder.event(owner, "FailedDaemonPod", message, component=COMPONENT, kind="Warning")
                self._delete(owner, pod)
            alive = [pod for pod in alive if pod not in failed]
            keep = 1 if node in staying else 0
            alive.sort(key=lambda pod: (not pod["spec"].get("nodeName"), pod["metadata"]["creationTimestamp"]))
            for pod in alive[keep:]:
                self._delete(owner, pod)
        for node in sorted(fitting):
            if not by_node.get(node):
                self._create(owner, node, digest)

    def _roll(self, owner: Object, fitting: set[str], digest: str) -> None:
        rolling = (owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        limit = scaled(rolling.get("maxUnavailable"), len(fitting), up=True, default=1)
        limit = limit or 1
        by_node = self._pods(owner)
        seconds, now = owner["spec"].get("minReadySeconds", 0), self.clock.now()
        unavailable = 0
        broken: list[Object] = []
        candidates: list[Object] = []
        for node in sorted(fitting):
            alive = [pod for pod in by_node.get(node, ()) if not pod["metadata"].get("deletionTimestamp")]
            if not alive:
                unavailable += 1
                continue
            pod = alive[0]
            available = available_in(pod, seconds, now) == 0.0
            unavailable += not available
            if _hash(pod) != digest:
                (candidates if available else broken).append(pod)
        for pod in [*broken, *candidates[: max(limit - unavailable, 0)]]:
            self._delete(owner, pod)

    def _create(self, owner: Object, node: str, digest: str) -> None:
        generation = (owner["metadata"].get("annotations") or {}).get(
            "deprecated.daemonset.template.generation", str(owner["metadata"]["generation"])
        )
        labels = {HASH: digest, "pod-template-generation": generation}
        body = pod_from_template(owner, owner["spec"]["template"], labels=labels)
        _bind(body["spec"], node)
        pod = self.registry.create("pods", body, owner["metadata"]["namespace"])
        message = f"Created pod: {pod['metadata']['name']}"
        self.recorder.event(owner, "SuccessfulCreate", message, component=COMPONENT)

    def _delete(self, owner: Object, pod: Object) -> None:
        metadata = pod["metadata"]
        self.registry.delete("pods", metadata["name"], metadata["namespace"], uid=metadata["uid"])
        self.recorder.event(owner, "SuccessfulDelete", f"Deleted pod: {metadata['name']}", component=COMPONENT)

    def _write(self, key: Key, by_node: dict[str, list[Object]], fitting: set[str], digest: str) -> None:
        owner = self.registry.get(self.primary, key.name, key.namespace)
        seconds, now = owner["spec"].get("minReadySeconds", 0), self.clock.now()
        current = ready = available = updated = 0
        waits = []
        for node in fitting:
            alive = [pod for pod in by_node.get(node, ()) if not pod["metadata"].get("deletionTimestamp")]
            if not alive:
                continue
            pod = alive[0]
            current += 1
            updated += _hash(pod) == digest
            wait = available_in(pod, seconds, now)
            ready += is_ready(pod)
            available += wait == 0.0
            if wait:
                waits.append(wait)
        misplaced = sum(bool(pods) for node, pods in by_node.items() if node not in fitting)
        status: dict[str, Any] = {
            "currentNumberScheduled": current,
            "numberMisscheduled": misplaced,
            "desiredNumberScheduled": len(fitting),
            "numberReady": ready,
            "observedGeneration": owner["metadata"]["generation"],
        }
        status |= nonzero(
            {
                "updatedNumberScheduled": updated,
                "numberAvailable": available,
                "numberUnavailable": len(fitting) - available,
            }
        )
        self.write_status(self.primary, owner, status)
        if waits:
            self.enqueue(key, min(waits))


def _moved(before: Object, after: Object) -> bool:
    return bool(before["spec"] != after["spec"] or before["metadata"].get("labels") != after["metadata"].get("labels"))


def _hash(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(HASH, ""))


def _target(pod: Object) -> str:
    """The node the pod is meant for."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    required = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name":
                return str(field["values"][0])
    return ""


def _tolerations(owner: Object) -> list[dict[str, Any]]:
    spec = owner["spec"]["template"]["spec"]
    names = list(_TOLERATED)
    if spec.get("hostNetwork"):
        names.append(("node.kubernetes.io/network-unavailable", "NoSchedule"))
    return [
        *(spec.get("tolerations") or ()),
        *({"key": key, "operator": "Exists", "effect": effect} for key, effect in names),
    ]


def _selects(owner: Object, node: Object) -> bool:
    spec = owner["spec"]["template"]["spec"]
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return required is None or matches_node_selector_terms(required.get("nodeSelectorTerms") or [], node)


def _runs_on(owner: Object, node: Object) -> bool:
    return _selects(owner, node) and untolerated(_tolerations(owner), node) is None


def _stays_on(owner: Object, node: Object) -> bool:
    return _selects(owner, node) and untolerated(_tolerations(owner), node, ("NoExecute",)) is None


def _bind(spec: dict[str, Any], node: str) -> None:
    """Node affinity for ``node`` in place of the template's, and the tolerations every daemon pod has."""
    affinity = spec.setdefault("affinity", {})
    rules = affinity.setdefault("nodeAffinity", {})
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    rules["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    tolerations = spec.setdefault("tolerations", [])
    names = list(_TOLERATED)
    if spec.get("hostNetwork"):
        names.append(("node.kubernetes.io/network-unavailable", "NoSchedule"))
    for key, effect in names:
        toleration = {"key": key, "operator": "Exists", "effect": effect}
        if toleration not in tolerations:
            tolerations.append(toleration)
