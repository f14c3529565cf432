"""StatefulSets: numbered pods, started and stopped in order (kubernetes pkg/controller/statefulset)."""

from __future__ import annotations

import copy
import re
from typing import Any

from lab_helpers.twin.controllers.controlling import Controller, Parts
from lab_helpers.twin.controllers.pods import available_in, is_finished, is_ready
from lab_helpers.twin.controllers.replicas import claim, nonzero
from lab_helpers.twin.controllers.revisions import HASH, Revisions
from lab_helpers.twin.controllers.templates import pod_from_template
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["StatefulSets"]

COMPONENT = "statefulset-controller"
CLAIMS = "persistentvolumeclaims"


class StatefulSets(Controller):
    """Keeps pods ``<name>-0`` … ``<name>-<n-1>``."""

    name = COMPONENT
    primary = "statefulsets.apps"
    watches = frozenset({"statefulsets.apps", "pods"})

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._revisions = Revisions(parts.registry, parts.indexes)

    def observe(self, change: Change) -> None:
        """A StatefulSet, or a pod of one."""
        if change.key.resource == self.primary:
            self.enqueue(change.key)
        else:
            self.enqueue_controller(change.object, "StatefulSet", self.primary)

    def reconcile(self, key: Key) -> None:
        """One step: create, delete or replace what the order allows now."""
        owner = self.registry.find(self.primary, key.name, key.namespace)
        if owner is None or owner["metadata"].get("deletionTimestamp"):
            return
        revision = self._revisions.current(owner)
        update = revision["metadata"]["labels"][HASH]
        current = self._current(owner, update)
        pods = self._pods(owner)
        self._step(owner, pods, current, update)
        pods = self._pods(owner)
        self._write(key, pods, current, update)
        self._revisions.clean(owner, {_hash(pod) for pod in pods.values()} | {update, current})

    def _current(self, owner: Object, update: str) -> str:
        noted = (owner.get("status") or {}).get("currentRevision")
        prefix = owner["metadata"]["name"] + "-"
        return noted.removeprefix(prefix) if noted else update

    def _pods(self, owner: Object) -> dict[int, Object]:
        found = {}
        for pod in claim(self.registry, self.indexes, "pods", owner):
            match = re.fullmatch(re.escape(owner["metadata"]["name"]) + r"-(\d+)", pod["metadata"]["name"])
            if match:
                found[int(match[1])] = pod
        return found

    def _step(self, owner: Object, pods: dict[int, Object], current: str, update: str) -> None:
        spec = owner["spec"]
        first = (spec.get("ordinals") or {}).get("start", 0)
        wanted = range(first, first + spec.get("replicas", 1))
        ordered = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
        for number in wanted:
            pod = pods.get(number)
            if pod is None:
                self._create(owner, number, self._template_hash(owner, number, current, update))
                if ordered:
                    return
            elif is_finished(pod) and not pod["metadata"].get("deletionTimestamp"):
                name = f"{owner['metadata']['namespace']}/{owner['metadata']['name']}"
                message = f"StatefulSet {name} is recreating failed Pod {pod['metadata']['name']}"
                self.recorder.event(owner, "RecreatingFailedPod", message, component=COMPONENT, kind="Warning")
                self._delete(owner, pod)
                return
            elif ordered and not self._healthy(owner, pod):
                return
        for number in sorted((number for number in pods if number not in wanted), reverse=True):
            pod = pods[number]
            if not pod["metadata"].get("deletionTimestamp"):
                self._delete(owner, pod)
            if ordered:
                return
        self._roll(owner, pods, wanted, update)

    def _roll(self, owner: Object, pods: dict[int, Object], wanted: range, update: str) -> None:
        strategy = owner["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        for number in sorted(wanted, reverse=True):
            if number < partition:
                return
            pod = pods.get(number)
            if pod is None:
                return
            if _hash(pod) != update:
                if not pod["metadata"].get("deletionTimestamp"):
                    self._delete(owner, pod)
                return
            if not self._healthy(owner, pod):
                return

    def _template_hash(self, owner: Object, number: int, current: str, update: str) -> str:
        strategy = owner["spec"].get("updateStrategy") or {}
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        return current if number < partition else update

    def _healthy(self, owner: Object, pod: Object) -> bool:
        if pod["metadata"].get("deletionTimestamp") or not is_ready(pod):
            return False
        return available_in(pod, owner["spec"].get("minReadySeconds", 0), self.clock.now()) == 0.0

    def _create(self, owner: Object, number: int, digest: str) -> None:
        name = f"{owner['metadata']['name']}-{number}"
        template = owner["spec"]["template"]
        for item in self._revisions.history(owner):
            if item["metadata"]["labels"][HASH] == digest:
                template = {key: value for key, value in item["data"]["spec"]["template"].items() if key != "$patch"}
        labels = {
            HASH: f"{owner['metadata']['name']}-{digest}",
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(number),
        }
        body = pod_from_template(owner, template, name=name, labels=labels)
        body["spec"]["hostname"] = name
        if owner["spec"].get("serviceName"):
            body["spec"]["subdomain"] = owner["spec"]["serviceName"]
        self._claim_volumes(owner, body["spec"], name)
        self.registry.create("pods", body, owner["metadata"]["namespace"])
        message = f"create Pod {name} in StatefulSet {owner['metadata']['name']} successful"
        self.recorder.event(owner, "SuccessfulCreate", message, component=COMPONENT)

    def _claim_volumes(self, owner: Object, spec: dict[str, Any], pod: str) -> None:
        namespace = owner["metadata"]["namespace"]
        for claim_template in owner["spec"].get("volumeClaimTemplates") or ():
            volume = claim_template["metadata"]["name"]
            name = f"{volume}-{pod}"
            if self.registry.find(CLAIMS, name, namespace) is None:
                labels = {**(owner["spec"]["selector"].get("matchLabels") or {})}
                body = {"metadata": {"name": name, "labels": labels}, "spec": copy.deepcopy(claim_template["spec"])}
                self.registry.create(CLAIMS, body, namespace)
            others = [item for item in spec.get("volumes") or () if item["name"] != volume]
            spec["volumes"] = [*others, {"name": volume, "persistentVolumeClaim": {"claimName": name}}]

    def _delete(self, owner: Object, pod: Object) -> None:
        metadata = pod["metadata"]
        self.registry.delete("pods", metadata["name"], metadata["namespace"], uid=metadata["uid"])
        message = f"delete Pod {metadata['name']} in StatefulSet {owner['metadata']['name']} successful"
        self.recorder.event(owner, "SuccessfulDelete", message, component=COMPONENT)

    def _write(self, key: Key, pods: dict[int, Object], current: str, update: str) -> None:
        owner = self.registry.get(self.primary, key.name, key.namespace)
        seconds, now = owner["spec"].get("minReadySeconds", 0), self.clock.now()
        alive = [pod for pod in pods.values() if not is_finished(pod)]
        whole = [pod for pod in alive if not pod["metadata"].get("deletionTimestamp")]
        waits = [available_in(pod, seconds, now) for pod in whole]
        updated = sum(_hash(pod) == update for pod in whole)
        if updated == owner["spec"].get("replicas", 1) == len(alive) and all(is_ready(pod) for pod in whole):
            current = update
        prefix = owner["metadata"]["name"]
        status: dict[str, Any] = {
            "observedGeneration": owner["metadata"]["generation"],
            "replicas": len(alive),
            "availableReplicas": sum(wait == 0.0 for wait in waits),
            "currentRevision": f"{prefix}-{current}",
            "updateRevision": f"{prefix}-{update}",
            "collisionCount": 0,
        }
        status |= nonzero(
            {
                "readyReplicas": sum(is_ready(pod) for pod in whole),
                "currentReplicas": sum(_hash(pod) == current for pod in whole),
                "updatedReplicas": updated,
            }
        )
        self.write_status(self.primary, owner, status)
        soon = [wait for wait in waits if wait]
        if soon:
            self.enqueue(key, min(soon))


def _hash(pod: Object) -> str:
    """The revision of a pod's template, without the set's name in front."""
    return str((pod["metadata"].get("labels") or {}).get(HASH, "")).rpartition("-")[2]
