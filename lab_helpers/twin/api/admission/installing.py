"""The admission chain: namespaces, defaults, what admission plug-ins add, allocation, validation; in this order."""

from __future__ import annotations

import copy

from lab_helpers.twin.api.admission.configuration import CONFIGURATION
from lab_helpers.twin.api.admission.defaults import DEFAULTS
from lab_helpers.twin.api.admission.names import (
    Rule,
    check_annotations,
    check_labels,
    dns_1035_label,
    dns_label,
    dns_subdomain,
    path_segment,
)
from lab_helpers.twin.api.admission.pod_defaults import complete_pod, priority_of
from lab_helpers.twin.api.admission.pods import check_ephemeral_update, check_pod_spec, check_pod_update
from lab_helpers.twin.api.admission.policies import check_network_policy
from lab_helpers.twin.api.admission.problems import Problems
from lab_helpers.twin.api.admission.services import ServiceAddresses, check_service
from lab_helpers.twin.api.admission.workloads import WORKLOADS
from lab_helpers.twin.objects.errors import StatusError, forbidden, not_found
from lab_helpers.twin.objects.registry import Operation, Registry

__all__ = ["Admission", "install_admissions"]

_IMMORTAL = ("default", "kube-system", "kube-public")
_NAME_RULES: dict[str, Rule] = {"namespaces": dns_label, "services": dns_1035_label}
_PATH_NAMES = ("rbac.authorization.k8s.io",)


def install_admissions(registry: Registry) -> None:
    """Add the steps to ``registry``, unless it has them already."""
    if not any(isinstance(getattr(step, "__self__", None), Admission) for step in registry.admissions):
        registry.admissions.insert(0, Admission(registry).step)


class Admission:
    """The built-in kinds' admission."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._addresses = ServiceAddresses(registry)

    def step(self, operation: Operation) -> None:
        """One write. Raises 403, 404 or 422 for what the real server refuses."""
        self._lifecycle(operation)
        if operation.verb == "delete" or operation.kind.custom:
            if operation.verb == "create":
                self._check_metadata(operation)
            return
        resource = operation.kind.resource
        if operation.subresource == "ephemeralcontainers":
            self._add_containers(operation)
            return
        if operation.subresource in ("", "finalize") and (fill := DEFAULTS.get(resource)) is not None:
            fill(operation.object)
        if operation.subresource:
            return
        if resource == "pods" and operation.verb == "create":
            self._complete_pod(operation)
        self._validate(operation)

    def _lifecycle(self, operation: Operation) -> None:
        """NamespaceLifecycle: nothing new in a namespace that is missing or ending, and some namespaces stay."""
        key = operation.key
        if operation.verb == "delete":
            if key.resource == "namespaces" and key.name in _IMMORTAL:
                raise forbidden("namespaces", key.name, "this namespace may not be deleted")
            return
        if operation.verb != "create" or not operation.kind.namespaced:
            return
        namespace = self._registry.find("namespaces", key.namespace)
        if namespace is None:
            raise not_found("namespaces", key.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {key.namespace} because it is being terminated"
            error = forbidden(key.resource, key.name, why)
            causes = [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {key.namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ]
            raise StatusError(error.code, error.reason, error.message, {**error.details, "causes": causes})

    def _complete_pod(self, operation: Operation) -> None:
        pod = operation.object
        spec, namespace = pod["spec"], pod["metadata"]["namespace"]
        name = spec.get("serviceAccountName") or "default"
        account = self._registry.find("serviceaccounts", name, namespace)
        if account is None and name != "default":
            why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden("pods", pod["metadata"]["name"], why)
        complete_pod(pod, account, self._priority(pod))

    def _add_containers(self, operation: Operation) -> None:
        """Only the ephemeral containers come from the caller."""
        pod, old = operation.object, operation.previous
        assert old is not None
        wanted = (pod.get("spec") or {}).get("ephemeralContainers") or []
        pod["spec"] = {**copy.deepcopy(old["spec"]), "ephemeralContainers": wanted}
        DEFAULTS["pods"](pod)
        problems = Problems()
        check_ephemeral_update(pod, old, problems)
        problems.raise_for(operation.kind, operation.key.name)

    def _priority(self, pod: dict[str, object]) -> tuple[str, int] | None:
        spec = pod["spec"]
        assert isinstance(spec, dict)
        name = spec.get("priorityClassName")
        if not name:
            return ("PreemptLowerPriority", 0)
        found = self._registry.find("priorityclasses.scheduling.k8s.io", name)
        if found is not None:
            return (found.get("preemptionPolicy", "PreemptLowerPriority"), found.get("value", 0))
        value = priority_of(spec)
        if value is None:
            metadata = pod["metadata"]
            assert isinstance(metadata, dict)
            raise forbidden("pods", metadata["name"], f"no PriorityClass with name {name} was found")
        return ("PreemptLowerPriority", value)

    def _check_metadata(self, operation: Operation) -> None:
        problems = Problems()
        _metadata(operation, problems)
        problems.raise_for(operation.kind, operation.key.name)

    def _validate(self, operation: Operation) -> None:
        problems = Problems()
        item, old, resource = operation.object, operation.previous, operation.kind.resource
        _metadata(operation, problems)
        if resource == "pods":
            if old is None:
                check_pod_spec(item["spec"], "spec", problems)
            elif item["spec"] != old["spec"]:
                check_pod_update(item, old, problems)
        elif resource == "services":
            self._addresses.allocate(item, old, problems)
            check_service(item, problems)
        elif resource == "networkpolicies.networking.k8s.io":
            check_network_policy(item, problems)
        elif (check := WORKLOADS.get(resource)) is not None:
            if old is None or item["spec"] != old["spec"]:
                check(item, old, problems)
        elif (other := CONFIGURATION.get(resource)) is not None:
            other(item, old, problems)
        problems.raise_for(operation.kind, operation.key.name)


def _metadata(operation: Operation, problems: Problems) -> None:
    metadata = operation.object["metadata"]
    if operation.verb == "create":
        name = metadata["name"]
        rule = _NAME_RULES.get(operation.kind.resource, dns_subdomain)
        if operation.kind.group in _PATH_NAMES:
            rule = path_segment
        for why in rule(name):
            problems.invalid("metadata.name", name, why)
    before = (operation.previous or {}).get("metadata") or {}
    added = sorted(set(metadata.get("finalizers") or ()) - set(before.get("finalizers") or ()))
    if before.get("deletionTimestamp") and added:
        found = "[]string{" + ", ".join(f'"{name}"' for name in added) + "}"
        why = f"no new finalizers can be added if the object is being deleted, found new finalizers {found}"
        problems.forbidden("metadata.finalizers", why)
    check_labels(metadata.get("labels") or {}, "metadata.labels", problems)
    check_annotations(metadata.get("annotations") or {}, "metadata.annotations", problems)
