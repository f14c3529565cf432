"""The explorer without a page: static forms, messages, details, why, export."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.clusters import NotRunning
from lab_helpers.hubble.protos import flow_pb2, observer_pb2
from lab_helpers.hubble.records import Record
from lab_helpers.tools.hubble.reading import flows_from
from lab_helpers.views.display import STYLE
from lab_helpers.views.explorer.details import detail
from lab_helpers.views.explorer.packing import COLUMNS, Strings, pack
from lab_helpers.views.explorer.widget import CAPACITY, FlowExplorer
from lab_helpers.views.flows import row
from lab_helpers.views.live.following import Follower
from lab_helpers.views.live.statuses import State, Status

GONE = Status(State.GONE, "the twin is not running", "`cilium-labs up`")


def made(number: int, verdict: str = "FORWARDED", **values: Any) -> flow_pb2.Flow:
    flow = flow_pb2.Flow(
        uuid=str(number),
        verdict=flow_pb2.Verdict.Value(verdict),
        Summary="TCP Flags: SYN",
        node_name="kind/node-1",
        **values,
    )
    flow.time.FromNanoseconds(1_700_000_000_000_000_000 + number * 1_000_000)
    flow.event_type.type = 4
    flow.source.namespace, flow.source.pod_name, flow.source.identity = "shop", "frontend-1", 1001
    flow.source.labels.extend(["k8s:app=frontend", "k8s:io.kubernetes.pod.namespace=shop"])
    flow.destination.namespace, flow.destination.pod_name, flow.destination.identity = "shop", "backend-1", 1002
    flow.destination.labels.extend(["k8s:app=backend", "k8s:io.kubernetes.pod.namespace=shop"])
    flow.IP.source, flow.IP.destination = "10.0.0.1", "10.0.0.2"
    flow.l4.TCP.source_port, flow.l4.TCP.destination_port = 40000 + number, 8080
    flow.is_reply.value = False
    return flow


class Told(FlowExplorer):
    """An explorer whose messages are kept instead of sent."""

    def tell(self, kind: str, buffers: Any = (), **content: Any) -> None:
        self.__dict__.setdefault("told", []).append((kind, content, list(buffers)))

    def last(self, kind: str) -> Any:
        return next((content, buffers) for told, content, buffers in reversed(self.__dict__["told"]) if told == kind)

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.__dict__.get("told", [])]

    def says(self, kind: str, **content: Any) -> None:
        self._received(self, {"kind": kind, **content}, None)


def nobody() -> Any:
    raise NotRunning("the twin is not running", try_="cilium-labs up")


@pytest.fixture
def follower() -> Follower:
    return Follower(nobody, diagnose=lambda _find, _failure: GONE)


@pytest.fixture
def explorer(follower: Follower) -> Iterator[Told]:
    follower.feed(tuple(Record(made(number, "DROPPED" if number % 10 == 0 else "FORWARDED")) for number in range(50)))
    widget = Told(follower)
    yield widget
    widget.close()


def test_static_forms_tell_the_same_and_are_deterministic(explorer: Told) -> None:
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert bundle == explorer._repr_mimebundle_()
    text, html = bundle["text/plain"], bundle["text/html"].replace(STYLE, "")
    for part in ("50 of 50 flows pass", "hubble observe --follow", "the twin is not running", "shop/frontend-1:40049"):
        assert part in text
        assert part in html
    assert "✖ DROPPED" in text
    assert "<script" not in html


def test_a_fault_is_shown_under_the_line_and_changes_nothing(explorer: Told) -> None:
    explorer.command = "--verdict DROPPED"
    explorer.command = "--verdict NOPE"
    assert explorer.command == "hubble observe --verdict DROPPED --follow"
    assert "  ^^^^^^^^^^^^^^ " in explorer.static().text()
    assert "<mark>--verdict NOPE</mark>" in explorer.static().html()
    assert len(explorer.flows()) == 5


def test_a_page_gets_everything_when_it_says_hello(explorer: Told) -> None:
    explorer.says("hello")
    assert explorer.kinds() == ["welcome", "status", "command", "paused", "vocabulary", "marks", "rows"]
    content, buffers = explorer.last("rows")
    assert (content["reset"], content["count"], len(buffers[0])) == (True, 50, 400)


def test_nothing_is_sent_to_nobody(explorer: Told, follower: Follower) -> None:
    follower.feed((Record(made(99)),))
    assert explorer.kinds() == []


def test_a_typed_command_filters_and_the_controls_learn_of_it(explorer: Told) -> None:
    explorer.says("hello")
    explorer.says("command", line="hubble observe --verdict DROPPED -n shop")
    content, _ = explorer.last("command")
    assert content["shell"] == "hubble observe --verdict DROPPED --namespace shop --follow"
    assert [text for text, _, _ in content["conditions"]] == ["--verdict DROPPED", "--namespace shop"]
    assert explorer.last("rows")[0]["count"] == 5


def test_a_page_knows_the_same_rows_from_others_and_the_cells_word_from_its_own(explorer: Told) -> None:
    explorer.says("hello", page="one")
    explorer.says("command", line="--verdict DROPPED")
    assert explorer.last("rows")[0]["anew"]
    told = explorer.last("command")[0]
    assert (told["own"], told["valid"]) == ("", "--verdict DROPPED")
    explorer.says("hello", page="two")
    assert not explorer.last("rows")[0]["anew"]


def test_new_flows_that_pass_are_sent_once(explorer: Told, follower: Follower) -> None:
    explorer.says("hello")
    explorer.says("command", line="--verdict DROPPED")
    follower.feed((Record(made(100)), Record(made(101, "DROPPED"))))
    content, buffers = explorer.last("rows")
    assert (content["reset"], content["count"]) == (False, 1)
    assert struct.unpack("<d", buffers[1]) == (51.0,)


def test_paused_means_held_back_and_counted(explorer: Told, follower: Follower) -> None:
    explorer.says("hello")
    explorer.says("pause", paused=True)
    before = explorer.kinds().count("rows")
    follower.feed((Record(made(100)), Record(made(101))))
    assert explorer.kinds().count("rows") == before
    assert explorer.last("held")[0]["count"] == 2
    explorer.says("command", line="--verdict FORWARDED")
    assert explorer.last("rows")[0]["count"] == 45
    explorer.says("pause", paused=False)
    assert explorer.last("rows")[0]["count"] == 2


def test_the_newest_rows_are_as_many_as_a_page_holds(explorer: Told, follower: Follower) -> None:
    follower.feed(tuple(Record(made(number)) for number in range(CAPACITY)))
    explorer.says("hello")
    assert explorer.last("rows")[0]["count"] == CAPACITY
    explorer.says("command", line="--last 7")
    assert explorer.last("rows")[0]["count"] == 7


def test_a_detail_names_the_policies_that_decided_and_how_to_see_them(explorer: Told, follower: Follower) -> None:
    flow = made(7)
    flow.ingress_allowed_by.add(name="backend", namespace="shop", kind="CiliumNetworkPolicy", revision=3)
    flow.egress_denied_by.add(name="all", kind="CiliumClusterwideNetworkPolicy")
    follower.feed((Record(flow),))
    explorer.says("hello")
    explorer.says("detail", number=50)
    policies = explorer.last("detail")[0]["policies"]
    assert policies == [
        ["egress denied by", "all", "CiliumClusterwideNetworkPolicy", 0, "kubectl get ccnp all -o yaml"],
        ["ingress allowed by", "shop/backend", "CiliumNetworkPolicy", 3, "kubectl -n shop get cnp backend -o yaml"],
    ]
    explorer.says("detail", number=10_000)
    assert explorer.last("detail")[0]["gone"]


def test_a_detail_of_every_kind_of_flow_has_both_forms() -> None:
    http, dns, drop = made(1), made(2), made(3, "DROPPED", drop_reason=133)
    http.l7.http.method, http.l7.http.url, http.l7.http.code, http.l7.latency_ns = "GET", "http://b/x", 403, 1_500_000
    dns.l7.dns.query, dns.l7.dns.ttl = "api.example.com.", 30
    assert "status: 403" in detail(http).text()
    assert "latency: 1.50 ms" in detail(http).html()
    assert "query: api.example.com." in detail(dns).text()
    assert "default deny" in detail(drop).text()
    refused = made(4, "DROPPED")
    refused.l7.http.method, refused.l7.http.url = "GET", "http://b/admin"
    assert "the proxy refused" in detail(refused).text()


def test_why_without_a_cluster_is_an_answer(explorer: Told) -> None:
    explorer._explain(3, Record(made(3)))
    content, _ = explorer.last("why")
    assert content["mark"]["word"] == "no answer"
    assert "cilium-labs up" in content["lines"][0]


@pytest.mark.parametrize("kind", ["", "nonsense", "flows", "__init__"])
def test_messages_that_are_none_are_said_to_be(explorer: Told, kind: str) -> None:
    explorer.says(kind)
    assert explorer.kinds()[-1] == "problem"


def test_what_a_handler_raises_is_told_to_the_page(explorer: Told) -> None:
    explorer.says("command")
    assert explorer.last("problem")[0]["what"].startswith("KeyError")


def test_exported_flows_are_read_by_hubble(explorer: Told, tmp_path: Path) -> None:
    explorer.command = "--verdict DROPPED"
    panel = explorer.export(str(tmp_path / "flows.json"))
    assert "5 flows written" in panel.text()
    with (tmp_path / "flows.json").open("rb") as source:
        read = list(flows_from(source, observer_pb2.GetFlowsRequest(), io.StringIO()))
    assert [response.flow for response in read] == [made(number, "DROPPED") for number in range(0, 50, 10)]


def test_strings_are_sent_once_and_columns_are_whole() -> None:
    strings = Strings()
    first = pack([(0, Record(made(0))), (1, Record(made(1)))], strings)
    second = pack([(2, Record(made(2)))], strings)
    assert len(first.strings) == len(set(first.strings))
    assert (second.base, second.strings) == (len(first.strings), [])
    assert len(first.buffers[2]) == 2 * 4 * len(COLUMNS)
    ports = struct.unpack("<2I", first.buffers[2][8:16])
    assert ports == (40000, 40001)


def test_packed_rows_say_what_rows_of_tables_say() -> None:
    reply, outside, named, drop, verdict = made(1), made(2), made(3), made(4, "DROPPED", drop_reason=133), made(5)
    reply.is_reply.value = True
    outside.destination.Clear()
    outside.destination.identity = 2
    named.CopyFrom(outside)
    named.destination_names.append("api.example.com")
    drop.ClearField("is_reply")
    drop.event_type.type, drop.event_type.sub_type = 1, 133
    verdict.event_type.type, verdict.policy_match_type = 5, 2
    verdict.ingress_allowed_by.add(name="backend", namespace="shop")
    flows = [reply, outside, named, drop, verdict] * 2
    strings = Strings()
    packed = pack(enumerate(map(Record, flows)), strings)
    columns = struct.unpack(f"<{len(flows) * len(COLUMNS)}I", packed.buffers[2])
    table = packed.strings
    for index, flow in enumerate(flows):
        values = dict(zip(COLUMNS, columns[index :: len(flows)], strict=True))
        shown = row(flow)
        left, right = shown.ends
        assert table[values["left"]].startswith(left.name)
        assert table[values["right"]].startswith(right.name)
        assert (values["left_port"], values["right_port"]) == (left.port, right.port)
        assert ["->", "<-", "<>"][values["arrow"]] == shown.arrow
        assert table[values["verdict"]] == shown.verdict
        assert table[values["seen"]].startswith(shown.kind)
        assert all(policy in table[values["details"]] for policy in shown.policies)
