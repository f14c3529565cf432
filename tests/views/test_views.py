"""Every view has a text and an HTML form from the same data; icons and words carry the meaning."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.views.attempts import Attempt, explaining
from lab_helpers.views.cards import LabCard
from lab_helpers.views.choices.questions import Choice
from lab_helpers.views.choices.widget import ChoiceWidget
from lab_helpers.views.display import STYLE, Tones, View
from lab_helpers.views.flows import FlowRow, FlowTable, Peer, row
from lab_helpers.views.identities import IdentityRow, IdentityTable
from lab_helpers.views.matrices import Matrix
from lab_helpers.views.panels import Detail, Panel
from lab_helpers.views.plots.bars import BarChart
from lab_helpers.views.tables import Marked, Table, columns
from lab_helpers.views.verdicts import Outcome

FRONTEND = Peer("shop/frontend-1", 40000, 1234)
BACKEND = Peer("shop/backend-1", 8080, 2345)
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def flow_row(kind: str = "to-endpoint", verdict: str = "FORWARDED", **changes: object) -> FlowRow:
    values: dict[str, object] = {
        "time": WHEN,
        "source": FRONTEND,
        "destination": BACKEND,
        "kind": kind,
        "verdict": verdict,
        "direction": "INGRESS",
        "summary": "TCP Flags: SYN",
        "node": "node-2",
        "reply": False,
    }
    return FlowRow(**{**values, **changes})  # type: ignore[arg-type]


DROP = flow_row("Policy denied", "DROPPED", reply=None, reason="Policy denied")
ATTEMPT = Attempt("shop/frontend", "frontend-1", "curl <x>", 28, "", Outcome.TIMEOUT, 2.0, (DROP, DROP))
MATRIX = Matrix(("a", "b"), ("x",), {("a", "x"): Outcome.ANSWERED, ("b", "x"): Outcome.TIMEOUT}, "Who")

VIEWS: list[View] = [
    ATTEMPT,
    BarChart("Flows by verdict", ("to-endpoint", "drop"), (("DROPPED", (0, 3)), ("FORWARDED", (5, 0)))),
    Choice("q", "What happens?", (("answered", "it works"), ("timeout", "silence"))),
    FlowTable((flow_row(), DROP), "Flows"),
    IdentityTable((IdentityRow(1234, ("k8s:app=frontend",), ("shop/frontend-1 (10.0.1.9)",)),)),
    LabCard("04", "Policies", ("write one",), 60, (("cluster", "x"),), (("task", True),)),
    MATRIX,
    Panel("Title", Tones.GOOD.value, "passed", ("line",), ("item",), (Detail("more", "text", folded=True),)),
    Table(("name",), (("a",), (Marked(Tones.BAD.value, "no"),))),
]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: type(view).__name__)
def test_has_a_text_and_an_html_form_and_both_are_deterministic(view: View) -> None:
    bundle = view._repr_mimebundle_()
    assert bundle["text/plain"] == view.text() == str(view)
    assert bundle["text/html"].startswith('<div class="cl-view">')
    assert bundle == view._repr_mimebundle_()
    assert "\x1b" not in bundle["text/plain"]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: type(view).__name__)
def test_html_loads_nothing_and_opens_and_closes_its_tags(view: View) -> None:
    html = view.html().replace(STYLE, "")
    assert not re.search(r"<script|<link|src=|@import|href=\"http", html)
    for tag in ("div", "table", "ul", "li", "p", "span", "code", "pre", "details", "td", "th"):
        assert len(re.findall(rf"<{tag}[ >]", html)) == html.count(f"</{tag}>"), tag


def test_colours_come_from_the_theme_with_a_fallback() -> None:
    assert not re.search(r"color:#", STYLE)
    assert all("," in use for use in re.findall(r"var\(([^)]*)\)", STYLE))


def test_text_of_learners_is_escaped() -> None:
    assert "<x>" not in ATTEMPT.html()
    assert "curl &lt;x&gt;" in ATTEMPT.html()


def test_an_attempt_says_why() -> None:
    assert ATTEMPT.reason == "Policy denied at the ingress of shop/backend-1, on node-2"
    assert "why: Policy denied at the ingress of shop/backend-1, on node-2" in ATTEMPT.text()
    assert not ATTEMPT.answered


def test_explaining_flows_are_how_it_began_and_who_decided_once_each() -> None:
    lookup = flow_row("to-endpoint", destination=Peer("kube-system/coredns-1", 53, 9))
    verdict, end = flow_row("policy-verdict:L3-L4"), flow_row(summary="TCP Flags: ACK, FIN")
    assert explaining((lookup, flow_row(), verdict, DROP, DROP, end)) == (flow_row(), verdict, DROP)
    assert explaining((lookup, lookup)) == (lookup,)


def test_matrix_marks_what_changed() -> None:
    before = Matrix(("a", "b"), ("x",), {("a", "x"): Outcome.ANSWERED, ("b", "x"): Outcome.ANSWERED})
    after = MATRIX.since(before)
    assert after.changed() == (("b", "x"),)
    assert "answered → ✖ timeout" in after.text()
    assert "1 of 2 changed: b to x." in after.text()
    assert "Nothing changed." in MATRIX.since(MATRIX).text()


def test_columns_are_aligned_also_with_wide_characters() -> None:
    assert columns([("a", "b"), ("⛔⛔", "c")]).splitlines() == ["a      b", "⛔⛔   c"]


def test_a_table_without_rows_says_so() -> None:
    assert Table(("a",), (), "T", "nothing yet").text() == "T: nothing yet"


def test_flow_messages_are_read() -> None:
    flow = flow_pb2.Flow(
        verdict=flow_pb2.DROPPED,
        drop_reason=133,
        Summary="TCP Flags: SYN",
        node_name="kind/node-2",
        traffic_direction=flow_pb2.INGRESS,
        uuid="u",
    )
    flow.time.FromDatetime(WHEN)
    flow.event_type.type, flow.event_type.sub_type = 1, 133
    flow.source.namespace, flow.source.pod_name, flow.source.identity = "shop", "frontend-1", 1234
    flow.IP.destination, flow.destination.identity = "1.2.3.4", 2
    flow.l4.TCP.source_port, flow.l4.TCP.destination_port = 40000, 443
    flow.egress_denied_by.add(name="no-way", namespace="shop")
    found = row(flow)
    assert (found.kind, found.verdict, found.reason) == ("Policy denied", "DROPPED", "Policy denied")
    assert (str(found.source), str(found.destination)) == ("shop/frontend-1:40000", "1.2.3.4:443 (world)")
    assert (found.arrow, found.node, found.policies, found.time) == ("<>", "node-2", ("shop/no-way",), WHEN)


@pytest.mark.parametrize(
    ("event", "changes", "kind"),
    [
        (4, {}, "to-endpoint"),
        (5, {"policy_match_type": 2}, "policy-verdict:L3-L4"),
        (7, {"sock_xlate_point": 1}, "pre-xlate-fwd"),
    ],
)
def test_kinds_have_the_names_of_the_compact_printer(event: int, changes: dict[str, int], kind: str) -> None:
    flow = flow_pb2.Flow(verdict=flow_pb2.FORWARDED, **changes)  # type: ignore[arg-type]
    flow.event_type.type = event
    assert row(flow).kind == kind


def test_replies_are_shown_with_the_client_on_the_left() -> None:
    reply = flow_row(source=BACKEND, destination=FRONTEND, reply=True)
    left, right = reply.ends
    assert (left, reply.arrow, right) == (FRONTEND, "<-", BACKEND)


def test_flows_can_be_filtered_counted_and_charted() -> None:
    table = FlowTable((flow_row(), flow_row(), DROP))
    assert len(table.where(verdict="DROPPED")) == 1
    chart = table.chart(by="kind")
    assert chart.bars == ("to-endpoint", "Policy denied")
    assert chart.parts == (("DROPPED", (0, 1)), ("FORWARDED", (2, 0)))
    assert table.chart(by="destination").bars == ("shop/backend-1",)


def test_a_chart_is_an_svg_with_a_description() -> None:
    html = FlowTable((flow_row(), DROP)).chart().html()
    assert "<svg" in html
    assert 'role="img"' in html
    assert "aria-label=" in html


def test_the_widget_commits_once_and_has_static_forms() -> None:
    committed = []

    def commit(value: str) -> tuple[str, str]:
        committed.append(value)
        return value, "ok"

    widget = ChoiceWidget(Choice("q", "What?", (("a", "A"), ("b", "B"))), commit)
    widget._received(widget, {"kind": "commit", "value": ""}, [])
    assert (widget.problem, widget.locked, widget.answers) == ("Choose an answer first.", False, 1)
    widget._received(widget, {"kind": "commit", "value": "b"}, [])
    assert committed == ["b"]
    assert (widget.chosen, widget.locked, widget.state, widget.problem) == ("b", True, "ok", "")
    bundle = widget.bundle()
    assert {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"} <= set(bundle)


def test_an_answer_that_came_too_late_is_not_shown_as_chosen() -> None:
    widget = ChoiceWidget(Choice("q", "What?", (("a", "A"), ("b", "B"))), lambda _value: ("", "Too late."))
    widget.commit("b")
    assert (widget.chosen, widget.locked, widget.state) == ("", True, "Too late.")


def test_what_a_callback_raises_is_shown_in_the_widget() -> None:
    def broken(_value: str) -> tuple[str, str]:
        raise RuntimeError("disk full")

    widget = ChoiceWidget(Choice("q", "What?", (("a", "A"),)), broken)
    widget.commit("a")
    assert "disk full" in widget.problem
    assert not widget.locked
