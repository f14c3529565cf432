"""Checks probe behaviour and come back as values with evidence and the hint that fits."""

from __future__ import annotations

import dataclasses

import pytest

from lab_helpers.course import observing
from lab_helpers.course.api import Executed
from lab_helpers.course.checking import check_task, evaluate
from lab_helpers.course.probing import Probe
from lab_helpers.course.tasks import (
    Diagnosis,
    FlowCheck,
    HistoryCheck,
    ObjectCheck,
    OutputCheck,
    ProbeCheck,
    Task,
    TaskKind,
)
from lab_helpers.course.workloads import Workload
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.views.verdicts import Outcome
from tests.course.fakes import ANSWERED, SILENT, FakeApi, FakeFlows, deployment_pods

FRONTEND = Probe(Workload("shop", "frontend"), "curl a")
INTRUDER = Probe(Workload("dev", "intruder"), "curl a")
ALLOW = ProbeCheck("allow", "the frontend gets in", "the frontend is cut", FRONTEND, (Outcome.ANSWERED,))
DENY = ProbeCheck("deny", "the intruder does not", "the intruder gets in", INTRUDER, (Outcome.TIMEOUT,))
PORT = ObjectCheck(
    "", "", "", "CiliumNetworkPolicy", "shop", fields=(("spec.ingress[*].toPorts[*].ports[*].port", "80"),)
)
TASK = Task(
    "t", "Only the frontend", TaskKind.MANIFEST, "", "", "", (), (ALLOW, DENY),
    (Diagnosis("service-port", "that is the Service's port", frozenset({"allow"}), frozenset(), (PORT,)),),
)  # fmt: skip


def cluster(*, frontend: Executed = ANSWERED, intruder: Executed = SILENT) -> FakeApi:
    api = FakeApi(lambda pod, _command: frontend if pod.startswith("shop/frontend") else intruder)
    return api.put(*deployment_pods("shop", "frontend"), *deployment_pods("dev", "intruder"))


def policy(port: str) -> dict[str, object]:
    spec = {"ingress": [{"toPorts": [{"ports": [{"port": port}]}]}]}
    return {"kind": "CiliumNetworkPolicy", "metadata": {"name": "p", "namespace": "shop"}, "spec": spec}


def test_passed() -> None:
    result = check_task(cluster(), None, TASK)
    assert result
    assert result.hint == ""
    assert "✔ passed: Only the frontend" in result.text()


def test_failed_with_the_hint_of_the_failed_check() -> None:
    result = check_task(cluster(intruder=ANSWERED), None, TASK)
    assert not result
    assert result.hinted == "deny"
    assert "✖ the intruder does not: dev/intruder got: answered (200)" in result.text()
    assert "not passed yet" in result.html()


def test_a_diagnosis_needs_its_checks_and_objects() -> None:
    api = cluster(frontend=SILENT)
    assert check_task(api.put(policy("8080")), None, TASK).hinted == "allow"
    assert check_task(api.put(policy("80")), None, TASK).hinted == "service-port"


def test_a_missing_pod_is_evidence_not_an_exception() -> None:
    result = check_task(FakeApi(), None, TASK)
    assert not result
    assert "there is no pod of shop/frontend" in result.evidence[0].found


def test_a_probe_everywhere_must_succeed_in_each_pod() -> None:
    everywhere = dataclasses.replace(ALLOW, everywhere=True)
    pods = deployment_pods("shop", "frontend", 3)
    api = FakeApi(lambda pod, _command: SILENT if pod.endswith("-1") else ANSWERED).put(*pods)
    (evidence,) = evaluate(api, None, [everywhere])
    assert not evidence.passed
    assert evidence.found.startswith("2 of 3 pods; shop/frontend-1a2b-1 got:")
    assert evaluate(FakeApi().put(*pods), None, [everywhere])[0].found == "3 of 3 pods"
    assert "there is no pod" in evaluate(FakeApi(), None, [everywhere])[0].found


@pytest.mark.parametrize("patience", [5.0, 1e-9], ids=["quick", "slower than its patience"])
def test_a_failed_check_is_tried_again_while_the_answer_settles(patience: float) -> None:
    calls = []

    def decide(pod: str, _command: str) -> Executed:
        calls.append(pod)
        return ANSWERED if pod.startswith("shop/frontend") or len(calls) < 3 else SILENT

    api = FakeApi(decide).put(*deployment_pods("shop", "frontend"), *deployment_pods("dev", "intruder"))
    assert check_task(api, None, TASK, settling=patience)
    assert len(calls) == 4


def test_flows_are_compared_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "_PATIENCE", 0.0)
    dropped = flow_pb2.Flow(uuid="x", verdict=flow_pb2.DROPPED, traffic_direction=flow_pb2.INGRESS)
    check = FlowCheck("seen", "Hubble saw the drop", "", INTRUDER, {"verdict": "DROPPED", "direction": "INGRESS"})
    api = cluster()
    assert evaluate(api, FakeFlows([], [dropped]), [check])[0].passed
    other = FlowCheck("seen", "Hubble saw the drop", "", INTRUDER, {"verdict": "FORWARDED"})
    missing = evaluate(api, FakeFlows([], [dropped]), [other])[0]
    assert not missing.passed
    assert missing.found == "none of 1 flows has verdict FORWARDED"


def test_objects() -> None:
    api = FakeApi().put(policy("80"))

    def passed(**changes: object) -> bool:
        check = ObjectCheck("k", "s", "", **{"kind": "CiliumNetworkPolicy", "namespace": "shop", **changes})  # type: ignore[arg-type]
        return evaluate(api, None, [check])[0].passed

    assert passed()
    assert passed(name="p")
    assert not passed(name="q")
    assert passed(name="q", absent=True)
    assert not passed(absent=True)
    assert passed(every=True, fields=PORT.fields)
    api.put({**policy("81"), "metadata": {"name": "p2", "namespace": "shop"}})
    assert passed(fields=PORT.fields)
    assert not passed(every=True, fields=PORT.fields)


@pytest.mark.parametrize(
    ("output", "changes", "found"),
    [
        (None, {}, "run the task's cell first"),
        ("a\nb\n", {}, "2 lines"),
        ("", {}, "nothing was printed"),
        ("drop\npass\n", {"every": "drop"}, "this line does not belong there: pass"),
        ("drop\npass\n", {"never": "pass"}, "this line should not be there: pass"),
        ("drop\npass\n", {"some": "fail"}, "no line shows it"),
        ("drop\n", {"at_least": 2}, "1 lines"),
    ],
)
def test_what_a_command_printed(output: str | None, changes: dict[str, object], found: str) -> None:
    check = OutputCheck("k", "s", "", **changes)  # type: ignore[arg-type]
    evidence = evaluate(FakeApi(), None, [check], output)[0]
    assert found in evidence.found
    assert evidence.passed is (found == "2 lines")


def test_what_hubble_remembers() -> None:
    flows = FakeFlows([flow_pb2.Flow(), flow_pb2.Flow()])

    def passed(**limits: int) -> bool:
        check = HistoryCheck("k", "s", "", (("port", 6399),), **limits)
        return evaluate(FakeApi(), flows, [check])[0].passed

    assert passed(at_least=2)
    assert not passed(at_least=3)
    assert not passed(at_most=1)
    assert [list(item.source_port) or list(item.destination_port) for item in flows.requests[0].whitelist] == [
        ["6399"],
        ["6399"],
    ]
