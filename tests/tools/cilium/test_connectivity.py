"""The connectivity test's parts that need no cluster: catalogue, filters, features, expectations, flows, reports."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.tools.cilium.connectivity import expectations as expect
from lab_helpers.tools.cilium.connectivity.actions import Action, Outcome
from lab_helpers.tools.cilium.connectivity.catalogue import NAMES, build_tests
from lab_helpers.tools.cilium.connectivity.catalogue import Test as OneTest
from lab_helpers.tools.cilium.connectivity.examining import EXPECTED_DROPS, unexpected, wrong_lines
from lab_helpers.tools.cilium.connectivity.features import Features
from lab_helpers.tools.cilium.connectivity.flows import lacking, of_action
from lab_helpers.tools.cilium.connectivity.peers import Place, Target
from lab_helpers.tools.cilium.connectivity.reports import Result, report, write_junit
from lab_helpers.tools.cilium.connectivity.running import Filters
from lab_helpers.tools.cilium.connectivity.scenarios import POD_TO_CIDR, POD_TO_WORLD, Stage, pod_to_pod_with_endpoints
from lab_helpers.tools.cilium.connectivity.speaking import Speaker
from lab_helpers.tools.cilium.errors import CiliumError

FLAGS: dict[str, Any] = {
    "external-target": "one.one.one.one.",
    "external-cidr": "1.0.0.0/8",
    "external-ip": "1.1.1.1",
    "external-other-ip": "1.0.0.1",
    "connect-timeout": 2_000_000_000,
    "request-timeout": 10_000_000_000,
}
NAMESPACE = "cilium-test-1"


def place(workload: str, ip: str, **labels: str) -> Place:
    return Place(workload, f"{workload}-x", NAMESPACE, ip, {"name": workload, **labels}, "node-1", "172.18.0.3")


CLIENT = place("client", "10.0.0.1", kind="client")
CLIENT2 = place("client2", "10.0.0.2", kind="client", other="client")
ECHO = place("echo-same-node", "10.0.0.9", kind="echo", other="echo")
STAGE = Stage((CLIENT, CLIENT2), (ECHO,), (), {"node-1": "172.18.0.3"}, {}, FLAGS)
WEB = Target(f"{NAMESPACE}/{ECHO.name}", ECHO.ip, 8080, "", ECHO.labels, f"{NAMESPACE}/{ECHO.name}")


def action(expected: expect.Expect, target: Target = WEB, source: Place = CLIENT) -> Action:
    return Action("t/s/a: b -> c", source, target, ("curl",), expected)


# --- catalogue ---


def test_names_are_unique_and_most_tests_are_decided() -> None:
    tests = build_tests(FLAGS)
    assert [test.name for test in tests] == list(NAMES)
    assert len(set(NAMES)) == len(NAMES) == 95
    assert sum(test.decided for test in tests) == 48
    assert [test.name for test in tests if test.alone][-2:] == ["no-unexpected-packet-drops", "check-log-errors"]


def test_only_what_can_be_skipped_by_a_feature_or_is_decided_needs_one_that_is_known() -> None:
    known = Features({}, {"node-without-cilium": False, "multi-cluster": False, "--k8s-localhost-test": False})
    for test in build_tests(FLAGS):
        for feature in (*test.needs, *(need for scenario, _ in test.scenarios for need in scenario.needs)):
            known.enabled(feature)


@pytest.mark.parametrize(
    ("config", "needs", "reason"),
    [
        ({}, ("encryption-pod",), "Feature encryption-pod is disabled"),
        ({"enable-wireguard": "true"}, ("encryption-pod",), ""),
        ({}, ("l7-proxy",), ""),
        ({"enable-l7-proxy": "false"}, ("l7-proxy",), "Feature l7-proxy is disabled"),
        ({"kube-proxy-replacement": "true"}, ("kpr-nodeport",), ""),
        ({}, ("kpr-nodeport",), "Feature kpr-nodeport is disabled"),
        ({"policy-cidr-match-mode": "nodes"}, ("cidr-match-nodes",), ""),
    ],
)
def test_features_come_from_the_configuration(config: dict[str, str], needs: tuple[str, ...], reason: str) -> None:
    assert Features(config, {}).missing(needs) == reason


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], {"no-policies", "echo-ingress-l7", "to-fqdns"}),
        (["no-policies"], {"no-policies"}),
        (["!no-policies"], {"echo-ingress-l7", "to-fqdns"}),
        (["/pod-to-world"], {"no-policies", "to-fqdns"}),
        (["to-fqdns", "!/pod-to-world$"], {"to-fqdns"}),
        (["nothing"], set()),
    ],
)
def test_filters(words: list[str], asked: set[str]) -> None:
    filters = Filters(words)
    chosen = [test for test in build_tests(FLAGS) if test.name in ("no-policies", "echo-ingress-l7", "to-fqdns")]
    assert {test.name for test in chosen if not filters.skips(test)} == asked


def test_a_broken_filter_is_refused() -> None:
    with pytest.raises(CiliumError, match="error parsing regexp"):
        Filters(["("])


# --- scenarios and expectations ---


def test_endpoints_are_tried_with_and_without_the_secret() -> None:
    drafts = list(pod_to_pod_with_endpoints().drafts(STAGE))
    assert [draft.name for draft in drafts[:3]] == [
        "curl-ipv4-0-public",
        "curl-ipv4-0-private",
        "curl-ipv4-0-privatewith-header",
    ]
    assert drafts[2].command[-3:] == ("-H", "X-Very-Secret-Token: 42", "http://10.0.0.9:8080/private")
    assert [expect.with_token(CLIENT2, draft.target) for draft in drafts[:3]] == [
        expect.GET,
        expect.HTTP_ERROR,
        expect.GET,
    ]
    assert expect.with_token(CLIENT, drafts[0].target) == expect.DROP


def test_the_world_is_tried_by_name_and_by_address() -> None:
    drafts = list(POD_TO_WORLD.drafts(STAGE))
    assert [draft.name for draft in drafts[:3]] == [
        "http-to-one.one.one.one.-0",
        "https-to-one.one.one.one.-0",
        "https-to-one.one.one.one.-index-0",
    ]
    allowed = expect.get_of_the_index("one.one.one.one.")
    assert [allowed(CLIENT, draft.target).codes[0] for draft in drafts[:3]] == [0, 28, 28]
    assert {draft.target.address for draft in POD_TO_CIDR.drafts(STAGE)} == {"1.1.1.1", "1.0.0.1"}


# --- flows ---


def flow(port: int = 40000, *, dropped: bool = False, method: str = "", reverse: bool = False) -> flow_pb2.Flow:
    made = flow_pb2.Flow(verdict=flow_pb2.DROPPED if dropped else flow_pb2.FORWARDED)
    client, server = (made.destination, made.source) if reverse else (made.source, made.destination)
    client.namespace = server.namespace = NAMESPACE
    client.pod_name, server.pod_name = CLIENT.name, ECHO.name
    ports = (8080, port) if reverse else (port, 8080)
    made.l4.TCP.source_port, made.l4.TCP.destination_port = ports
    made.l4.TCP.flags.SYN = True
    if method:
        made.l7.http.method = method
    return made


def echo_request(source: Place, target: Place, *, kind: int = 8, dropped: bool = False) -> flow_pb2.Flow:
    made = flow_pb2.Flow(verdict=flow_pb2.DROPPED if dropped else flow_pb2.FORWARDED)
    made.source.namespace = made.destination.namespace = NAMESPACE
    made.source.pod_name, made.destination.pod_name = source.name, target.name
    made.IP.source, made.IP.destination = source.ip, target.ip
    made.l4.ICMPv4.type = kind
    return made


@pytest.mark.parametrize(
    ("expected", "flows", "lacks"),
    [
        (expect.OK, [flow()], []),
        (expect.OK, [], ["SYN not found"]),
        (expect.OK, [flow(), flow(dropped=True)], ["Found Drop flow: DROP_REASON_UNKNOWN"]),
        (expect.DROP, [flow(), flow(dropped=True)], []),
        (expect.DROP, [flow()], ["Drop not found"]),
        (expect.GET, [flow(), flow(method="GET")], []),
        (expect.GET, [flow()], ["HTTP GET not found"]),
    ],
)
def test_what_flows_lack(expected: expect.Expect, flows: list[flow_pb2.Flow], lacks: list[str]) -> None:
    assert lacking(action(expected), flows) == lacks


def test_a_connection_is_known_by_the_port_that_curl_told() -> None:
    mine, other, answer = flow(40000), flow(40001), flow(40000, reverse=True)
    said = "10.0.0.1:40000 -> 10.0.0.9:8080 = 200"
    assert of_action(action(expect.OK), said, [mine, other, answer]) == [mine, answer]
    assert of_action(action(expect.DROP), "", [mine, other]) == [mine, other]


def test_a_name_outside_is_looked_up() -> None:
    world = action(expect.DROP, Target("world-http", "one.one.one.one.", 80))
    drop, lookup = flow_pb2.Flow(verdict=flow_pb2.DROPPED), flow_pb2.Flow()
    for made in (drop, lookup):
        made.source.namespace, made.source.pod_name = NAMESPACE, CLIENT.name
    drop.l4.TCP.source_port, drop.l4.TCP.destination_port = 40000, 80
    lookup.l4.UDP.source_port, lookup.l4.UDP.destination_port = 50000, 53
    lookup.destination.namespace, lookup.destination.pod_name = "kube-system", "coredns-x"
    assert of_action(world, "", [drop, lookup]) == [drop, lookup]
    assert lacking(world, [drop, lookup]) == []
    assert lacking(world, [drop]) == ["DNS not found"]
    assert of_action(action(expect.OK), "", [lookup]) == []


def test_the_echo_request_of_the_other_direction_is_not_mine() -> None:
    ping = action(expect.OK, Target(CLIENT2.name, CLIENT2.ip), CLIENT)
    asked, answered = echo_request(CLIENT, CLIENT2), echo_request(CLIENT2, CLIENT, kind=0)
    theirs = echo_request(CLIENT2, CLIENT, dropped=True)
    assert of_action(ping, "", [asked, theirs, answered]) == [asked, answered]


# --- agents ---


def test_unexpected_drops() -> None:
    def metric(reason: str, value: int) -> dict[str, object]:
        return {"name": "cilium_drop_count_total", "labels": {"reason": reason}, "value": value}

    metrics = [metric("Policy denied", 9), metric("CT: Map insertion failed", 2), metric("Invalid packet", 0)]
    assert unexpected(metrics, EXPECTED_DROPS) == ["CT: Map insertion failed: 2"]
    assert unexpected(metrics, [*EXPECTED_DROPS, "CT: Map insertion failed"]) == []


def test_lines_that_tell_of_an_error() -> None:
    log = (
        'level=info msg="Hello"\nlevel=error msg="Bad"\npanic: oh\nlevel=error msg="Unable to contact k8s api-server"\n'
    )
    assert wrong_lines(log) == ['level=error msg="Bad"', "panic: oh"]


# --- reports ---


def results() -> list[Result]:
    bad = Outcome(action(expect.OK), "it failed")
    return [
        Result(OneTest("one"), (Outcome(action(expect.OK), ""),), 1.0, scenarios_skipped=2),
        Result(OneTest("two"), (bad,), 1.0),
        Result(OneTest("three"), (), 0.0, skipped="skipped by user"),
    ]


def test_junit_has_a_case_for_each_test_and_the_properties(tmp_path: Path) -> None:
    write_junit(str(tmp_path / "junit.xml"), results(), ["k8s=1.34", "ci=yes"])
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert [item.attrib for item in suite[0]] == [{"name": "k8s", "value": "1.34"}, {"name": "ci", "value": "yes"}]
    assert [case.get("status") for case in suite.findall("testcase")] == ["passed", "failed", "skipped"]
    assert suite.findall("testcase")[1][0].text == "t/s/a: b -> c: it failed"
    with pytest.raises(CiliumError, match="writing to junit file"):
        write_junit(str(tmp_path / "no" / "junit.xml"), results())


def test_the_summary() -> None:
    out = io.StringIO()
    assert report(Speaker(out), NAMESPACE, [results()[0], results()[2]]) == 0
    assert out.getvalue().endswith(
        "✅ [cilium-test-1] All 1 tests (1 actions) successful, 1 tests skipped, 2 scenarios skipped.\n"
    )
    with pytest.raises(CiliumError, match=r"\[cilium-test-1\] 1 tests failed"):
        report(Speaker(out), NAMESPACE, results())
    assert "❌ 1/2 tests failed (1/2 actions), 1 tests skipped, 2 scenarios skipped:\nTest [two]:" in out.getvalue()


def test_dots_stay_together_and_lines_may_carry_the_time() -> None:
    out = io.StringIO()
    speaker = Speaker(out, timestamps=True)
    part = speaker.part()
    part.say("[=] Test [a]")
    part.dot()
    part.dot()
    assert out.getvalue() == ""
    part.flush()
    speaker.dot()
    speaker.say("end")
    lines = out.getvalue().splitlines()
    assert lines[0].endswith("] [=] Test [a]")
    assert lines[1:3] == ["..", "."]
    assert lines[3].endswith("] end")
