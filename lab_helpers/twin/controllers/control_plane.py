"""The kube-controller-manager, the kube-scheduler and all kubelets, in one place: start them, stop them.

Order: the registry is filled (``bootstrap``) before ``start``; the runtime and the network are ready to be asked
before it, too. ``stop`` ends the queue and the probes; stored objects stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.controllers.accounts import NamespaceDefaults
from lab_helpers.twin.controllers.budgets import DisruptionBudgets
from lab_helpers.twin.controllers.controlling import Controller, Parts
from lab_helpers.twin.controllers.daemonsets import DaemonSets
from lab_helpers.twin.controllers.deployments import Deployments
from lab_helpers.twin.controllers.dispatching import Dispatcher
from lab_helpers.twin.controllers.endpoints import Endpoints
from lab_helpers.twin.controllers.events import Recorder
from lab_helpers.twin.controllers.garbage import GarbageCollector
from lab_helpers.twin.controllers.indexes import Indexes
from lab_helpers.twin.controllers.jobs import Jobs
from lab_helpers.twin.controllers.kubelet import Kubelets, StaticPods
from lab_helpers.twin.controllers.namespaces import Namespaces
from lab_helpers.twin.controllers.node_lifecycle import NodeLifecycle
from lab_helpers.twin.controllers.replicasets import ReplicaSets
from lab_helpers.twin.controllers.scheduling import Scheduler
from lab_helpers.twin.controllers.statefulsets import StatefulSets
from lab_helpers.twin.interfaces import NodeNetwork, Workloads
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Change, Object

__all__ = ["Manager"]


class Manager:
    """Runs every controller over one registry.

    ``static_pods``: Pod bodies that kubelets run by themselves. ``root_ca``: the PEM text of ConfigMap
    ``kube-root-ca.crt``.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        workloads: Workloads,
        network: NodeNetwork,
        *,
        static_pods: Iterable[Object] = (),
        root_ca: str = "",
    ) -> None:
        self._registry = registry
        self._indexes = Indexes(registry)
        self._dispatcher = Dispatcher(clock)
        self._recorder = Recorder(registry, clock)
        parts = Parts(registry, clock, self._indexes, self._dispatcher, self._recorder)
        self._kubelets = Kubelets(parts, workloads, network, StaticPods(static_pods))
        self._controllers: tuple[Controller, ...] = (
            Namespaces(parts),
            NamespaceDefaults(parts, root_ca),
            NodeLifecycle(parts),
            Deployments(parts),
            ReplicaSets(parts),
            DaemonSets(parts),
            StatefulSets(parts),
            Jobs(parts),
            Scheduler(parts),
            self._kubelets,
            Endpoints(parts),
            GarbageCollector(parts),
            DisruptionBudgets(parts),
        )
        self._observers: dict[str, list[Controller]] = {}
        self._everywhere = [controller for controller in self._controllers if not controller.watches]
        for controller in self._controllers:
            for resource in controller.watches:
                self._observers.setdefault(resource, []).append(controller)
        self._running = False
        self._listening = False

    @property
    def idle(self) -> bool:
        """Nothing is left to do but what waits for time or for a change."""
        return self._dispatcher.idle

    async def start(self) -> None:
        """Index what is stored, look at everything once, then follow changes."""
        if not self._listening:
            self._listening = True
            self._registry.listen(self._changed)
        self._running = True
        self._indexes.build()
        for controller in self._controllers:
            controller.prime()
        self._recorder.start()
        self._dispatcher.start()

    async def stop(self) -> None:
        """Do nothing more."""
        self._running = False
        self._dispatcher.stop()
        self._recorder.stop()
        self._kubelets.stop()

    def _changed(self, change: Change) -> None:
        if not self._running:
            return
        self._indexes.apply(change)
        for controller in self._observers.get(change.key.resource, ()):
            controller.observe(change)
        for controller in self._everywhere:
            controller.observe(change)
