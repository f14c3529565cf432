"""What ``kubectl get`` prints: ages, selectors, rows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lab_helpers.twin.api.tables.formatting import human_duration, label_selector_text, more
from lab_helpers.twin.api.tables.json_paths import JsonPathError, find
from lab_helpers.twin.api.tables.rendering import printer_for
from lab_helpers.twin.objects.kinds import BUILTIN

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (330, "5m30s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (12000, "3h20m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (180000, "2d2h"),
        (691200, "8d"),
        (86400 * 800, "2y70d"),
        (86400 * 365 * 9, "9y"),
    ],
)
def test_human_duration(seconds, text):
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (None, "<none>"),
        ({}, "<none>"),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}, "a in (x,y)"),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a"),
    ],
)
def test_selectors(selector, text):
    assert label_selector_text(selector) == text


def test_long_lists_are_cut():
    assert more(["a", "b", "c", "d", "e"]) == "a,b,c + 2 more..."
    assert more([]) == "<unset>"


def pod(phase="Running", *containers, init=(), **metadata):
    return {
        "metadata": {"name": "p", **metadata},
        "spec": {
            "containers": [{"name": c["name"]} for c in containers],
            "initContainers": [{"name": c["name"]} for c in init],
        },
        "status": {"phase": phase, "containerStatuses": list(containers), "initContainerStatuses": list(init)},
    }


def container(state, ready=False, restarts=0, **last):
    return {"name": "c", "ready": ready, "restartCount": restarts, "state": state, "lastState": last}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (pod("Pending"), "Pending"),
        (pod("Running", container({"running": {}}, ready=True)), "Running"),
        (pod("Pending", container({"waiting": {"reason": "ImagePullBackOff"}})), "ImagePullBackOff"),
        (pod("Running", container({"waiting": {"reason": "CrashLoopBackOff"}})), "CrashLoopBackOff"),
        (pod("Succeeded", container({"terminated": {"reason": "Completed", "exitCode": 0}})), "Completed"),
        (pod("Failed", container({"terminated": {"exitCode": 3}})), "ExitCode:3"),
        (pod("Failed", container({"terminated": {"exitCode": 0, "signal": 9}})), "Signal:9"),
        (pod("Pending", init=(container({"running": {}}),)), "Init:0/1"),
        (pod("Pending", init=(container({"terminated": {"exitCode": 1, "reason": "Error"}}),)), "Init:Error"),
        (pod("Pending", init=(container({"waiting": {"reason": "ErrImagePull"}}),)), "Init:ErrImagePull"),
        (pod("Running", container({"running": {}}), deletionTimestamp="2026-01-01T00:00:00Z"), "Terminating"),
    ],
)
def test_status_of_a_pod(item, reason):
    assert printer_for("pods").cells(item, NOW)[2] == reason


def test_restarts_say_when():
    item = pod(
        "Running",
        container({"running": {}}, ready=True, restarts=2, terminated={"finishedAt": "2026-01-01T23:50:00Z"}),
    )
    assert printer_for("pods").cells(item, NOW)[1:4] == ["1/1", "Running", "2 (10m ago)"]


@pytest.mark.parametrize(
    ("resource", "item", "cells"),
    [
        (
            "services",
            {"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30000}]}},
            ["LoadBalancer", "10.0.0.1", "<pending>", "80:30000/TCP"],
        ),
        (
            "services",
            {"spec": {"type": "ExternalName", "externalName": "a.b"}},
            ["ExternalName", "<none>", "a.b", "<none>"],
        ),
        ("nodes", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, ["NotReady", "<none>"]),
        (
            "endpoints",
            {"subsets": [{"addresses": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}], "ports": [{"port": 80}]}]},
            ["1.1.1.1:80,1.1.1.2:80"],
        ),
        (
            "endpointslices.discovery.k8s.io",
            {"addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": [{"addresses": ["1.1.1.1"]}]},
            ["IPv4", "8080", "1.1.1.1"],
        ),
        ("jobs.batch", {"spec": {"completions": 1}, "status": {"succeeded": 1}}, ["Running", "1/1"]),
        ("networkpolicies.networking.k8s.io", {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}, ["a=b"]),
        ("configmaps", {"data": {"a": "b"}, "binaryData": {"c": "d"}}, [2]),
        ("daemonsets.apps", {"status": {"desiredNumberScheduled": 3, "numberReady": 2}}, [3, 0, 2, 0, 0, "<none>"]),
        ("leases.coordination.k8s.io", {"spec": {"holderIdentity": "me"}}, ["me"]),
    ],
)
def test_rows(resource, item, cells):
    metadata = {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}
    found = printer_for(resource).cells({"metadata": metadata, **item}, NOW)
    assert found[0] == "x"
    assert found[1 : 1 + len(cells)] == cells


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.resource)
def test_every_kind_prints_an_empty_object(kind):
    printer = printer_for(kind.stored_as or kind.resource)
    cells = printer.cells({"metadata": {"name": "x"}}, NOW)
    assert len(cells) == len(printer.columns)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        (".missing", []),
        (".list[0].n", ["x"]),
        (".list[*].n", ["x", "y"]),
        ('.list[?(@.n=="y")].v', [2]),
        (".list[?(@.n=='x')].v", [1]),
        (r".labels.io\.kubernetes\.pod", ["p"]),
        (".labels['io.kubernetes.pod']", ["p"]),
    ],
)
def test_json_paths(path, found):
    item = {"a": {"b": 1}, "list": [{"n": "x", "v": 1}, {"n": "y", "v": 2}], "labels": {"io.kubernetes.pod": "p"}}
    assert find(item, path) == found


def test_odd_json_paths_are_refused():
    with pytest.raises(JsonPathError):
        find({}, "..a[")
