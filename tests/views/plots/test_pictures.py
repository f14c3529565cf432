"""Plots as pictures: in the theme's colours, described, the same bytes each time."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from lab_helpers.views.plots.bars import BarChart
from lab_helpers.views.plots.costs import CostPlot
from lab_helpers.views.plots.latencies import LatencyPlot
from lab_helpers.views.plots.styles import svg
from lab_helpers.views.plots.timelines import Timeline

PLOTS = [
    Timeline("Verdicts over time", datetime(2026, 1, 1, tzinfo=UTC), 1, (("FORWARDED", (1, 2)), ("DROPPED", (0, 3)))),
    BarChart("Drops by reason", ("Policy denied",), (("egress", (1,)), ("ingress", (2,)))),
    LatencyPlot("HTTP latency", (("shop/backend", (0.5, 1.0, 20.0)),)),
    CostPlot("Price", (10, 100), (("rules walked", (1.0, 10.0)), ("hash lookup", (0.1, 0.1)))),
]
NOTHING = [
    Timeline("Verdicts over time", datetime(2026, 1, 1, tzinfo=UTC), 1, ()),
    BarChart("Drops by reason", (), ()),
    LatencyPlot("HTTP latency", ()),
    CostPlot("Price", (), ()),
]


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: type(plot).__name__)
def test_every_colour_is_the_themes(plot):
    picture = svg(plot.figure())
    bare = re.sub(r"var\(--cl-\w+,#\w{6}\)", "", picture)
    assert set(re.findall(r"#[0-9a-f]{6}", bare)) <= {"#000000"}  # matplotlib's default for glyphs without a style


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: type(plot).__name__)
def test_a_picture_carries_its_numbers_and_never_changes(plot):
    page = plot.html()
    assert page == plot.html()
    assert 'role="img" aria-label="' in page
    assert plot.table().rows


@pytest.mark.parametrize("plot", NOTHING, ids=lambda plot: type(plot).__name__)
def test_nothing_to_draw_is_said(plot):
    assert "<svg" not in plot.html()
    assert plot.text()
