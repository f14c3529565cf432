"""The pace of live views: soon after a quiet time, slower while it goes on, never faster than twice the work."""

from __future__ import annotations

import pytest

from lab_helpers.views.live.pacing import FIRST, Pace


def rests(pace: Pace, times: int, *, at: float = 100.0, took: float = 0.0) -> list[float]:
    """What follows when it is done again as soon as it may be."""
    found = []
    for _ in range(times):
        found.append(pace.rest(at, took))
        at += took + found[-1]
    return found


def test_the_first_rest_is_short_and_the_later_ones_grow_to_the_usual() -> None:
    assert rests(Pace(0.1), 5) == pytest.approx([FIRST, 0.04, 0.08, 0.1, 0.1])


def test_a_quiet_time_begins_anew_and_a_short_pause_does_not() -> None:
    pace = Pace(0.1)
    rests(pace, 5, at=0.0)  # until 0.34
    assert pace.rest(0.43) == pytest.approx(0.1)
    assert pace.rest(10.0) == pytest.approx(FIRST)


def test_over_time_it_is_the_usual_pace() -> None:
    assert sum(rests(Pace(0.1), 100)) > 0.1 * 98


def test_long_work_is_followed_by_as_long_a_rest_when_it_goes_on() -> None:
    found = rests(Pace(0.1), 6, took=0.5)
    assert found[0] == pytest.approx(0.1)
    assert found[3:] == pytest.approx([0.5] * 3)


def test_without_a_pace_there_is_only_the_rest_for_the_work() -> None:
    assert rests(Pace(0.0), 3, took=0.2) == pytest.approx([0.2] * 3)
    assert rests(Pace(0.0), 3) == [0.0] * 3
