"""How far a rollout is, in kubectl's sentences (kubectl pkg/polymorphichelpers/rollout_status.go)."""

from typing import Any

from lab_helpers.tools.kubectl.errors import KubectlError

Body = dict[str, Any]


def rollout_state(kind: str, body: Body, revision: int = 0) -> tuple[str, bool]:
    """A line and whether the rollout is done. Raises KubectlError when it failed or rolls out another revision."""
    if kind == "Deployment":
        return _deployment(body, revision)
    return _daemonset(body) if kind == "DaemonSet" else _statefulset(body)


def _deployment(body: Body, revision: int) -> tuple[str, bool]:
    meta, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    name = meta["name"]
    if revision:
        current = int((meta.get("annotations") or {}).get("deployment.kubernetes.io/revision") or 0)
        if revision != current:
            raise KubectlError(f"desired revision ({revision}) is different from the running revision ({current})")
    if meta.get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for deployment spec update to be observed...\n", False
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise KubectlError(f'deployment "{name}" exceeded its progress deadline')
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    if updated < wanted:
        text = (
            f'Waiting for deployment "{name}" rollout to finish: {updated} out of {wanted} new replicas have been '
            "updated...\n"
        )
        return text, False
    total, available = status.get("replicas", 0), status.get("availableReplicas", 0)
    if total > updated:
        text = (
            f'Waiting for deployment "{name}" rollout to finish: {total - updated} old replicas are pending '
            "termination...\n"
        )
        return text, False
    if available < updated:
        text = (
            f'Waiting for deployment "{name}" rollout to finish: {available} of {updated} updated replicas are '
            "available...\n"
        )
        return text, False
    return f'deployment "{name}" successfully rolled out\n', True


def _daemonset(body: Body) -> tuple[str, bool]:
    meta, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    name = meta["name"]
    if (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") != "RollingUpdate":
        raise KubectlError("rollout status is only available for RollingUpdate strategy type")
    if meta.get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for daemon set spec update to be observed...\n", False
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if updated < wanted:
        text = (
            f'Waiting for daemon set "{name}" rollout to finish: {updated} out of {wanted} new pods have been '
            "updated...\n"
        )
        return text, False
    if available < wanted:
        text = (
            f'Waiting for daemon set "{name}" rollout to finish: {available} of {wanted} updated pods are '
            "available...\n"
        )
        return text, False
    return f'daemon set "{name}" successfully rolled out\n', True


def _statefulset(body: Body) -> tuple[str, bool]:
    meta, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        raise KubectlError("rollout status is only available for RollingUpdate strategy type")
    if not status.get("observedGeneration") or meta.get("generation", 0) > status["observedGeneration"]:
        return "Waiting for statefulset spec update to be observed...\n", False
    wanted, ready, updated = spec.get("replicas", 1), status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    if ready < wanted:
        return f"Waiting for {wanted - ready} pods to be ready...\n", False
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    if partition:
        if updated < wanted - partition:
            text = (
                f"Waiting for partitioned roll out to finish: {updated} out of {wanted - partition} new pods have "
                "been updated...\n"
            )
            return text, False
        return f"partitioned roll out complete: {updated} new pods have been updated...\n", True
    if status.get("updateRevision") != status.get("currentRevision"):
        text = (
            f"waiting for statefulset rolling update to complete {updated} pods at revision "
            f"{status.get('updateRevision')}...\n"
        )
        return text, False
    text = (
        f"statefulset rolling update complete {status.get('currentReplicas', 0)} pods at revision "
        f"{status.get('currentRevision')}...\n"
    )
    return text, True
