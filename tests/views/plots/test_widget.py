"""The live plot, without a front end and without a cluster."""

from __future__ import annotations

import threading

import pytest

from lab_helpers.clusters import ClusterError
from lab_helpers.hubble.records import Record
from lab_helpers.views.live.following import Follower
from lab_helpers.views.plots.widget import LivePlot
from tests.views.plots.test_counting import DENIED, flow


def nowhere():
    raise ClusterError("no cluster", try_="cilium-labs up")


@pytest.fixture
def follower():
    made = Follower(nowhere)
    made.ring.extend([Record(flow(0), compact=True), Record(flow(1, DENIED, drop_reason=133), compact=True)])
    return made


@pytest.fixture
def plot(follower):
    made = LivePlot(follower, settling=0)
    made.told, made.came = [], threading.Event()

    def tell(kind, buffers=(), **content):
        made.told.append((kind, content))
        made.came.set()

    made.tell = tell
    yield made
    made.close()


def drawn(plot):
    assert plot.came.wait(60)
    plot.came.clear()
    return plot.told[-1][1]


def test_a_page_gets_the_picture_and_the_choices(plot):
    plot.snapshot()
    content = drawn(plot)
    assert content["chosen"] == "verdicts"
    assert "<svg" in content["picture"]
    assert [name for name, _ in content["kinds"]] == ["verdicts", "drops", "latency"]


def test_the_page_chooses_and_holds(plot, follower):
    plot.on_kind({"name": "drops"})
    assert "Policy denied" in drawn(plot)["numbers"]
    plot.on_pause({"on": True})
    held = drawn(plot)
    follower.ring.extend([Record(flow(2, DENIED, drop_reason=133), compact=True)])
    plot.snapshot()
    assert drawn(plot)["numbers"] == held["numbers"]
    plot.on_pause({"on": False})
    assert drawn(plot)["numbers"] != held["numbers"]


@pytest.mark.parametrize(("kind", "command"), [("cake", ""), ("verdicts", "--verdikt DROPPED")])
def test_what_cannot_be_plotted_is_refused(follower, kind, command):
    with pytest.raises(ValueError, match=r"there is no plot|verdikt"):
        LivePlot(follower, kind, command, settling=0)


def test_the_static_form_is_the_plot_and_without_flows_the_reason(follower, plot):
    assert "FORWARDED" in plot.static().text()
    empty = LivePlot(Follower(nowhere), settling=5)
    assert "cilium-labs up" in empty.static().text()
    empty.close()
