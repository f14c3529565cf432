"""The clock's route: who may use it, what it refuses, what a jump does, and that time does not run back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from lab_helpers.twin.api.app import build_app
from lab_helpers.twin.clock import ManualClock
from lab_helpers.twin.control import LONGEST_JUMP, PATH, Control, kept_offset
from lab_helpers.twin.interfaces import Console
from lab_helpers.twin.objects.kinds import Kinds
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Storage, StorageError

TOKEN = "t0ken"


class Twin:
    """An API without anything behind it, asked without a network."""

    def __init__(self, home: Path) -> None:
        self.storage = Storage(home / "state.db")
        self.clock = ManualClock()
        registry = Registry(self.storage, Kinds(), self.clock)
        server = build_app(registry, cast("Console", None), token=TOKEN).server
        self.app = Control(server, self.clock, self.storage)

    async def ask(self, method: str, body: object = None, *, token: str = TOKEN, path: str = PATH) -> tuple[int, Any]:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": payload, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {token}".encode())],
        }
        await self.app(scope, receive, send)
        return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
def twin(tmp_path: Path) -> Twin:
    return Twin(tmp_path)


def test_reading_does_not_move(twin: Twin) -> None:
    assert asyncio.run(twin.ask("GET")) == (200, {"now": "2026-01-01T00:00:00Z", "ahead": 0.0})


def test_everything_due_on_the_way_happens_at_its_moment(twin: Twin) -> None:
    seen: list[float] = []

    async def play() -> tuple[int, Any]:
        for delay in (60, 10, 71):
            twin.clock.call_later(delay, lambda: seen.append(twin.clock.monotonic()))
        return await twin.ask("POST", {"advance": 70})

    assert asyncio.run(play()) == (200, {"now": "2026-01-01T00:01:10Z", "ahead": 70.0})
    assert seen == [10, 60]


def test_a_full_disk_is_said(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_name: str, _value: str) -> None:
        raise StorageError("database or disk is full", cure="free disk space and try again")

    monkeypatch.setattr(twin.storage, "set_fact", full)
    status, answer = asyncio.run(twin.ask("POST", {"advance": 70}))
    assert status == 500
    assert answer["message"].endswith("database or disk is full; free disk space and try again")


def test_two_jumps_at_once_follow_each_other(twin: Twin) -> None:
    async def play() -> list[tuple[int, Any]]:
        return list(await asyncio.gather(*(twin.ask("POST", {"advance": 30}) for _ in range(3))))

    assert [answer["ahead"] for _, answer in asyncio.run(play())] == [30.0, 60.0, 90.0]


def test_how_far_ahead_is_kept_with_the_state(twin: Twin, tmp_path: Path) -> None:
    assert kept_offset(twin.storage) == 0
    asyncio.run(twin.ask("POST", {"advance": 12.5}))
    twin.storage.close()
    assert kept_offset(Storage(tmp_path / "state.db")) == 12.5


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"advance": -1},
        {"advance": "70"},
        {"advance": True},
        {"advance": LONGEST_JUMP + 1},
        [],
        b"{",
        b'{"advance": NaN}',
        b"",
        b" " * 5000,
    ],
    ids=repr,
)
def test_what_is_no_jump_is_refused(twin: Twin, body: object) -> None:
    status, answer = asyncio.run(twin.ask("POST", body))
    assert (status, twin.clock.monotonic()) == (400, 0)
    assert "advance" in answer["message"]


@pytest.mark.parametrize("token", ["", "wrong"])
def test_only_the_administrator_moves_time(twin: Twin, token: str) -> None:
    status, _ = asyncio.run(twin.ask("POST", {"advance": 70}, token=token))
    assert (status, twin.clock.monotonic()) == (401, 0)


def test_other_methods_are_refused(twin: Twin) -> None:
    assert asyncio.run(twin.ask("DELETE"))[0] == 405


def test_the_rest_is_the_api_server(twin: Twin) -> None:
    status, answer = asyncio.run(twin.ask("GET", path="/version"))
    assert (status, answer["gitVersion"]) == (200, "v1.34.2")
