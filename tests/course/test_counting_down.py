"""Waiting in real time: a bar where displays can be redrawn, a few lines of text elsewhere."""

from __future__ import annotations

import io

import pytest

from lab_helpers.course import notebooks
from lab_helpers.course.counting_down import Countdown


@pytest.mark.parametrize(
    ("seconds", "left", "line"),
    [
        (300, 300, "···················· 5 min 00 s to go"),
        (300, 75, "███████████████····· 1 min 15 s to go"),
        (40, 10, "███████████████····· 10 s to go"),
        (40, 0, "████████████████████ 0 s to go"),
        (0, 0, "████████████████████ 0 s to go"),
    ],
)
def test_the_bar(seconds: float, left: float, line: str) -> None:
    assert Countdown("wait", seconds).line(left) == line


@pytest.mark.parametrize("seconds", [3, 40, 300])
def test_in_plain_python_a_wait_says_a_few_lines(seconds: int) -> None:
    out = io.StringIO()
    countdown = Countdown("40 seconds, for x", seconds, stream=out)
    for left in range(seconds, -1, -1):
        countdown.tick(left)
    lines = out.getvalue().splitlines()
    assert len(lines) == min(seconds, 10) + 1
    assert lines[0].startswith("40 seconds, for x: ····")
    assert lines[-1].endswith("█ 0 s to go")


def test_in_a_notebook_the_bar_is_redrawn_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(notebooks, "redraws", lambda: True)
    monkeypatch.setattr(notebooks.Place, "show", lambda _self, view: shown.append(view.text()))
    out = io.StringIO()
    countdown = Countdown("wait", 3, stream=out)
    for left in (3, 2, 1, 0):
        countdown.tick(left)
    assert len(shown) == 4
    assert not out.getvalue()
