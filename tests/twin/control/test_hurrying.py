"""An eager clock: what is only waited for comes at once, in order, within limits, and never past work."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from lab_helpers.twin import hurrying
from lab_helpers.twin.api.app import build_app
from lab_helpers.twin.clock import ManualClock
from lab_helpers.twin.control import PATH, Control, kept_offset
from lab_helpers.twin.hurrying import LONGEST, Hurry, Polls
from lab_helpers.twin.interfaces import Console
from lab_helpers.twin.objects.kinds import Kinds
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Storage

BREATHS = 0.1
"""Real seconds for some twenty leaps, where it is to be seen that there is none."""


def test_who_waits_has_it_at_once_and_everybody_sees_the_time_pass() -> None:
    clock, seen = ManualClock(), []

    async def play() -> None:
        for delay in (2, 1, 4):
            clock.call_later(delay, lambda: seen.append(clock.monotonic()))
        with Hurry(clock).waiting():
            await clock.sleep(3)

    asyncio.run(play())
    assert (seen, clock.monotonic()) == ([1, 2], 3)


def test_nobody_waits_and_time_does_not_leap() -> None:
    clock, moved = ManualClock(), []

    async def play() -> None:
        hurry = Hurry(clock, lambda: moved.append(clock.offset))
        with hurry.waiting():
            await clock.sleep(1)
        clock.call_later(1, lambda: None)
        await asyncio.sleep(BREATHS)

    asyncio.run(play())
    assert (moved, clock.monotonic()) == ([1], 1)


def test_time_leaps_as_far_as_the_most_patient_waits() -> None:
    clock, seen = ManualClock(), []

    async def play() -> None:
        hurry = Hurry(clock)
        for delay in (4, 9, 30):
            clock.call_later(delay, lambda: seen.append(clock.monotonic()))
        with hurry.waiting(5), hurry.waiting(10):
            while len(seen) < 2:  # noqa: ASYNC110 - leaps tell nobody
                await asyncio.sleep(0.001)
            await asyncio.sleep(BREATHS)

    asyncio.run(play())
    assert seen == [4, 9]


def test_work_is_never_cut_short() -> None:
    clock, seen = ManualClock(), []

    async def work() -> None:
        for _ in range(3000):
            await asyncio.sleep(0)
        seen.append("done")

    async def play() -> None:
        clock.call_later(1, lambda: seen.append("late"))
        with Hurry(clock).waiting():
            await work()
            await clock.sleep(2)

    asyncio.run(play())
    assert seen == ["done", "late"]


class Eager:
    """An eager twin's API without anything behind it."""

    def __init__(self, home: Path) -> None:
        self.storage = Storage(home / "state.db")
        self.clock = ManualClock()
        registry = Registry(self.storage, Kinds(), self.clock)
        self.server = build_app(registry, cast("Console", None), token="t0ken").server
        self.app = Control(self.server, self.clock, self.storage, eager=True)
        self.gone = asyncio.Event()

    async def ask(self, path: str, *, agent: str, query: str = "") -> bytes:
        asked, sent = [True], bytearray()

        async def receive() -> dict[str, Any]:
            if asked:
                asked.pop()
                return {"type": "http.request", "body": b"", "more_body": False}
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.extend(message.get("body", b""))

        headers = [(b"authorization", b"Bearer t0ken"), (b"user-agent", agent.encode())]
        scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": headers}
        await self.app(scope, receive, send)
        return bytes(sent)


@pytest.mark.parametrize(
    ("agent", "query", "leaps"),
    [
        ("kubectl/v1.34.2 (linux/amd64)", "watch=true", True),
        ("kubectl", "watch=true", True),
        ("OpenAPI-Generator/34.1.0/python", "watch=true", False),
        ("kubectl/v1.34.2 (linux/amd64)", "limit=500", False),
    ],
)
def test_a_watch_of_kubectl_waits(tmp_path: Path, agent: str, query: str, leaps: bool) -> None:
    async def play() -> None:
        twin = Eager(tmp_path)
        due = asyncio.Event()
        twin.clock.call_later(50, due.set)
        asking = asyncio.create_task(twin.ask("/api/v1/namespaces", agent=agent, query=query))
        if leaps:
            await due.wait()
        else:
            await asyncio.sleep(BREATHS)
        twin.gone.set()
        await asking
        assert twin.clock.monotonic() == (50 if leaps else 0)
        assert kept_offset(twin.storage) == twin.clock.offset
        assert twin.clock.monotonic() < LONGEST

    asyncio.run(play())


@pytest.mark.parametrize(
    ("agent", "asked", "leaps"),
    [
        ("Helm/3.19.2", ["a", "a", "a"], True),
        ("cilium-cli", ["a", "b", "a", "b", "a"], True),
        ("cilium/v0.18.9 (linux/amd64)", ["a", "a", "a"], True),
        ("Helm/3.19.2", ["a", "a", "b", "b"], False),
        ("OpenAPI-Generator/34.1.0/python", ["a", "a", "a", "a"], False),
    ],
)
def test_who_asks_the_same_a_third_time_waits(tmp_path: Path, agent: str, asked: list[str], leaps: bool) -> None:
    async def play() -> None:
        twin = Eager(tmp_path)
        due = asyncio.Event()
        twin.clock.call_later(4, due.set)
        for name in asked:
            assert twin.clock.monotonic() == 0
            await twin.ask(f"/api/v1/namespaces/{name}", agent=agent)
        await asyncio.sleep(BREATHS)
        while leaps and not due.is_set():
            await twin.ask(f"/api/v1/namespaces/{asked[-1]}", agent=agent)
            await asyncio.sleep(BREATHS)
        assert twin.clock.monotonic() == (4 if leaps else 0)

    asyncio.run(play())


def test_asking_for_ever_hurries_no_further_than_any_other_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr(hurrying, "_SOON", float("inf"))

    async def play() -> None:
        polls = Polls(Hurry(clock), clock)

        def tick() -> None:
            clock.call_later(1, tick)

        tick()
        while clock.monotonic() < LONGEST:
            polls.asked("ready?")
            await asyncio.sleep(0.001)
        for _ in range(3):
            polls.asked("ready?")
            await asyncio.sleep(BREATHS)

    asyncio.run(play())
    assert clock.monotonic() == LONGEST


def test_the_clock_says_that_it_is_eager(tmp_path: Path) -> None:
    async def play() -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await Eager(tmp_path).ask(PATH, agent="curl"))
        return answer

    assert asyncio.run(play())["eager"] is True
