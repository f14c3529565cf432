"""What is not ours, what broke, what was interrupted: kind goes on from there, or says what to do. No engine needed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from lab_helpers.clusters import Cluster, ClusterError, NotRunning, connect
from lab_helpers.clusters.connecting import up_kind
from lab_helpers.clusters.kind import KindError, remove
from lab_helpers.clusters.kind.corefiles import with_zones
from lab_helpers.clusters.kind.describing import describe
from lab_helpers.clusters.kind.errors import NotOurs
from lab_helpers.clusters.kind.ledgers import Ledger
from lab_helpers.clusters.kind.outside_containers import OutsideContainer
from lab_helpers.clusters.kind.steps import Lines

NODES = ["cilium-labs-control-plane", "cilium-labs-worker", "cilium-labs-worker2"]
QUIET = Lines(lambda _line: None)


def _foreign(machine) -> list[dict[str, object]]:  # type: ignore[no-untyped-def]
    label = ["io.x-k8s.kind.cluster=cilium-labs"]
    one = {"id": "e" * 64, "name": NODES[0], "network": "kind", "labels": label, "state": "running"}
    machine.put(containers=[one])
    return [one]


def test_a_cluster_of_that_name_that_is_not_ours_is_left_alone(quick) -> None:  # type: ignore[no-untyped-def]
    foreign = _foreign(quick)
    with pytest.raises(NotOurs, match="was not made from here"):
        quick.cluster().up("1.20.2")
    assert quick.state["containers"] == foreign
    assert remove(quick.home, QUIET, quick.environ) == []
    assert quick.state["containers"] == foreign


def test_ours_was_replaced_behind_our_back(quick) -> None:  # type: ignore[no-untyped-def]
    quick.cluster().up("1.20.2")
    foreign = _foreign(quick)
    with pytest.raises(NotOurs):
        quick.cluster().up("1.20.2")
    remove(quick.home, QUIET, quick.environ)
    assert quick.state["containers"] == foreign


def test_a_container_named_like_the_outside_is_left_alone(quick) -> None:  # type: ignore[no-untyped-def]
    one = {"id": "d" * 64, "name": "cilium-labs-outside", "network": "bridge", "labels": [], "state": "running"}
    quick.put(containers=[one])
    with pytest.raises(NotOurs, match="not made by cilium-labs"):
        quick.cluster().up("1.20.2")
    assert one in quick.state["containers"]


def test_stopped_nodes_and_a_lost_outside_are_repaired(quick) -> None:  # type: ignore[no-untyped-def]
    quick.cluster().up("1.20.2")
    containers = [one for one in quick.state["containers"] if one["name"] != "cilium-labs-outside"]
    containers[1]["state"] = "exited"
    quick.put(containers=containers, routes={})
    quick.cluster().up("1.20.2")
    assert all(one["state"] == "running" for one in quick.state["containers"])
    assert quick.containers == [*NODES, "cilium-labs-outside"]
    assert len(quick.state["routes"]) == 9
    assert len(quick.calls("kind", "create")) == 1


def test_an_api_server_that_comes_up_late_or_never(quick, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    waited: list[float] = []
    answers = iter([False, False, False])
    monkeypatch.setattr(Cluster, "reachable", lambda _self: next(answers, True))
    cluster = quick.cluster()
    cluster.sleep = waited.append
    cluster.up("1.20.2")
    assert waited == [1.0, 1.0]
    monkeypatch.setattr(Cluster, "reachable", lambda _self: False)
    with pytest.raises(KindError, match="the API server does not answer"):
        cluster.up("1.20.2")


def test_a_cluster_that_lost_a_node_is_made_anew(quick) -> None:  # type: ignore[no-untyped-def]
    quick.cluster().up("1.20.2")
    quick.put(containers=[one for one in quick.state["containers"] if one["name"] != NODES[2]])
    quick.cluster().up("1.20.2")
    assert sorted(quick.containers) == sorted([*NODES, "cilium-labs-outside"])
    assert len(quick.calls("kind", "create")) == 2
    assert remove(quick.home, QUIET, quick.environ) == [*NODES, "cilium-labs-outside", "network kind"]


FAILURES = [
    ("no-daemon", "does not answer", "docker"),
    ("permission", "may not use the container engine", "usermod -aG docker"),
    ("little-memory", "three nodes with Cilium need 3.5 GiB", "more memory"),
    ("pull", "an image could not be downloaded", "CILIUM_LABS_BUNDLE"),
    ("half", "Kubernetes did not start in the node", "too little memory"),
    ("memory", "there was not enough memory", "more memory"),
    ("outside-silent", "the outside does not answer: .*Operation not permitted", "makes it anew"),
    ("helm", "did not become ready in time", "kubectl -n kube-system get pods"),
    ("helm-offline", "could not be reached", "CILIUM_LABS_BUNDLE"),
]


@pytest.mark.parametrize(("way", "meaning", "cure"), FAILURES, ids=[way for way, _, _ in FAILURES])
def test_known_failures_are_said_with_their_cure_and_repaired_by_the_next_up(
    quick, monkeypatch: pytest.MonkeyPatch, way: str, meaning: str, cure: str
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(OutsideContainer.wait, "__defaults__", (1,))
    quick.fail(way)
    with pytest.raises(KindError) as caught:
        quick.cluster().up("1.20.2", with_cilium=True)
    text = str(caught.value)
    assert re.search(meaning, text), text
    assert cure in caught.value.try_, text
    assert "where: " in text
    assert "Traceback" not in text
    quick.fail()
    quick.cluster().up("1.20.2", with_cilium=True)
    assert quick.containers == [*NODES, "cilium-labs-outside"]
    assert remove(quick.home, QUIET, quick.environ) == [*NODES, "cilium-labs-outside", "network kind"]


def test_down_needs_the_engine_and_forgets_nothing_without_it(quick) -> None:  # type: ignore[no-untyped-def]
    quick.cluster().up("1.20.2")
    quick.fail("no-daemon")
    with pytest.raises(ClusterError, match="does not answer"):
        remove(quick.home, QUIET, quick.environ)
    assert Ledger(quick.home).read() is not None
    assert describe(quick.home, quick.environ)["engine"].startswith("docker: the container engine does not answer")


def cli(machine, *words: str) -> subprocess.CompletedProcess[str]:  # type: ignore[no-untyped-def]
    command = [sys.executable, "-m", "lab_helpers.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=machine.environ, check=False)


@pytest.mark.skipif(os.name != "posix", reason="SIGINT to another process is POSIX")
def test_ctrl_c_in_the_middle_then_up_again_then_down(machine) -> None:  # type: ignore[no-untyped-def]
    machine.fail("hang")
    command = [sys.executable, "-m", "lab_helpers.cli", "up", "--backend", "kind"]
    process = subprocess.Popen(command, env=machine.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    mark = machine.folder / "hanging"
    deadline = time.monotonic() + 120
    while not (mark.exists() and mark.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "✖ the cluster" in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text(encoding="utf-8")), 0)
    assert Ledger(machine.home).read().state == "creating"  # type: ignore[union-attr]
    assert machine.containers == NODES[:1], "half made"
    machine.fail()
    done = cli(machine, "up", "--backend", "kind")
    assert done.returncode == 0, done.stderr
    assert "kind cluster cilium-labs is up" in done.stdout
    assert "--with-cilium" in done.stdout
    assert machine.containers == [*NODES, "cilium-labs-outside"]
    status = cli(machine, "status", "-o", "json")
    facts = json.loads(status.stdout)
    assert (facts["backend"], facts["containers"]) == ("kind", "3/3 running (made)")
    assert facts["outside"] == "example.com, example.org, stripe.com at 172.18.0.5"
    down = cli(machine, "down")
    assert down.returncode == 0, down.stderr
    assert f"Removed: {', '.join(NODES)}, cilium-labs-outside, network kind." in down.stdout
    assert machine.containers == []


def test_an_interrupted_up_is_known_to_down(machine) -> None:  # type: ignore[no-untyped-def]
    machine.fail("half")
    with pytest.raises(KindError):
        up_kind(machine.home)
    with pytest.raises(NotRunning, match="not whole"):
        connect(machine.home)
    machine.fail()
    done = cli(machine, "down")
    assert f"Removed: {NODES[0]}, network kind." in done.stdout
    assert machine.state["containers"] == []


def test_doctor_looks_at_everything(machine) -> None:  # type: ignore[no-untyped-def]
    done = cli(machine, "doctor", "--backend", "kind")
    for word in ("docker 28.2.2", "cgroup v2", "16.0 GiB of memory", "kind 0.33.0", "helm 3.19.3", "kubectl 9.9.9"):
        assert word in done.stdout, done.stdout
    machine.fail("no-daemon")
    done = cli(machine, "doctor", "--backend", "kind")
    assert done.returncode == 1
    assert "BAD  docker: the container engine does not answer" in done.stdout
    assert "cure: " in done.stdout


def test_zones_are_put_in_replaced_and_taken_out() -> None:
    first = with_zones(".:53 {\n}\n", ["stripe.com"], "172.18.0.5")
    assert "stripe.com:53 {" in first
    second = with_zones(first, ["stripe.com", "example.com"], "172.18.0.9")
    assert "172.18.0.5" not in second
    assert second.count(":53 {") == 3
    assert with_zones(second, [], "").strip() == ".:53 {\n}"
