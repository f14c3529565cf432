"""Probes: what the caller experienced, and the flows that belong to it."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from lab_helpers.course.api import Executed
from lab_helpers.course.errors import ProbeError
from lab_helpers.course.observing import Observation
from lab_helpers.course.probing import Probe, Prober, classify
from lab_helpers.course.workloads import PodRef, Workload, running_pod
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.views.verdicts import Outcome
from tests.course.fakes import SILENT, FakeApi, FakeFlows, deployment_pods, pod

FRONTEND = Workload("shop", "frontend")
POD = PodRef("shop", "frontend-1", "10.0.1.9", "node-1")


def flow(number: int) -> flow_pb2.Flow:
    return flow_pb2.Flow(uuid=f"u{number}", time=Timestamp(seconds=number), verdict=flow_pb2.FORWARDED)


KAFKA = "org.apache.kafka.common.errors."


@pytest.mark.parametrize(
    ("program", "said", "outcome"),
    [
        (
            "producer",
            f"{KAFKA}TopicAuthorizationException: Not authorized to access topics: [x]",
            Outcome.NOT_AUTHORIZED,
        ),
        ("producer", f"{KAFKA}TimeoutException: Topic x not present in metadata after 3000 ms.", Outcome.TIMEOUT),
        ("consumer", f"{KAFKA}TimeoutException\nProcessed a total of 0 messages", Outcome.TIMEOUT),
        ("consumer", f"lamp\n{KAFKA}TimeoutException\nProcessed a total of 1 messages", Outcome.ANSWERED),
        ("producer", "", Outcome.ANSWERED),
    ],
)
def test_console_clients_of_kafka_end_with_0_whatever_happened(program: str, said: str, outcome: Outcome) -> None:
    command = f"echo x | /opt/kafka/bin/kafka-console-{program}.sh --topic x"
    assert classify(command, Executed(0, "", said, 0.1)) is outcome


@pytest.mark.parametrize(
    ("command", "code", "stdout", "stderr", "outcome"),
    [
        ("curl -s http://x", 0, "[]", "", Outcome.ANSWERED),
        ("curl -s -w '%{http_code}' http://x", 0, "200", "", Outcome.ANSWERED),
        ("curl -s -w '%{http_code}' http://x", 0, "403", "", Outcome.FORBIDDEN),
        ("curl -s http://x", 0, "Access denied\r\n", "", Outcome.FORBIDDEN),
        ("curl -s http://x", 0, '{"number": 1403}', "", Outcome.ANSWERED),
        ("curl -s http://x", 28, "", "", Outcome.TIMEOUT),
        ("curl -s http://x", 7, "", "", Outcome.REFUSED),
        ("curl -s http://x", 6, "", "", Outcome.NO_NAME),
        ("curl -s http://x", 35, "", "", Outcome.FAILED),
        ("nc -z -w 2 redis 6379", 0, "", "", Outcome.ANSWERED),
        ("nc -z -w 2 redis 6379", 1, "", "", Outcome.TIMEOUT),
        ("nc -zv redis 6379", 1, "", "nc: connect to redis port 6379 (tcp) timed out", Outcome.TIMEOUT),
        ("nc -zv redis 6379", 1, "", "Connection refused", Outcome.REFUSED),
        ("nc -zv nowhere 6379", 1, "", "nc: bad address 'nowhere'", Outcome.NO_NAME),
        ("ping -c 1 x", 1, "1 packets transmitted, 0 received, 100% packet loss", "", Outcome.TIMEOUT),
        ("wget -qO- http://x", 1, "", "wget: download timed out", Outcome.TIMEOUT),
        ("wget -qO- http://x", 1, "", "wget: server returned error: HTTP/1.1 403 Forbidden", Outcome.FORBIDDEN),
        ("nslookup x", 1, "", "** server can't find x: NXDOMAIN", Outcome.NO_NAME),
        ("timeout 3 curl -s http://x", 28, "", "", Outcome.TIMEOUT),
        ("ls /nowhere", 1, "", "No such file", Outcome.FAILED),
    ],
)
def test_outcomes(command: str, code: int, stdout: str, stderr: str, outcome: Outcome) -> None:
    assert classify(command, Executed(code, stdout, stderr, 0.1)) is outcome


def test_a_workload_is_one_of_its_ready_pods() -> None:
    api = FakeApi().put(
        pod("frontend-9-old", "shop", "frontend-9", ready=False),
        *deployment_pods("shop", "frontend"),
        *deployment_pods("shop", "frontend-canary"),
    )
    assert running_pod(api, FRONTEND).name == "frontend-1a2b-0"
    assert running_pod(api, Workload("shop", "frontend-canary")).name == "frontend-canary-1a2b-0"


def test_without_a_ready_pod_the_error_says_in_which_state_they_are() -> None:
    api = FakeApi().put(pod("frontend-1-a", "shop", "frontend-1", ready=False))
    with pytest.raises(ProbeError, match="frontend-1-a is Pending"):
        running_pod(api, FRONTEND)
    with pytest.raises(ProbeError, match=r"there is no pod of shop/redis[\s\S]*lab.reset"):
        running_pod(api, Workload("shop", "redis"))


@pytest.mark.parametrize("text", ["frontend", "shop/", "/x", "a/b/c", ""])
def test_a_workload_needs_a_namespace(text: str) -> None:
    with pytest.raises(ProbeError, match="names no workload"):
        Workload.parse(text)


def test_a_denial_is_a_value() -> None:
    api = FakeApi(lambda _pod, _command: SILENT).put(*deployment_pods("shop", "frontend"))
    attempt = Prober(api).run(Probe(FRONTEND, "curl -s http://backend"))
    assert attempt.outcome is Outcome.TIMEOUT
    assert attempt.exit_code == 28
    assert attempt.pod == "frontend-1a2b-0"


def test_addresses_of_pods_are_filled_in() -> None:
    here, there = deployment_pods("shop", "backend", 2)
    there["spec"]["nodeName"], there["status"]["podIP"] = "node-2", "10.0.2.9"
    api = FakeApi().put(*deployment_pods("shop", "frontend"), here, there)
    prober = Prober(api)
    assert prober.run(Probe(FRONTEND, "curl {ip:shop/backend}")).command == "curl 10.0.1.9"
    assert prober.run(Probe(FRONTEND, "curl {ip:shop/backend@elsewhere}")).command == "curl 10.0.2.9"
    nowhere = prober.run(Probe(FRONTEND, "curl {ip:shop/frontend@elsewhere}"))
    assert nowhere.outcome is Outcome.NOT_RUN
    assert "on another node than node-1" in nowhere.note


def test_a_pod_that_is_not_there_is_a_value_too() -> None:
    attempt = Prober(FakeApi()).run(Probe(FRONTEND, "curl x"))
    assert attempt.outcome is Outcome.NOT_RUN
    assert "● could not be tried" in attempt.text()
    assert "there is no pod of shop/frontend" in attempt.text()


def test_many_probes_come_back_in_order() -> None:
    api = FakeApi(lambda _pod, command: Executed(0, command, "", 0.0)).put(*deployment_pods("shop", "frontend"))
    attempts = Prober(api).run_all([Probe(FRONTEND, f"echo {number}") for number in range(9)])
    assert [attempt.output for attempt in attempts] == [f"echo {number}" for number in range(9)]


def test_an_observation_has_the_new_flows_only() -> None:
    source = FakeFlows([flow(1), flow(2)], [flow(2 + 1), flow(4)])
    observation = Observation.begin(source, POD)
    rows, note = observation.end()
    assert [row.uuid for row in rows] == ["u3", "u4"]
    assert note == ""
    assert source.requests[-1].since.seconds == 2
    assert [list(item.source_pod) or list(item.destination_pod) for item in source.requests[0].whitelist] == [
        ["shop/frontend-1"],
        ["shop/frontend-1"],
    ]


def test_an_unreachable_hubble_is_a_note() -> None:
    class Broken:
        def flows(self, request: object) -> list[flow_pb2.Flow]:
            raise ConnectionError("relay is down")

    rows, note = Observation.begin(Broken(), POD).end()
    assert rows == ()
    assert note == "No flows to show: relay is down"
