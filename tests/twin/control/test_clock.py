"""Jumps of the clock: what happens on the way, in which order, and what repeats itself comes less often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lab_helpers.twin.clock import REPEATS, Clock, ManualClock


def jump(seconds: float, prepare: Callable[[ManualClock], object]) -> ManualClock:
    clock = ManualClock()

    async def play() -> None:
        prepare(clock)
        await clock.advance(seconds)

    asyncio.run(play())
    return clock


@pytest.mark.parametrize("seconds", [1, 59.9, 60, 61, 600, 3600, 14400])
def test_what_is_not_steady_happens_every_time(seconds: float) -> None:
    seen: list[float] = []

    def every_minute(clock: ManualClock) -> None:
        seen.append(clock.monotonic())
        clock.call_later(60, lambda: every_minute(clock))

    jump(seconds, every_minute)
    assert seen == [60.0 * number for number in range(int(seconds // 60) + 1)]


@pytest.mark.parametrize("seconds", [0.5, 30, 70, 600, 3600, 14400])
@pytest.mark.parametrize("period", [1, 2, 5, 10, 30, 299])
def test_what_is_steady_comes_a_dozen_times_and_to_the_end(seconds: float, period: float) -> None:
    seen: list[float] = []

    def steady(clock: ManualClock) -> None:
        seen.append(clock.monotonic())
        clock.call_later(clock.pace(period), lambda: steady(clock))

    clock = jump(seconds, steady)
    assert len(seen) <= 2 * REPEATS + seconds / period / REPEATS + 2
    assert all(moment % period == 0 for moment in seen)
    assert clock.monotonic() - seen[-1] < period
    assert clock.pace(period) == period


def test_a_short_jump_leaves_nothing_out() -> None:
    seen: list[float] = []

    def steady(clock: ManualClock) -> None:
        seen.append(clock.monotonic())
        clock.call_later(clock.pace(5), lambda: steady(clock))

    jump(70, steady)
    assert seen == [5.0 * number for number in range(15)]


def test_what_follows_from_a_moment_happens_before_the_next() -> None:
    order: list[str] = []

    async def long_talk(clock: ManualClock) -> None:
        await clock.sleep(1)
        for _ in range(200):
            await asyncio.sleep(0)
        order.append(f"talked at {clock.monotonic():g}")

    async def play() -> None:
        clock = ManualClock()
        talking = asyncio.create_task(long_talk(clock))
        clock.call_later(1.5, lambda: order.append("next"))
        await clock.advance(2)
        await talking

    asyncio.run(play())
    assert order == ["talked at 1", "next"]


def test_a_program_that_never_rests_does_not_stop_time() -> None:
    async def play() -> float:
        clock = ManualClock()

        async def spin() -> None:
            while True:  # noqa: ASYNC110 - a program that spins is what this is about
                await asyncio.sleep(0)

        spinning = asyncio.create_task(spin())
        clock.call_later(1, lambda: None)
        await clock.advance(2)
        spinning.cancel()
        return clock.monotonic()

    assert asyncio.run(play()) == 2


def test_real_timers_set_during_a_jump_fire_after_it() -> None:
    async def play() -> None:
        clock, fired = Clock(), asyncio.Event()
        clock.call_later(10, lambda: clock.call_later(5.05, fired.set))
        await clock.advance(15)
        await fired.wait()

    asyncio.run(play())
