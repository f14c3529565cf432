"""What cannot be read is said, and the rest stands."""

from __future__ import annotations

import pytest

from lab_helpers.clusters import ClusterError
from lab_helpers.clusters.errors import NotExecuted
from lab_helpers.policy.pod_labels import DEFAULT_FILTER
from lab_helpers.views.identities import reading
from lab_helpers.views.identities.snapshots import AgentIdentity

AGENT = {
    "kind": "Pod",
    "metadata": {"namespace": "kube-system", "name": "cilium-1", "labels": {"k8s-app": "cilium"}},
    "spec": {"nodeName": "worker"},
    "status": {"phase": "Running"},
}


def test_what_agents_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ask", lambda *_: [{"id": 16777217, "labels": ["cidr:192.0.2.0/24"]}])
    notes: list[str] = []
    found = list(reading._agents(None, [AGENT, {**AGENT, "status": {"phase": "Pending"}}], notes))  # type: ignore[arg-type]
    assert found == [AgentIdentity("worker", 16777217, ("cidr:192.0.2.0/24",))]
    assert notes == []


def test_big_clusters_are_not_asked_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ask", lambda *_: [{"id": 1, "labels": []}])
    notes: list[str] = []
    assert len(list(reading._agents(None, [AGENT] * 20, notes))) == 16  # type: ignore[arg-type]
    assert notes == ["Only 16 of 20 agents were asked for identities of addresses outside."]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotExecuted("no way into the pod: 403", status=403), "no right to exec into it"),
        (OSError("broken pipe\nmore"), "(broken pipe)"),
    ],
)
def test_agents_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, error: Exception, told: str) -> None:
    def ask(*_: object) -> None:
        raise error

    monkeypatch.setattr(reading, "_ask", ask)
    notes: list[str] = []
    assert list(reading._agents(None, [AGENT, AGENT], notes)) == []  # type: ignore[arg-type]
    assert len(notes) == 1
    assert told in notes[0]
    assert "`kubectl -n kube-system exec ds/cilium -- cilium-dbg identity list`" in notes[0]


def test_kinds_that_are_refused_or_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ClusterError("the cluster refused: forbidden")

    notes: list[str] = []
    monkeypatch.setattr(reading, "get_document", refuse)
    assert reading._listed(None, "/x", "ReplicaSet", notes) == []  # type: ignore[arg-type]
    assert notes == ["Objects of the kind ReplicaSet cannot be read: the cluster refused: forbidden"]
    assert reading._filter(None) is DEFAULT_FILTER  # type: ignore[arg-type]
    monkeypatch.setattr(reading, "get_document", lambda *_: None)
    assert reading._listed(None, "/x", "ReplicaSet", notes) == []  # type: ignore[arg-type]


def test_a_cluster_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        raise ClusterError("the cluster does not answer: timeout")

    monkeypatch.setattr(reading, "get_document", silent)
    with pytest.raises(ClusterError):
        reading._listed(None, "/x", "Node", [])  # type: ignore[arg-type]


def test_the_agents_filter_of_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "get_document", lambda *_: {"data": {"labels": "!team k8s:app"}})
    found = reading._filter(None)  # type: ignore[arg-type]
    assert not found.keeps("team")
    assert found.whitelist
