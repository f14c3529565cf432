"""The page of ``cilium status``: what is counted, listed and coloured."""

from __future__ import annotations

import datetime as dt

import pytest

from lab_helpers.tools.cilium.pages import page
from lab_helpers.tools.cilium.statuses import PodState, Problem, Status, complaints
from lab_helpers.tools.cilium.versions import image_version


def make_status() -> Status:
    status = Status()
    status.states = {
        "cilium": PodState("DaemonSet", 3, 3, 3, 0),
        "cilium-operator": PodState("Deployment", 1, 1, 1, 0),
    }
    status.disabled = {"cilium-envoy", "clustermesh-apiserver", "hubble-relay", "hubble-ui"}
    status.phases["cilium"] = {"Running": 3}
    status.phases["cilium-operator"] = {"Running": 1}
    status.images = {"cilium": {"quay.io/cilium/cilium:v1.20.2": 3}}
    status.managed, status.cluster_pods, status.chart = 2, 2, "1.20.2"
    return status


GOOD = r"""    /¯¯\
 /¯¯\__/¯¯\    Cilium:             OK
 \__/¯¯\__/    Operator:           OK
 /¯¯\__/¯¯\    Envoy DaemonSet:    disabled (using embedded mode)
 \__/¯¯\__/    Hubble Relay:       disabled
    \__/       ClusterMesh:        disabled

DaemonSet              cilium                   Desired: 3, Ready: 3/3, Available: 3/3
Deployment             cilium-operator          Desired: 1, Ready: 1/1, Available: 1/1
Containers:            cilium                   Running: 3
                       cilium-operator          Running: 1
                       clustermesh-apiserver    @
                       hubble-relay             @
Cluster Pods:          2/2 managed by Cilium
Helm chart version:    1.20.2
Image versions         cilium    quay.io/cilium/cilium:v1.20.2: 3
"""


def test_a_good_status() -> None:
    assert page(make_status(), colour=False) == GOOD.replace("@", "")


def test_errors_and_warnings_are_counted_and_listed() -> None:
    status = make_status()
    status.errors.append(Problem("cilium", "cilium", "1 pods of DaemonSet cilium are not ready"))
    status.warnings.append(Problem("cilium", "cilium-abcde", "pod is pending"))
    text = page(status, colour=False)
    assert "Cilium:             1 errors, 1 warnings\n" in text
    assert "Errors:                cilium    cilium          1 pods of DaemonSet cilium are not ready\n" in text
    assert "Warnings:              cilium    cilium-abcde    pod is pending\n" in text
    assert not status.complete


def test_colours_only_when_asked_for() -> None:
    assert "\033[" not in page(make_status(), colour=False)
    assert "\033[32mOK\033[0m" in page(make_status(), colour=True)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("quay.io/cilium/cilium:v1.20.2@sha256:abc", "1.20.2"),
        ("registry:5000/cilium:v1.19.8", "1.19.8"),
        ("cilium", ""),
    ],
)
def test_versions_of_images(image: str, version: str) -> None:
    assert image_version(image) == version


NOW = dt.datetime(2026, 1, 1, 12, 1, 5, tzinfo=dt.UTC)


def test_what_agents_say_of_themselves_counts() -> None:
    good = {"cilium": {"state": "Ok"}, "encryption": {"mode": "Disabled"}, "cluster": {"ciliumHealth": {"state": "Ok"}}}
    assert complaints(good, [{"status": {"state": "ready"}}], NOW) == ([], [])
    controller = {
        "name": "sync-to-k8s-ciliumendpoint (7)",
        "status": {
            "consecutive-failure-count": 3,
            "last-failure-msg": "forbidden",
            "last-failure-timestamp": "2026-01-01T12:00:00.000Z",
        },
    }
    bad = {
        "kubernetes": {"state": "Failure", "msg": "no answer"},
        "cluster": {"ciliumHealth": {"state": "Warning", "msg": "slow"}},
        "controllers": [controller],
    }
    errors, warnings = complaints(bad, [{"status": {"state": "regenerating"}}], NOW)
    assert errors == [
        "Kubernetes: no answer",
        "controller sync-to-k8s-ciliumendpoint (7) is failing since 1m5s (3x): forbidden",
    ]
    assert warnings == ["Health: slow", "1 endpoints are not ready"]
