"""The kubelet of one node: from a bound pod to running containers, and back (kubernetes pkg/kubelet/kubelet.go
syncPod).

Host-network pods start at once; others wait until the node has a network, then get their address from it. A pod
being deleted is stopped with its grace period and then removed. After a restart of the twin the containers of pods
that ran are started again: the pod keeps its name, uid and address, and its restart count grows, as after a reboot
of the node.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.twin.controllers.controlling import Parts
from lab_helpers.twin.controllers.kubelet.containers import Notice, Starter
from lab_helpers.twin.controllers.kubelet.mounting import missing_volumes
from lab_helpers.twin.controllers.kubelet.nodes import HEARTBEAT, network_not_ready, node_status, renew_lease
from lab_helpers.twin.controllers.kubelet.probing import Outcome, Prober
from lab_helpers.twin.controllers.kubelet.records import PodRecord, Waiting
from lab_helpers.twin.controllers.kubelet.static_pods import StaticPods
from lab_helpers.twin.controllers.kubelet.statuses import Now, Probed, pod_status
from lab_helpers.twin.controllers.pods import is_finished, moment
from lab_helpers.twin.interfaces import ContainerState, NodeNetwork, PodKey, Workloads
from lab_helpers.twin.objects.storage import Key, Object

__all__ = ["Kubelet"]

log = logging.getLogger(__name__)

SANDBOX_RETRY = 10.0
VOLUME_RETRY = 2.0
NOT_READY_RETRY = 60.0
"""The network tells when it becomes ready; this is only the pace at which NetworkNotReady is repeated."""


class Kubelet:
    """``sync`` brings one pod forward; ``report`` writes the node's status and lease."""

    def __init__(
        self,
        node: str,
        parts: Parts,
        workloads: Workloads,
        network: NodeNetwork,
        enqueue: Callable[[Key, float], None],
        static_pods: StaticPods,
    ) -> None:
        self.node = node
        self._registry = parts.registry
        self._clock = parts.clock
        self._recorder = parts.recorder
        self._workloads = workloads
        self._network = network
        self._enqueue = enqueue
        self._static_pods = static_pods
        self._records: dict[Key, PodRecord] = {}
        self._no_network: set[Key] = set()
        self._no_volumes: set[Key] = set()
        self._ready: bool | None = None
        self._renewed = float("-inf")
        self._prober = Prober(self._clock, workloads, self._probed)
        self._starter = Starter(self._registry, workloads, self._tell)

    def stop(self) -> None:
        """Stop probing and forget; tasks that stop containers are cancelled."""
        self._prober.stop()
        for record in self._records.values():
            if record.stopping is not None:
                record.stopping.cancel()
        self._records.clear()

    def hurry(self, uid: str) -> None:
        """The runtime says that something changed in a pod."""
        self._prober.hurry(uid)

    def waiting_for_network(self) -> list[Key]:
        """Pods that could not get an address yet; they may try again at once."""
        for key in self._no_network:
            if key in self._records:
                self._records[key].retry_at = 0.0
        return list(self._no_network)

    def waiting_for_volumes(self, namespace: str) -> list[Key]:
        """Pods of a namespace that miss a ConfigMap or Secret."""
        return [key for key in self._no_volumes if key.namespace == namespace]

    # --- the node ---

    def report(self) -> float:
        """Write the node's status and lease where they are due; seconds until the next report."""
        node = self._registry.get("nodes", self.node)
        readiness = self._network.readiness(self.node)
        status = node_status(node, readiness, self._clock)
        if status != node.get("status"):
            head = {"name": self.node, "resourceVersion": node["metadata"]["resourceVersion"]}
            node = self._registry.update("nodes", {"metadata": head, "status": status}, subresource="status")
        if readiness.ready != self._ready:
            told, self._ready = self._ready, readiness.ready
            if readiness.ready or told is not None:
                word = "Ready" if readiness.ready else "NotReady"
                message = f"Node {self.node} status is now: Node{word}"
                self._recorder.event(node, f"Node{word}", message, component="kubelet", host=self.node)
        if self._clock.monotonic() - self._renewed >= HEARTBEAT:
            renew_lease(self._registry, node, self._clock)
            self._renewed = self._clock.monotonic()
            self._static_pods.mirror(self._registry, self.node)
        return self._clock.pace(HEARTBEAT)

    # --- one pod ---

    def sync(self, key: Key, pod: Object | None) -> float | None:
        """Bring a pod one step forward. ``pod`` None: it is gone. Returns after how many seconds to look again."""
        record = self._records.get(key)
        if record is not None and (pod is None or record.key.uid != pod["metadata"]["uid"]):
            self._abandon(key, record)
            record = None
        if pod is None:
            return None
        if record is None:
            if is_finished(pod) and not pod["metadata"].get("deletionTimestamp"):
                return None
            record = self._remember(key, pod)
        if pod["metadata"].get("deletionTimestamp"):
            self._terminate(key, pod, record)
            return None
        if is_finished(pod):
            self._settle(record)
            return None
        return self._run(key, pod, record)

    def _run(self, key: Key, pod: Object, record: PodRecord) -> float | None:
        now = self._now()
        deadline = self._deadline(pod)
        if deadline is not None and deadline <= 0:
            self._expire(key, pod, record, now)
            return None
        wait = self._sandbox(key, pod, record)
        if record.ip and wait is None:
            states = self._states(record)
            probed = self._probed_of(record)
            self._prober.sync(pod, states)
            wait = self._starter.advance(pod, record, states, probed, now)
            self._prober.sync(pod, self._states(record))
        self._write(pod, record, now)
        return wait if deadline is None else min(deadline, wait if wait is not None else deadline)

    def _sandbox(self, key: Key, pod: Object, record: PodRecord) -> float | None:
        """Volumes and address. None when the pod has them, else seconds until the next attempt."""
        if record.ip:
            return None
        monotonic = self._clock.monotonic()
        host = bool(pod["spec"].get("hostNetwork"))
        readiness = self._network.readiness(self.node)
        if not host and not readiness.ready:
            self._no_network.add(key)
            message = f"network is not ready: {network_not_ready(readiness)}"
            self._tell(pod, Notice("NetworkNotReady", message, warning=True))
            return NOT_READY_RETRY
        missing = missing_volumes(self._registry, pod)
        if missing:
            self._no_volumes.add(key)
            for volume in missing:
                self._tell(pod, Notice("FailedMount", volume.message, warning=True))
            return VOLUME_RETRY
        self._no_volumes.discard(key)
        if host:
            record.ip = self._host_ip()
            return None
        if record.retry_at > monotonic:
            return record.retry_at - monotonic
        try:
            record.ip = self._network.attach(self.node, pod).ipv4
        except RuntimeError as error:
            self._no_network.add(key)
            record.retry_at = monotonic + SANDBOX_RETRY
            sandbox = hashlib.sha256(f"{record.key.uid}{monotonic}".encode()).hexdigest()
            message = (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "
                f'"{sandbox}": plugin type="cilium-cni" failed (add): {error}'
            )
            self._tell(pod, Notice("FailedCreatePodSandBox", message, warning=True))
            return SANDBOX_RETRY
        self._no_network.discard(key)
        return None

    def _write(self, pod: Object, record: PodRecord, now: Now, failure: Waiting | None = None) -> None:
        status = pod_status(
            pod, record, self._states(record), self._probed_of(record), now, self._host_ip(), failure=failure
        )
        if status == pod.get("status"):
            return
        metadata = pod["metadata"]
        head = {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
        written = self._registry.update("pods", {"metadata": head, "status": status}, subresource="status")
        if is_finished(written):
            self._settle(record)

    def _deadline(self, pod: Object) -> float | None:
        seconds, started = pod["spec"].get("activeDeadlineSeconds"), (pod.get("status") or {}).get("startTime")
        if seconds is None or started is None:
            return None
        return float(seconds) - (self._clock.now() - moment(started)).total_seconds()

    def _expire(self, key: Key, pod: Object, record: PodRecord, now: Now) -> None:
        message = "Pod was active on the node longer than the specified deadline"
        self._tell(pod, Notice("DeadlineExceeded", message))
        self._write(pod, record, now, Waiting("DeadlineExceeded", message))
        self._abandon(key, record)

    # --- the end of a pod ---

    def _terminate(self, key: Key, pod: Object, record: PodRecord) -> None:
        if record.stopped:
            self._remove(key, pod, record)
        elif record.stopping is None:
            states = self._states(record)
            for container in pod["spec"]["containers"]:
                state = states.get(container["name"])
                if state is not None and state.running:
                    name = container["name"]
                    self._tell(pod, Notice("Killing", f"Stopping container {name}", name))
            self._prober.drop(record.key.uid)
            grace = float(pod["metadata"].get("deletionGracePeriodSeconds") or 0)
            record.stopping = asyncio.get_running_loop().create_task(self._stop(key, record, grace))

    async def _stop(self, key: Key, record: PodRecord, grace: float) -> None:
        try:
            await self._workloads.stop(record.key, grace=grace)
        except Exception:
            log.exception("stopping pod %s/%s", key.namespace, key.name)
        record.stopped = True
        self._enqueue(key, 0.0)

    def _remove(self, key: Key, pod: Object, record: PodRecord) -> None:
        self._settle(record)
        self._records.pop(key, None)
        self._no_network.discard(key)
        self._no_volumes.discard(key)
        self._registry.delete("pods", key.name, key.namespace, grace=0, uid=pod["metadata"]["uid"])

    def _settle(self, record: PodRecord) -> None:
        """No container runs any more: give the address back."""
        self._prober.drop(record.key.uid)
        if record.ip:
            self._network.detach(self.node, record.key)

    def _abandon(self, key: Key, record: PodRecord) -> None:
        """The object is gone or replaced: stop what runs, without grace."""
        self._records.pop(key, None)
        self._no_network.discard(key)
        self._no_volumes.discard(key)
        self._prober.drop(record.key.uid)
        if record.stopping is None and not record.stopped:
            record.stopping = asyncio.get_running_loop().create_task(self._drop(record))

    async def _drop(self, record: PodRecord) -> None:
        try:
            await self._workloads.stop(record.key, grace=0.0)
        except Exception:
            log.exception("stopping pod %s/%s", record.key.namespace, record.key.name)
        self._network.detach(self.node, record.key)

    # --- memory, probes, words ---

    def _remember(self, key: Key, pod: Object) -> PodRecord:
        metadata, status = pod["metadata"], pod.get("status") or {}
        record = PodRecord(PodKey(metadata["namespace"], metadata["name"], metadata["uid"]))
        self._records[key] = record
        ran = False
        for item in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            record.restarts[item["name"]] = item.get("restartCount", 0)
            if item.get("lastState", {}).get("terminated"):
                record.last[item["name"]] = item["lastState"]["terminated"]
            running = item["state"].get("running")
            if running:
                ran = True
                record.restarts[item["name"]] += 1
                record.last[item["name"]] = {
                    "containerID": item.get("containerID", ""),
                    "exitCode": 255,
                    "finishedAt": self._clock.timestamp(),
                    "reason": "Unknown",
                    "startedAt": running["startedAt"],
                }
        if ran:
            self._tell(pod, Notice("SandboxChanged", "Pod sandbox changed, it will be killed and re-created."))
        return record

    def _states(self, record: PodRecord) -> dict[str, ContainerState]:
        return {state.name: state for state in self._workloads.states(record.key)}

    def _probed_of(self, record: PodRecord) -> Callable[[str], Probed]:
        return lambda container: self._prober.probed(record.key.uid, container)

    def _probed(self, outcome: Outcome) -> None:
        key = Key("pods", outcome.pod.namespace, outcome.pod.name)
        pod, record = self._registry.find("pods", key.name, key.namespace), self._records.get(key)
        if pod is None or record is None or record.key != outcome.pod or record.stopping is not None:
            return
        if not outcome.success:
            message = f"{outcome.kind.capitalize()} probe failed: {outcome.message}"
            self._tell(pod, Notice("Unhealthy", message, outcome.container, warning=True))
        if outcome.exhausted:
            self._replace(pod, record, outcome)
        self._enqueue(key, 0.0)

    def _replace(self, pod: Object, record: PodRecord, outcome: Outcome) -> None:
        state = self._states(record).get(outcome.container)
        container = _container(pod, outcome.container)
        if state is None or not state.running or container is None:
            return
        word = "liveness" if outcome.kind == "liveness" else "startup"
        message = f"Container {outcome.container} failed {word} probe, will be restarted"
        self._tell(pod, Notice("Killing", message, outcome.container))
        self._starter.restart(pod, record, container, state, self._now())

    def _tell(self, pod: Object, notice: Notice) -> None:
        inits = {item["name"] for item in pod["spec"].get("initContainers") or ()}
        added = {item["name"] for item in pod["spec"].get("ephemeralContainers") or ()}
        group = "initContainers" if notice.container in inits else "containers"
        group = "ephemeralContainers" if notice.container in added else group
        self._recorder.event(
            pod,
            notice.reason,
            notice.message,
            component="kubelet",
            host=self.node,
            kind="Warning" if notice.warning else "Normal",
            field=f"spec.{group}{{{notice.container}}}" if notice.container else "",
        )

    def _now(self) -> Now:
        return Now(self._clock.now(), self._clock.monotonic())

    def _host_ip(self) -> str:
        node = self._registry.find("nodes", self.node)
        for address in ((node or {}).get("status") or {}).get("addresses") or ():
            if address["type"] == "InternalIP":
                return str(address["address"])
        return ""


def _container(pod: Object, name: str) -> Mapping[str, Any] | None:
    for container in [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]:
        if container["name"] == name:
            found: Mapping[str, Any] = container
            return found
    return None
