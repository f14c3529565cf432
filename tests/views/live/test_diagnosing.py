"""Why there are no flows: asked of a real API server, that of a twin without Cilium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab_helpers.clusters import Cluster, Home, connect, start_twin
from lab_helpers.views.live.diagnosing import diagnose
from lab_helpers.views.live.statuses import CONNECTING, LIVE, State, Status


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    twin = start_twin(tmp_path_factory.mktemp("bare"))
    yield twin
    twin.down()


def put(cluster: Cluster, kind: str, name: str, **spec: Any) -> None:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
    body = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }
    from kubernetes import dynamic

    with cluster.api() as api:
        resource = dynamic.DynamicClient(api).resources.get(api_version="apps/v1", kind=kind)
        resource.server_side_apply(body=body, name=name, namespace="kube-system", field_manager="tests")


def test_what_is_missing_is_said_with_what_to_do(cluster: Cluster) -> None:
    def find() -> Cluster:
        return connect(Home(cluster.state_dir))

    found = diagnose(find)
    assert found == Status(State.NO_CILIUM, "Cilium is not installed on this cluster", "`cilium install --wait`")
    put(cluster, "DaemonSet", "cilium")
    assert diagnose(find) == Status(State.NO_HUBBLE, "Hubble Relay is not installed", "`cilium hubble enable`")
    put(cluster, "Deployment", "hubble-relay", replicas=0)
    assert diagnose(find).what == "Hubble Relay is scaled to 0"
    assert "scale deployment/hubble-relay --replicas=1" in diagnose(find).try_
    put(cluster, "Deployment", "hubble-relay", replicas=1)
    assert diagnose(find).what == "none of 1 pods of Hubble Relay is ready"
    cluster.down()
    assert diagnose(find) == Status(State.GONE, "the twin is not running (its state is kept)", "`cilium-labs up`")
    assert diagnose(lambda: cluster).state is State.GONE


@pytest.mark.parametrize("status", [LIVE, CONNECTING, Status(State.GONE, "it <left>", "`cilium-labs up`")])
def test_a_status_has_an_icon_a_word_and_both_forms(status: Status) -> None:
    assert status.state.value in status.text()
    assert status.state.tone.icon in status.html()
    assert "<left>" not in status.html()
    assert set(status.message()) == {"state", "icon", "mark", "word", "what", "try"}
