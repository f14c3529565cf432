"""All kubelets of the cluster, one per Node object, behind one place in the controllers' queue."""

from __future__ import annotations

from lab_helpers.twin.controllers.controlling import Controller, Parts
from lab_helpers.twin.controllers.kubelet.node_agents import Kubelet
from lab_helpers.twin.controllers.kubelet.static_pods import StaticPods
from lab_helpers.twin.interfaces import NodeNetwork, PodKey, Workloads
from lab_helpers.twin.objects.storage import Change, Key

__all__ = ["Kubelets"]


class Kubelets(Controller):
    """Routes pods and node changes to the kubelet they concern."""

    name = "kubelet"
    primary = "pods"
    watches = frozenset({"pods", "nodes", "configmaps", "secrets"})

    def __init__(self, parts: Parts, workloads: Workloads, network: NodeNetwork, static_pods: StaticPods) -> None:
        super().__init__(parts)
        self._parts = parts
        self._workloads = workloads
        self._network = network
        self._static_pods = static_pods
        self._kubelets: dict[str, Kubelet] = {}
        self._places: dict[Key, str] = {}
        self._running = False
        self._hooked = False

    def prime(self) -> None:
        """Nodes first: pods need their kubelet."""
        self._running = True
        if not self._hooked:
            self._hooked = True
            self._workloads.on_change(self._workload_changed)
            self._network.on_change(self._network_changed)
        for node in self.registry.list("nodes"):
            self.enqueue(Key("nodes", "", node["metadata"]["name"]))
        for pod in self.registry.list("pods"):
            if pod["spec"].get("nodeName"):
                self.enqueue(Key("pods", pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def stop(self) -> None:
        """Stop probes and heartbeats; the containers are the runtime's business."""
        self._running = False
        for kubelet in self._kubelets.values():
            kubelet.stop()
        self._kubelets.clear()
        self._places.clear()

    def observe(self, change: Change) -> None:
        """A pod that is, or was, on a node; a node; a ConfigMap or Secret that pods may wait for."""
        if change.key.resource == "pods":
            if change.object["spec"].get("nodeName") and not self._own_write(change):
                self.enqueue(change.key)
        elif change.key.resource == "nodes":
            if change.type != "MODIFIED":
                self.enqueue(change.key)
        elif change.type == "ADDED":
            for kubelet in self._kubelets.values():
                for key in kubelet.waiting_for_volumes(change.key.namespace):
                    self.enqueue(key)

    def _own_write(self, change: Change) -> bool:
        """Only the status changed: that was a kubelet."""
        before, after = change.previous, change.object
        if change.type != "MODIFIED" or before is None:
            return False
        return before["spec"] == after["spec"] and _plain(before["metadata"]) == _plain(after["metadata"])

    def _workload_changed(self, pod: PodKey) -> None:
        if not self._running:
            return
        key = Key("pods", pod.namespace, pod.name)
        node = self._places.get(key)
        if node is not None and node in self._kubelets:
            self._kubelets[node].hurry(pod.uid)
        self.enqueue(key)

    def _network_changed(self, node: str) -> None:
        if self._running and node in self._kubelets:
            self.enqueue(Key("nodes", "", node))
            for key in self._kubelets[node].waiting_for_network():
                self.enqueue(key)

    def reconcile(self, key: Key) -> None:
        """A node: report on it. A pod: have its kubelet look after it, and make the former one forget it."""
        if key.resource == "nodes":
            self._reconcile_node(key)
            return
        pod = self.registry.find("pods", key.name, key.namespace)
        node = pod["spec"].get("nodeName") if pod is not None else None
        before = self._places.get(key)
        if before is not None and before != node:
            self._kubelets[before].sync(key, None)
            del self._places[key]
        kubelet = self._kubelets.get(node or "")
        if pod is not None and node and kubelet is not None:
            self._places[key] = node
            wait = kubelet.sync(key, pod)
            if wait is not None:
                self.enqueue(key, wait)

    def _reconcile_node(self, key: Key) -> None:
        if self.registry.find("nodes", key.name) is None:
            gone = self._kubelets.pop(key.name, None)
            if gone is not None:
                self._places = {pod: node for pod, node in self._places.items() if node != key.name}
                gone.stop()
            return
        kubelet = self._kubelets.get(key.name)
        if kubelet is None:
            kubelet = Kubelet(key.name, self._parts, self._workloads, self._network, self.enqueue, self._static_pods)
            self._kubelets[key.name] = kubelet
            for pod in self.indexes.pods_on(key.name):
                self.enqueue(Key("pods", pod["metadata"]["namespace"], pod["metadata"]["name"]))
        self.enqueue(key, kubelet.report())


def _plain(metadata: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in metadata.items() if name not in ("resourceVersion", "managedFields")}
