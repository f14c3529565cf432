"""What a flow says about the map: places, verdicts, what counts as a connection."""

from __future__ import annotations

import pytest

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.views.map.places import CLUSTER, OUTSIDE, Place, PlaceKind, place_of
from lab_helpers.views.map.sightings import dns_names, sighting

from .flowmaking import TO_STACK, WORLD, asked, dropped, flow, pod, reserved

LEARNED = {"203.0.113.7": "cdn.example.com"}


@pytest.mark.parametrize(
    ("endpoint", "ip", "names", "place"),
    [
        (pod("backend"), "10.0.1.2", (), Place("shop", "backend", PlaceKind.WORKLOAD)),
        (
            flow_pb2.Endpoint(namespace="a", pod_name="job-5d4f8c7b9-abcde"),
            "",
            (),
            Place("a", "job", PlaceKind.WORKLOAD),
        ),
        (
            flow_pb2.Endpoint(namespace="a", labels=["k8s:app=old"]),
            "10.9.9.9",
            (),
            Place("a", "old", PlaceKind.WORKLOAD),
        ),
        (reserved("host", 1), "10.0.0.1", (), Place(CLUSTER, "host", PlaceKind.RESERVED)),
        (
            reserved("remote-node", 7, "reserved:kube-apiserver"),
            "",
            (),
            Place(CLUSTER, "kube-apiserver", PlaceKind.RESERVED),
        ),
        (WORLD, "198.51.100.1", ("api.stripe.com.",), Place(OUTSIDE, "api.stripe.com", PlaceKind.NAME)),
        (WORLD, "203.0.113.7", (), Place(OUTSIDE, "cdn.example.com", PlaceKind.NAME)),
        (
            reserved("world", 16777217, "cidr:192.0.2.0/24", "cidr:192.0.0.0/16"),
            "192.0.2.1",
            (),
            Place(OUTSIDE, "192.0.2.0/24", PlaceKind.CIDR),
        ),
        (reserved("world", 16777218, "cidr:192.0.2.1/32"), "192.0.2.1", (), Place(OUTSIDE, "world", PlaceKind.WORLD)),
    ],
)
def test_places(endpoint: flow_pb2.Endpoint, ip: str, names: tuple[str, ...], place: Place) -> None:
    assert place_of(endpoint, ip, names, LEARNED) == place


@pytest.mark.parametrize(
    ("seen", "verdict", "counts"),
    [
        (flow(pod("frontend"), pod("backend")), "FORWARDED", True),
        (flow(pod("frontend"), WORLD, sub_type=TO_STACK), "FORWARDED", True),
        (dropped(pod("frontend"), pod("backend")), "DROPPED", True),
        (flow(pod("frontend"), pod("backend"), event=5, verdict="REDIRECTED"), "FORWARDED", True),
        (flow(pod("frontend"), pod("backend"), event=5, verdict="AUDIT"), "AUDIT", True),
        (flow(pod("frontend"), pod("backend"), event=5), "FORWARDED", False),
        (asked(pod("frontend"), pod("backend"), "/x", verdict="DROPPED"), "DROPPED", False),
    ],
)
def test_verdicts_and_connections(seen: flow_pb2.Flow, verdict: str, counts: bool) -> None:
    found = sighting(seen, {})
    assert found is not None
    assert (found.line.verdict, found.counts) == (verdict, counts)


@pytest.mark.parametrize(
    "seen",
    [
        flow(pod("frontend"), pod("backend"), reply=True),
        flow(pod("frontend"), pod("backend"), reply=None),
        flow(pod("frontend"), pod("backend"), sub_type=TO_STACK),
        flow(pod("frontend"), WORLD, event=7, verdict="TRANSLATED"),
        flow_pb2.Flow(),
    ],
)
def test_says_nothing_about_who_calls_whom(seen: flow_pb2.Flow) -> None:
    assert sighting(seen, {}) is None


def test_an_answer_belongs_to_the_line_of_its_request() -> None:
    answer = sighting(asked(pod("frontend"), pod("backend"), "/x", 200), {})
    request = sighting(asked(pod("frontend"), pod("backend"), "/x"), {})
    assert answer is not None
    assert request is not None
    assert (answer.line, answer.connection) == (request.line, request.connection)
    assert (str(request.asked and request.asked.what), answer.asked and answer.asked.answer) == ("GET /x", "200")


def test_policies_are_named_with_their_kind() -> None:
    seen = dropped(pod("frontend"), pod("backend"))
    seen.ingress_denied_by.add(name="no", namespace="shop", kind="CiliumNetworkPolicy")
    found = sighting(seen, {})
    assert found is not None
    assert found.policies == ("CiliumNetworkPolicy shop/no",)
    assert found.reason == "Policy denied"


def test_names_are_learned_from_answers() -> None:
    answer = flow(pod("coredns"), pod("frontend"), event=129, reply=True, protocol="UDP")
    answer.l7.type = flow_pb2.RESPONSE
    answer.l7.dns.query, answer.l7.dns.ips[:] = "cdn.example.com.", ["203.0.113.7"]
    assert dns_names(answer) == LEARNED
    assert dns_names(flow(pod("frontend"), pod("backend"))) == {}
