"""Deployments: rolling updates by way of ReplicaSets (kubernetes pkg/controller/deployment)."""

from __future__ import annotations

import copy
from typing import Any

from lab_helpers.twin.controllers.controlling import Controller
from lab_helpers.twin.controllers.deployment_statuses import deployment_status, timed_out_in
from lab_helpers.twin.controllers.pods import is_active
from lab_helpers.twin.controllers.references import owner_reference
from lab_helpers.twin.controllers.replicas import claim
from lab_helpers.twin.controllers.rollouts import (
    DESIRED,
    HASH_LABEL,
    MAX,
    REVISION,
    REVISION_HISTORY,
    bounds,
    copied_annotations,
    proportions,
    replicas,
    revision,
    same_template,
)
from lab_helpers.twin.controllers.templates import template_hash
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["Deployments"]

COMPONENT = "deployment-controller"


class Deployments(Controller):
    """Keeps one ReplicaSet per revision and moves pods from the old ones to the new one."""

    name = COMPONENT
    primary = "deployments.apps"
    watches = frozenset({"deployments.apps", "replicasets.apps", "pods"})

    def observe(self, change: Change) -> None:
        """A Deployment, a ReplicaSet of one, or the end of a pod (Recreate waits for it)."""
        resource = change.key.resource
        if resource == self.primary:
            self.enqueue(change.key)
        elif resource == "replicasets.apps":
            self.enqueue_controller(change.object, "Deployment", self.primary)
        elif change.type == "DELETED":
            for reference in change.object["metadata"].get("ownerReferences") or ():
                if reference["kind"] == "ReplicaSet":
                    owner = self.registry.find("replicasets.apps", reference["name"], change.key.namespace)
                    if owner is not None:
                        self.enqueue_controller(owner, "Deployment", self.primary)

    def reconcile(self, key: Key) -> None:
        """One step of the rollout, then the status."""
        deployment = self.registry.find(self.primary, key.name, key.namespace)
        if deployment is None:
            return
        sets = claim(self.registry, self.indexes, "replicasets.apps", deployment)
        sets.sort(key=lambda item: (item["metadata"]["creationTimestamp"], revision(item)))
        new = next(
            (item for item in sets if same_template(item["spec"]["template"], deployment["spec"]["template"])), None
        )
        old = [item for item in sets if new is None or item["metadata"]["uid"] != new["metadata"]["uid"]]
        created = False
        if not deployment["metadata"].get("deletionTimestamp"):
            if deployment["spec"].get("paused"):
                new, old = self._scale_proportionally(deployment, new, old)
            else:
                new, old, created = self._roll(deployment, new, old)
        self._write(key, new, old, created=created)

    def _roll(
        self, deployment: Object, new: Object | None, old: list[Object]
    ) -> tuple[Object | None, list[Object], bool]:
        recreate = (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"
        if recreate:
            old = [self._scale(deployment, item, 0) for item in old]
            if any(is_active(pod) or pod["metadata"].get("deletionTimestamp") for pod in self._pods(old)):
                return new, old, False
        elif self._scaling(deployment, [*old, *([new] if new else [])]):
            new, old = self._scale_proportionally(deployment, new, old)
        created = new is None
        new = self._current(deployment, new, old)
        if recreate:
            new = self._scale(deployment, new, replicas(deployment))
        else:
            new = self._scale_up(deployment, new, old)
            old = self._scale_down(deployment, new, old)
        return new, self._clean(deployment, new, old), created

    def _pods(self, sets: list[Object]) -> list[Object]:
        return [pod for item in sets for pod in self.indexes.owned(item["metadata"]["uid"], "pods")]

    # --- the ReplicaSet of the current template ---

    def _current(self, deployment: Object, new: Object | None, old: list[Object]) -> Object:
        newest = max((revision(item) for item in old), default=0)
        if new is None:
            new = self._create(deployment, old, newest + 1)
        elif revision(new) < newest:
            draft = copy.deepcopy(new)
            annotations = draft["metadata"].setdefault("annotations", {})
            history = [entry for entry in (annotations.get(REVISION_HISTORY), annotations.get(REVISION)) if entry]
            annotations.update(copied_annotations(deployment))
            annotations[REVISION_HISTORY] = ",".join(history)
            annotations[REVISION] = str(newest + 1)
            new = self.registry.update("replicasets.apps", draft)
        number = (new["metadata"].get("annotations") or {})[REVISION]
        if (deployment["metadata"].get("annotations") or {}).get(REVISION) != number:
            draft = self.registry.draft(
                self.primary, deployment["metadata"]["name"], deployment["metadata"]["namespace"]
            )
            draft["metadata"].setdefault("annotations", {})[REVISION] = number
            self.registry.update(self.primary, draft)
        return new

    def _create(self, deployment: Object, old: list[Object], number: int) -> Object:
        spec, metadata = deployment["spec"], deployment["metadata"]
        collisions = (deployment.get("status") or {}).get("collisionCount", 0)
        name = ""
        while not name or self.registry.find("replicasets.apps", name, metadata["namespace"]) is not None:
            digest = template_hash(spec["template"], collisions)
            name, collisions = f"{metadata['name']}-{digest}", collisions + 1
        template = copy.deepcopy(spec["template"])
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH_LABEL] = digest
        selector = copy.deepcopy(spec.get("selector") or {})
        selector.setdefault("matchLabels", {})[HASH_LABEL] = digest
        limits = bounds(deployment)
        wanted = replicas(deployment)
        room = wanted + limits.surge - sum(replicas(item) for item in old)
        size = wanted if (spec.get("strategy") or {}).get("type") == "Recreate" else max(min(wanted, room), 0)
        body = {
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": dict(labels),
                "annotations": {
                    **copied_annotations(deployment),
                    REVISION: str(number),
                    DESIRED: str(wanted),
                    MAX: str(wanted + limits.surge),
                },
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"replicas": size, "selector": selector, "template": template},
        }
        if spec.get("minReadySeconds"):
            body["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        new = self.registry.create("replicasets.apps", body, metadata["namespace"])
        if size:
            self._scaled_event(deployment, name, 0, size)
        return new

    # --- scaling ---

    def _scale(self, deployment: Object, item: Object, size: int) -> Object:
        """Set the size of a ReplicaSet and the annotations that remember the Deployment's."""
        wanted = replicas(deployment)
        notes = {DESIRED: str(wanted), MAX: str(wanted + bounds(deployment).surge)}
        before = replicas(item)
        annotations = item["metadata"].get("annotations") or {}
        if before == size and notes.items() <= annotations.items():
            return item
        draft = copy.deepcopy(item)
        draft["metadata"].setdefault("annotations", {}).update(notes)
        draft["spec"]["replicas"] = size
        changed = self.registry.update("replicasets.apps", draft)
        if before != size:
            self._scaled_event(deployment, item["metadata"]["name"], before, size)
        return changed

    def _scaled_event(self, deployment: Object, name: str, before: int, after: int) -> None:
        word = "up" if after > before else "down"
        message = f"Scaled {word} replica set {name} from {before} to {after}"
        self.recorder.event(deployment, "ScalingReplicaSet", message, component=COMPONENT)

    def _scaling(self, deployment: Object, sets: list[Object]) -> bool:
        """The Deployment was scaled since its ReplicaSets were last touched."""
        wanted = str(replicas(deployment))
        noted = ((item["metadata"].get("annotations") or {}).get(DESIRED) for item in sets if replicas(item))
        return any(value is not None and value != wanted for value in noted)

    def _scale_proportionally(
        self, deployment: Object, new: Object | None, old: list[Object]
    ) -> tuple[Object | None, list[Object]]:
        sets = [*old, *([new] if new else [])]
        active = [item for item in sets if replicas(item)]
        wanted = replicas(deployment)
        if len(active) <= 1:
            target = active[0] if active else new
            if target is None:
                return new, old
            sizes = {target["metadata"]["name"]: wanted}
        else:
            sizes = proportions(active, wanted + bounds(deployment).surge if wanted else 0)
        scaled_sets = [
            self._scale(deployment, item, sizes.get(item["metadata"]["name"], replicas(item))) for item in sets
        ]
        return (scaled_sets[-1], scaled_sets[:-1]) if new else (None, scaled_sets)

    def _scale_up(self, deployment: Object, new: Object, old: list[Object]) -> Object:
        wanted, size = replicas(deployment), replicas(new)
        if size > wanted:
            return self._scale(deployment, new, wanted)
        total = size + sum(replicas(item) for item in old)
        room = wanted + bounds(deployment).surge - total
        return self._scale(deployment, new, min(wanted, size + max(room, 0)))

    def _scale_down(self, deployment: Object, new: Object, old: list[Object]) -> list[Object]:
        wanted, limits = replicas(deployment), bounds(deployment)
        minimum = wanted - limits.unavailable
        total = replicas(new) + sum(replicas(item) for item in old)
        spare = total - minimum - (replicas(new) - _available(new))
        result = []
        for item in old:  # oldest first: what cannot become healthy goes before what serves
            unhealthy = min(max(replicas(item) - _available(item), 0), max(spare, 0))
            spare -= unhealthy
            result.append(self._scale(deployment, item, replicas(item) - unhealthy) if unhealthy else item)
        serving = _available(new) + sum(_available(item) for item in result)
        spare = serving - minimum
        for position, item in enumerate(result):
            step = min(replicas(item), max(spare, 0))
            if step:
                spare -= step
                result[position] = self._scale(deployment, item, replicas(item) - step)
        return result

    def _clean(self, deployment: Object, new: Object, old: list[Object]) -> list[Object]:
        """Delete ReplicaSets beyond revisionHistoryLimit once the rollout is complete."""
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        status = new.get("status") or {}
        if status.get("availableReplicas", 0) < replicas(deployment) or len(old) <= limit:
            return old
        empty = [item for item in old if not replicas(item) and not (item.get("status") or {}).get("replicas")]
        surplus = sorted(empty, key=revision)[: len(old) - limit]
        names = {item["metadata"]["name"] for item in surplus}
        for name in names:
            self.registry.delete("replicasets.apps", name, deployment["metadata"]["namespace"])
        return [item for item in old if item["metadata"]["name"] not in names]

    def _write(self, key: Key, new: Object | None, old: list[Object], *, created: bool) -> None:
        deployment = self.registry.get(self.primary, key.name, key.namespace)
        status: dict[str, Any] = deployment_status(deployment, new, old, self.clock.now(), created=created)
        self.write_status(self.primary, deployment, status)
        wait = timed_out_in(deployment, status, self.clock.now())
        if wait is not None:
            self.enqueue(key, wait)


def _available(item: Object) -> int:
    return int((item.get("status") or {}).get("availableReplicas", 0))
