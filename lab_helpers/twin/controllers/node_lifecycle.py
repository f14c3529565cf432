"""Nodes as the control plane sees them: taints from conditions, pods of nodes that are gone.

Follows kubernetes pkg/controller/nodelifecycle and pkg/controller/podgc. While no node at all is ready (a cluster
without a network), only NoSchedule taints are set and nothing is evicted, as in the original's full-disruption mode.
"""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.controllers.controlling import Controller
from lab_helpers.twin.controllers.placements import tolerates
from lab_helpers.twin.controllers.pods import condition, moment
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["NodeLifecycle"]

NOT_READY = "node.kubernetes.io/not-ready"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
COMPONENT = "node-controller"
PATIENCE = 300
"""Seconds a pod without a toleration stays on a node that is not ready (admission plug-in DefaultTolerationSeconds)."""
OWNED = {(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute"), (UNSCHEDULABLE, "NoSchedule")}


class NodeLifecycle(Controller):
    """Sets and removes ``node.kubernetes.io/*`` taints; evicts pods that do not tolerate a NoExecute taint."""

    name = COMPONENT
    primary = "nodes"
    watches = frozenset({"nodes", "pods"})

    def observe(self, change: Change) -> None:
        """A node; or a pod that was bound to a tainted or missing one."""
        if change.key.resource == "nodes":
            if (
                change.type == "MODIFIED"
                and change.previous is not None
                and not _relevant(change.previous, change.object)
            ):
                return
            for other in self.registry.list("nodes"):
                self.enqueue(Key("nodes", "", other["metadata"]["name"]))
            self.enqueue(change.key)
        elif change.type != "DELETED":
            name = change.object["spec"].get("nodeName")
            before = change.previous["spec"].get("nodeName") if change.previous else None
            if name and name != before:
                node = self.registry.find("nodes", name)
                if node is None or any(item["effect"] == "NoExecute" for item in node["spec"].get("taints") or ()):
                    self.enqueue(Key("nodes", "", name))

    def reconcile(self, key: Key) -> None:
        """Write the taints the node should have, then look at its pods."""
        node = self.registry.find("nodes", key.name)
        if node is None:
            for pod in self.indexes.pods_on(key.name):
                self.registry.delete("pods", pod["metadata"]["name"], pod["metadata"]["namespace"], grace=0)
            return
        node = self._taint(node)
        taints = [item for item in node["spec"].get("taints") or () if item["effect"] == "NoExecute"]
        waits = [self._evict(pod, taints) for pod in self.indexes.pods_on(key.name)] if taints else []
        soon = min((wait for wait in waits if wait is not None), default=None)
        if soon is not None:
            self.enqueue(key, soon)

    def _taint(self, node: Object) -> Object:
        ready = condition(node, "Ready")
        wanted: list[tuple[str, str]] = []
        if node["spec"].get("unschedulable"):
            wanted.append((UNSCHEDULABLE, "NoSchedule"))
        if ready is not None and ready["status"] != "True":
            wanted.append((NOT_READY, "NoSchedule"))
            if self._some_ready():
                wanted.append((NOT_READY, "NoExecute"))
        if ready is None:
            wanted += [pair for pair in _taints(node) if pair[0] == NOT_READY]
        have = _taints(node)
        if {pair for pair in have if pair in OWNED} == set(wanted):
            return node
        kept = [
            item
            for item in node["spec"].get("taints") or ()
            if (item["key"], item["effect"]) not in OWNED - set(wanted)
        ]
        added: list[dict[str, Any]] = [
            {"key": name, "effect": effect, "timeAdded": self.clock.timestamp()}
            for name, effect in wanted
            if (name, effect) not in have
        ]
        spec = {name: value for name, value in node["spec"].items() if name != "taints"}
        if kept or added:
            spec["taints"] = [*kept, *added]
        return self.registry.update("nodes", {**node, "spec": spec})

    def _some_ready(self) -> bool:
        return any((condition(node, "Ready") or {}).get("status") == "True" for node in self.registry.list("nodes"))

    def _evict(self, pod: Object, taints: list[dict[str, Any]]) -> float | None:
        """Delete a pod that may not stay; seconds until it may not, None when it may."""
        if pod["metadata"].get("deletionTimestamp"):
            return None
        soonest: float | None = None
        for taint in taints:
            matching = [item for item in pod["spec"].get("tolerations") or () if tolerates([item], taint)]
            limits = [item["tolerationSeconds"] for item in matching if item.get("tolerationSeconds") is not None]
            if matching and not limits:
                continue
            patience = PATIENCE if taint["key"] == NOT_READY and not matching else 0
            since = moment(taint.get("timeAdded") or self.clock.timestamp())
            left = min(limits, default=patience) - (self.clock.now() - since).total_seconds()
            soonest = left if soonest is None else min(soonest, left)
        if soonest is not None and soonest <= 0:
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            message = f"Marking for deletion Pod {namespace}/{name}"
            self.recorder.event(pod, "TaintManagerEviction", message, component="taint-eviction-controller")
            self.registry.delete("pods", name, namespace)
            return None
        return soonest


def _taints(node: Object) -> list[tuple[str, str]]:
    return [(item["key"], item["effect"]) for item in node["spec"].get("taints") or ()]


def _relevant(before: Object, after: Object) -> bool:
    old, new = condition(before, "Ready") or {}, condition(after, "Ready") or {}
    return bool(before["spec"] != after["spec"] or old.get("status") != new.get("status"))
