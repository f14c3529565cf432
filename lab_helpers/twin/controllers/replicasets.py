"""ReplicaSets: as many pods as wished, made from one template (kubernetes pkg/controller/replicaset)."""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.controllers.controlling import Controller
from lab_helpers.twin.controllers.pods import is_active
from lab_helpers.twin.controllers.references import controller_of
from lab_helpers.twin.controllers.replicas import availability, claim, first_to_go, nonzero
from lab_helpers.twin.controllers.templates import pod_from_template
from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.selectors import matches_selector
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["ReplicaSets"]

COMPONENT = "replicaset-controller"
BURST = 500
"""Pods created or deleted in one go, as in the original."""


class ReplicaSets(Controller):
    """Creates and deletes pods, counts ready ones."""

    name = COMPONENT
    primary = "replicasets.apps"
    watches = frozenset({"replicasets.apps", "pods"})

    def observe(self, change: Change) -> None:
        """A ReplicaSet, or a pod of one."""
        if change.key.resource == self.primary:
            self.enqueue(change.key)
            return
        for pod in (change.object, change.previous):
            if pod is None:
                continue
            if controller_of(pod) is not None:
                self.enqueue_controller(pod, "ReplicaSet", self.primary)
            elif change.type != "DELETED":
                self._possible_owners(pod)

    def _possible_owners(self, pod: Object) -> None:
        labels = pod["metadata"].get("labels")
        if not labels:
            return
        for owner in self.registry.list(self.primary, pod["metadata"]["namespace"]):
            if matches_selector(owner["spec"].get("selector"), labels):
                self.enqueue(Key(self.primary, owner["metadata"]["namespace"], owner["metadata"]["name"]))

    def reconcile(self, key: Key) -> None:
        """Make the number of pods the wished one, then write the counts."""
        owner = self.registry.find(self.primary, key.name, key.namespace)
        if owner is None:
            return
        pods = [pod for pod in claim(self.registry, self.indexes, "pods", owner) if is_active(pod)]
        failure: StatusError | None = None
        if not owner["metadata"].get("deletionTimestamp"):
            wanted = owner["spec"].get("replicas", 1)
            try:
                pods = self._scale(owner, pods, wanted)
            except StatusError as error:
                failure = error
        self._write(owner, pods, failure)
        if failure is not None:
            raise failure

    def _scale(self, owner: Object, pods: list[Object], wanted: int) -> list[Object]:
        if len(pods) < wanted:
            return [*pods, *(self._create(owner) for _ in range(min(wanted - len(pods), BURST)))]
        surplus = first_to_go(pods, min(len(pods) - wanted, BURST)) if len(pods) > wanted else []
        gone = set()
        for pod in surplus:
            name = pod["metadata"]["name"]
            self.registry.delete("pods", name, pod["metadata"]["namespace"], uid=pod["metadata"]["uid"])
            self.recorder.event(owner, "SuccessfulDelete", f"Deleted pod: {name}", component=COMPONENT)
            gone.add(name)
        return [pod for pod in pods if pod["metadata"]["name"] not in gone]

    def _create(self, owner: Object) -> Object:
        body = pod_from_template(owner, owner["spec"].get("template") or {})
        try:
            pod = self.registry.create("pods", body, owner["metadata"]["namespace"])
        except StatusError as error:
            message = f"Error creating: {error.message}"
            self.recorder.event(owner, "FailedCreate", message, component=COMPONENT, kind="Warning")
            raise
        message = f"Created pod: {pod['metadata']['name']}"
        self.recorder.event(owner, "SuccessfulCreate", message, component=COMPONENT)
        return pod

    def _write(self, owner: Object, pods: list[Object], failure: StatusError | None) -> None:
        spec = owner["spec"]
        counts = availability(pods, spec.get("minReadySeconds", 0), self.clock.now())
        labels = (spec.get("template") or {}).get("metadata", {}).get("labels") or {}
        full = sum(labels.items() <= (pod["metadata"].get("labels") or {}).items() for pod in pods)
        status: dict[str, Any] = {"replicas": len(pods)}
        status |= nonzero(
            {
                "fullyLabeledReplicas": full,
                "readyReplicas": counts.ready,
                "availableReplicas": counts.available,
            }
        )
        status["observedGeneration"] = owner["metadata"]["generation"]
        if failure is not None:
            old = (owner.get("status") or {}).get("conditions") or [{}]
            status["conditions"] = [
                {
                    "type": "ReplicaFailure",
                    "status": "True",
                    "lastTransitionTime": old[0].get("lastTransitionTime", self.clock.timestamp()),
                    "reason": "FailedCreate",
                    "message": failure.message,
                }
            ]
        self.write_status(self.primary, self.registry.get(self.primary, *_name(owner)), status)
        if counts.soon is not None:
            self.enqueue(Key(self.primary, owner["metadata"]["namespace"], owner["metadata"]["name"]), counts.soon)


def _name(item: Object) -> tuple[str, str]:
    return item["metadata"]["name"], item["metadata"]["namespace"]
