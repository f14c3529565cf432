"""The registry's rules, without admission."""

from __future__ import annotations

import pytest

from lab_helpers.twin.clock import ManualClock
from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.kinds import Kinds
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Storage


@pytest.fixture
def registry():
    found = Registry(Storage(), Kinds(), ManualClock())
    yield found
    found.storage.close()


def make(registry, resource="configmaps", name="a", namespace="default", **body):
    return registry.create(resource, {"metadata": {"name": name, **body.pop("metadata", {})}, **body}, namespace)


def test_create_stamps_and_places(registry):
    item = make(registry)
    assert item["kind"] == "ConfigMap"
    assert item["metadata"]["namespace"] == "default"
    assert item["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    with pytest.raises(StatusError, match='configmaps "a" already exists'):
        make(registry)


def test_status_changes_only_through_its_subresource(registry):
    make(registry, "deployments.apps", spec={"replicas": 1}, status={"replicas": 9})
    draft = registry.draft("deployments.apps", "a", "default")
    assert "status" not in draft
    draft["spec"]["replicas"], draft["status"] = 2, {"replicas": 1}
    main = registry.update("deployments.apps", draft)
    assert (main["metadata"]["generation"], "status" in main) == (2, False)
    draft = registry.draft("deployments.apps", "a", "default")
    draft["spec"]["replicas"], draft["status"] = 3, {"replicas": 2}
    status = registry.update("deployments.apps", draft, subresource="status")
    assert (status["spec"]["replicas"], status["status"]["replicas"], status["metadata"]["generation"]) == (2, 2, 2)


def test_no_change_is_no_version(registry):
    item = make(registry)
    again = registry.update("configmaps", registry.draft("configmaps", "a", "default"))
    assert again["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"]


def test_stale_versions_conflict(registry):
    stale = registry.create("configmaps", {"metadata": {"name": "a"}}, "default")
    draft = registry.draft("configmaps", "a", "default")
    draft["data"] = {"k": "v"}
    registry.update("configmaps", draft)
    with pytest.raises(StatusError, match="the object has been modified"):
        registry.update("configmaps", {**stale, "data": {}})


def test_finalizers_hold_an_object(registry):
    make(registry, metadata={"finalizers": ["x/y"]})
    assert registry.delete("configmaps", "a", "default")["metadata"]["deletionTimestamp"]
    draft = registry.draft("configmaps", "a", "default")
    draft["metadata"]["finalizers"] = []
    registry.update("configmaps", draft)
    assert registry.find("configmaps", "a", "default") is None


def test_pods_on_nodes_end_gracefully(registry):
    make(registry, "pods", spec={"nodeName": "n", "terminationGracePeriodSeconds": 7})
    marked = registry.delete("pods", "a", "default")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 7
    registry.delete("pods", "a", "default", grace=0)
    assert registry.find("pods", "a", "default") is None
    make(registry, "pods", spec={})
    registry.delete("pods", "a", "default")
    assert registry.find("pods", "a", "default") is None


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
def test_propagation_is_a_finalizer(registry, policy, finalizer):
    make(registry)
    assert registry.delete("configmaps", "a", "default", propagation=policy)["metadata"]["finalizers"] == [finalizer]


def test_an_admission_step_can_change_and_refuse(registry):
    def step(operation):
        if operation.object["metadata"]["name"] == "bad":
            raise StatusError(403, "Forbidden", "no")
        operation.object["data"] = {"seen": operation.verb}

    registry.admissions.append(step)
    assert make(registry)["data"] == {"seen": "create"}
    with pytest.raises(StatusError, match="no"):
        make(registry, name="bad")
    assert registry.create("configmaps", {"metadata": {"name": "dry"}}, "default", dry_run=True)["data"]
    assert registry.find("configmaps", "dry", "default") is None
