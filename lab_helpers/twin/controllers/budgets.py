"""PodDisruptionBudgets: their counts (kubernetes pkg/controller/disruption). Evictions are not simulated."""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.controllers.controlling import Controller, key_of
from lab_helpers.twin.controllers.pods import condition, is_active, is_ready
from lab_helpers.twin.controllers.rollouts import scaled
from lab_helpers.twin.objects.selectors import matches_selector
from lab_helpers.twin.objects.storage import Change, Key

__all__ = ["DisruptionBudgets"]


class DisruptionBudgets(Controller):
    """Keeps ``status`` of each budget."""

    name = "disruption-controller"
    primary = "poddisruptionbudgets.policy"
    watches = frozenset({"poddisruptionbudgets.policy", "pods"})

    def observe(self, change: Change) -> None:
        """A budget, or a pod one of the namespace's budgets selects."""
        if change.key.resource == self.primary:
            self.enqueue(change.key)
            return
        labels = change.object["metadata"].get("labels") or {}
        for budget in self.registry.list(self.primary, change.key.namespace):
            if matches_selector(budget["spec"].get("selector"), labels):
                self.enqueue(key_of(self.primary, budget))

    def reconcile(self, key: Key) -> None:
        """Count healthy pods against the budget."""
        budget = self.registry.find(self.primary, key.name, key.namespace)
        if budget is None:
            return
        spec = budget["spec"]
        pods = [
            pod
            for pod in self.registry.list("pods", key.namespace)
            if is_active(pod) and matches_selector(spec.get("selector"), pod["metadata"].get("labels") or {})
        ]
        healthy = sum(is_ready(pod) for pod in pods)
        if spec.get("maxUnavailable") is not None:
            desired = max(len(pods) - scaled(spec["maxUnavailable"], len(pods), up=True, default=0), 0)
        else:
            desired = scaled(spec.get("minAvailable"), len(pods), up=True, default=1)
        allowed = max(healthy - desired, 0) if pods else 0
        reason = "SufficientPods" if allowed else "InsufficientPods"
        value = "True" if allowed else "False"
        before = condition(budget, "DisruptionAllowed")
        kept = before is not None and before["status"] == value
        status: dict[str, Any] = {
            "conditions": [
                {
                    "type": "DisruptionAllowed",
                    "status": value,
                    "observedGeneration": budget["metadata"]["generation"],
                    "lastTransitionTime": before["lastTransitionTime"]
                    if before is not None and kept
                    else self.clock.timestamp(),
                    "reason": reason,
                    "message": "",
                }
            ],
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": len(pods),
            "observedGeneration": budget["metadata"]["generation"],
        }
        self.write_status(self.primary, budget, status)
