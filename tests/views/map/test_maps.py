"""Counting, rates, text; the layout is stable and the drawing deterministic."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

import pytest

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.hubble.records import Record
from lab_helpers.views.map.details import details_of, hubble_command
from lab_helpers.views.map.drawings import draw
from lab_helpers.views.map.layouts import arrange
from lab_helpers.views.map.maps import ServiceMap, edge_label, rate_text
from lab_helpers.views.map.pages import MapPage
from lab_helpers.views.map.places import CLUSTER, OUTSIDE, Place, PlaceKind
from lab_helpers.views.map.rendering import svg
from lab_helpers.views.map.sightings import Line
from lab_helpers.views.map.tallies import Tally

from .flowmaking import SECOND, TO_STACK, WORLD, asked, dropped, flow, pod, reserved


def service_map(flows: Iterable[flow_pb2.Flow], note: str = "") -> ServiceMap:
    """All that some flows say, as of the newest."""
    tally = Tally()
    tally.add(flows)
    return tally.map(note=note)


FLOWS = [
    flow(pod("frontend"), pod("backend"), from_port=1),
    flow(pod("frontend"), pod("backend"), from_port=1, at=101),
    flow(pod("frontend"), pod("backend"), from_port=2, at=101),
    dropped(pod("intruder", "dev"), pod("backend"), from_port=3),
    dropped(pod("intruder", "dev"), pod("backend"), from_port=3, at=102),
    flow(pod("payments"), WORLD, 443, sub_type=TO_STACK, from_port=4, destination_names=["api.stripe.com"]),
    flow(reserved("host", 1), pod("backend"), from_port=5),
]
FOUND = service_map(FLOWS)


def edge_of(found: ServiceMap, source: str, verdict: str = "FORWARDED"):  # type: ignore[no-untyped-def]
    return next(e for e in found.edges if e.line.source.name == source and e.line.verdict == verdict)


@pytest.mark.parametrize(
    ("source", "verdict", "connections"),
    [
        ("frontend", "FORWARDED", 2),
        ("intruder", "DROPPED", 1),
        ("payments", "FORWARDED", 1),
        ("host", "FORWARDED", 1),
    ],
)
def test_packets_of_a_connection_count_once(source: str, verdict: str, connections: int) -> None:
    assert edge_of(FOUND, source, verdict).connections == connections


def test_further_packets_of_a_connection_need_not_be_read() -> None:
    tally = Tally()
    first, later = FLOWS[0], flow(pod("frontend"), pod("backend"), from_port=1, at=150)
    assert not tally.repeats(Record(first))
    tally.add([first])
    assert tally.repeats(Record(later))
    assert not tally.repeats(Record(FLOWS[2]))
    edge = edge_of(tally.map(), "frontend")
    assert (edge.connections, edge.last, tally.map().flows) == (1, 150 * SECOND, 2)


def test_groups_end_with_nodes_and_the_outside() -> None:
    assert FOUND.groups() == ("dev", "shop", CLUSTER, OUTSIDE)


def test_rates_are_over_the_window_and_fade() -> None:
    tally = Tally(window=10)
    tally.add(flow(pod("frontend"), pod("backend"), at=100, from_port=n) for n in range(20))
    assert edge_of(tally.map(), "frontend").rate == 2.0
    assert edge_of(tally.map(until=105 * SECOND), "frontend").rate == 2.0
    faded = edge_of(tally.map(until=111 * SECOND), "frontend")
    assert (faded.rate, faded.connections) == (0.0, 20)


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "idle"), (0.04, "<0.1/s"), (0.25, "0.2/s"), (12.34, "12.3/s"), (250.4, "250/s")]
)
def test_rates_in_words(rate: float, text: str) -> None:
    assert rate_text(rate) == text


def test_requests_meet_their_answers_and_a_403_of_the_proxy_stays_with_what_it_refused() -> None:
    front, back = pod("frontend"), pod("backend")
    found = service_map(
        [
            asked(front, back, "/api", from_port=1),
            asked(front, back, "/api", 200, from_port=1, at=101),
            asked(front, back, "/admin", from_port=2, verdict="DROPPED"),
            asked(front, back, "/admin", 403, from_port=2, at=101),
            asked(front, back, "/slow", from_port=3),
        ]
    )
    assert list(map(str, edge_of(found, "frontend").uses)) == ["GET /api → 200 ×1", "GET /slow → no answer seen ×1"]
    refused = edge_of(found, "frontend", "DROPPED")
    assert list(map(str, refused.uses)) == ["GET /admin → 403 ×1"]
    assert refused.reasons == ("refused by the proxy",)
    assert edge_label(refused).startswith("✖ 8080/TCP HTTP")


def test_many_different_requests_are_bounded() -> None:
    found = service_map(asked(pod("frontend"), pod("backend"), f"/{n}", from_port=n) for n in range(100))
    edge = edge_of(found, "frontend")
    assert (edge.requests, len(edge.uses), edge.uses[0].what) == (100, 41, "other requests")


def test_edges_are_bounded_and_a_drawing_holds_fewer() -> None:
    tally = Tally()
    tally.add(dropped(pod("backend"), pod("frontend"), number, at=number) for number in range(1, 2000))
    found = tally.map()
    assert len(found.edges) == 1500
    shown = found.drawable()
    assert len(shown.edges) == 200
    assert min(edge.line.port for edge in shown.edges) == 1800
    assert shown.note == "The drawing shows the 200 edges seen last of 1500; the table has all."
    assert FOUND.drawable() is FOUND


def test_the_text_is_a_complete_table() -> None:
    text = MapPage(FOUND).text()
    assert len(text.splitlines()) == 2 + len(FOUND.edges) + 1
    assert re.search(r"dev/intruder +→ +shop/backend +8080/TCP +✖ dropped \(Policy denied\) +1 ", text)
    assert "6 places, 4 edges (1 dropped), from 7 flows" in text


def test_an_empty_map_says_so() -> None:
    assert service_map([]).text() == "Who speaks to whom: no connection seen yet"
    assert "is Relay there?" in MapPage(service_map([], note="is Relay there?")).html()


def test_within_namespaces() -> None:
    found = FOUND.within("dev")
    assert {node.place.name for node in found.nodes} == {"intruder", "backend"}
    assert FOUND.within() is FOUND


def test_callers_stand_left_of_whom_they_call() -> None:
    slots = {place.name: slot.column for place, slot in arrange(FOUND).slots.items()}
    assert slots["frontend"] == slots["intruder"] == slots["host"] == 0
    assert slots["backend"] == slots["api.stripe.com"] == 1


def test_cycles_share_a_column() -> None:
    a, b = pod("frontend"), pod("backend")
    slots = arrange(service_map([flow(a, b), flow(b, a, from_port=9), flow(b, b, from_port=10)])).slots
    assert {slot.column for slot in slots.values()} == {0}
    assert len({slot.row for slot in slots.values()}) == 2


def test_known_places_stay_where_they_are_when_edges_arrive() -> None:
    before = arrange(FOUND)
    more = service_map([*FLOWS, flow(pod("backend"), pod("frontend"), from_port=8), flow(pod("new"), pod("backend"))])
    after = arrange(more, before)
    assert {place: after.slots[place] for place in before.slots} == before.slots
    assert len(set(after.slots.values())) < len(after.slots) + 1
    assert arrange(more, after) == after


def test_the_same_graph_gives_the_same_picture_whatever_the_order() -> None:
    shuffled = list(FLOWS)
    random.Random(7).shuffle(shuffled)
    assert MapPage(service_map(shuffled)).html() == MapPage(FOUND).html()


def test_boxes_do_not_overlap_and_stand_in_their_bands() -> None:
    layout = arrange(FOUND)
    boxes = list(layout.boxes().items())
    bands = {band.group: band.box for band in layout.bands()}
    for place, box in boxes:
        band = bands[place.group]
        assert band.x <= box.x
        assert band.y <= box.y
        assert box.y + box.height <= band.y + band.height
    assert len({(box.x, box.y) for _, box in boxes}) == len(boxes)


def test_the_svg_is_well_formed_and_described() -> None:
    drawing = draw(FOUND, arrange(FOUND))
    root = ET.fromstring(svg(drawing))
    names = [child.tag for child in root]
    assert names[:2] == ["title", "desc"]
    assert "dev/intruder to shop/backend" in (root[1].text or "")
    assert root.get("role") == "img"
    assert len(root.findall("g[@class='cl-map-edge cl-map-dropped']")) == 1
    assert svg(drawing) == svg(draw(FOUND, arrange(FOUND)))


@pytest.mark.parametrize(
    ("target", "command"),
    [
        (Place("shop", "backend", PlaceKind.WORKLOAD), "--to-pod shop/backend"),
        (Place(OUTSIDE, "a.com / b.com", PlaceKind.NAME), "--to-fqdn a.com --to-fqdn b.com"),
        (Place(OUTSIDE, "192.0.2.0/24", PlaceKind.CIDR), "--to-ip 192.0.2.0/24"),
        (Place(CLUSTER, "kube-apiserver", PlaceKind.RESERVED), "--to-identity kube-apiserver"),
        (Place(OUTSIDE, "world", PlaceKind.WORLD), "--to-identity world"),
    ],
)
def test_the_command_that_lists_the_flows(target: Place, command: str) -> None:
    line = Line(Place("dev", "intruder", PlaceKind.WORKLOAD), target, "TCP", 8080, "DROPPED")
    expected = f"hubble observe --from-pod dev/intruder {command} --to-port 8080 --protocol tcp --verdict DROPPED"
    assert hubble_command(line) == expected


def test_what_goes_to_a_proxy_is_listed_too() -> None:
    line = FOUND.edges[-1].line
    assert hubble_command(line, proxied=True).endswith("--verdict FORWARDED --verdict REDIRECTED")


def test_details_hold_the_flows_and_the_command() -> None:
    tally = Tally()
    tally.add(FLOWS)
    edge = edge_of(tally.map(), "intruder", "DROPPED")
    details = details_of(edge, tally.recent(edge.line))
    assert len(details.flows) == 2
    assert "$ hubble observe --from-pod dev/intruder" in details.text()
    assert "<code>hubble observe" in details.html()


def test_names_of_learners_are_escaped() -> None:
    evil = flow_pb2.Endpoint(namespace="<b>", pod_name="<script>")
    html = MapPage(service_map([flow(evil, pod("backend"))])).html()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
