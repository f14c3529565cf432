"""The page of ``cilium status``, the catalogue of connectivity tests, and JUnit."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab_helpers.tools.cilium.connectivity.actions import Action, Outcome, Place
from lab_helpers.tools.cilium.connectivity.catalogue import TESTS
from lab_helpers.tools.cilium.connectivity.reports import Result, write_junit
from lab_helpers.tools.cilium.pages import page
from lab_helpers.tools.cilium.statuses import PodState, Problem, Status
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
                       cilium-envoy             @
                       cilium-operator          Running: 1
                       clustermesh-apiserver    @
                       hubble-relay             @
                       hubble-ui                @
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


def test_names_are_unique_and_some_tests_are_decided() -> None:
    names = [test.name for test in TESTS]
    assert len(names) == len(set(names))
    assert names[0] == "no-policies"
    assert sum(bool(test.scenarios) for test in TESTS) == 22


def test_junit_has_a_case_for_each_test(tmp_path: Path) -> None:
    place = Place("client", "client-x", "cilium-test-1", "10.0.0.1")
    bad = Outcome(Action("no-policies/pod-to-pod/curl-ipv4-0: a -> b", place, ("curl",), True), "it failed")
    results = [Result(TESTS[0], (bad,), 1.0), Result(TESTS[1], (), 0.0, "skipped by condition")]
    write_junit(str(tmp_path / "junit.xml"), results)
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "1")
    assert suite[0][0].text == "no-policies/pod-to-pod/curl-ipv4-0: a -> b: it failed"
