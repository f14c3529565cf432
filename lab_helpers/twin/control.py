"""The twin's own route beside the Kubernetes API: its clock, which no real cluster lets you move.

::

    GET  /twin/clock                      {"now": "2026-01-01T00:00:00Z", "ahead": 0.0}
    POST /twin/clock {"advance": 70}      the same, once everything due in these 70 seconds has happened

With an eager clock (see ``hurrying``) it also says ``"eager": true``, and whoever runs a command in a pod, watches with
kubectl, or asks the same again and again with helm or cilium counts as somebody who waits.

Only the administrator's token opens the route. How far the clock is ahead of the host's is kept with the cluster's
state: time never runs backwards over a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from typing import Any, Final

from lab_helpers.twin.api.app import Application
from lab_helpers.twin.api.asgi import Receive, Scope, Send
from lab_helpers.twin.api.authenticating import ADMINISTRATOR
from lab_helpers.twin.api.server import ApiServer
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.hurrying import LONGEST, Hurry, Polls
from lab_helpers.twin.objects.storage import Storage, StorageError

__all__ = ["LONGEST_JUMP", "PATH", "Control", "kept_offset"]

PATH: Final = "/twin/clock"
LONGEST_JUMP: Final = 4 * 3600.0
"""Seconds of one jump: everything on the way is played, which takes about a second for each hour."""

_FACT: Final = "clock/offset"
_BODY_LIMIT: Final = 4096
_WAITS_AT_A_WATCH: Final = frozenset((b"kubectl",))
"""Programs that watch in order to wait; others watch to know (a page with live views)."""
_WAITS_BY_ASKING: Final = frozenset((b"helm", b"cilium", b"cilium-cli"))
"""Programs that ask again and again in order to wait."""


def kept_offset(storage: Storage) -> float:
    """Seconds by which this cluster's clock was ahead of the host's when it was last moved."""
    return float(storage.fact(_FACT) or 0.0)


class Control(Application):
    """The API server's application with the clock's route in front of it."""

    def __init__(self, server: ApiServer, clock: Clock, storage: Storage, *, eager: bool = False) -> None:
        super().__init__(server)
        self._clock = clock
        self._storage = storage
        self._moving = asyncio.Lock()
        self._hurry = Hurry(clock, self._keep) if eager else None
        self._polls = Polls(self._hurry, clock) if self._hurry is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the clock's route here; hand everything else on."""
        if scope["type"] != "http" or scope["path"] != PATH:
            longest = _patience(scope) if self._hurry is not None else 0.0
            if self._polls is not None and _asks(scope):
                self._polls.asked((_program(scope), scope["path"], scope["query_string"]))
            with self._hurry.waiting(longest) if self._hurry is not None and longest else contextlib.nullcontext():
                await super().__call__(scope, receive, send)
            return
        status, answer = await self._answer(scope, receive)
        body = json.dumps(answer).encode() + b"\n"
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any]]:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
        if self.server.tokens.authenticate(given, self._clock.now()) != ADMINISTRATOR:
            return 401, {"message": "the clock belongs to the administrator of this cluster"}
        if scope["method"] == "GET":
            return 200, self._state()
        if scope["method"] != "POST":
            return 405, {"message": "the clock can be read (GET) and moved (POST)"}
        seconds = _seconds(await _body(receive))
        if seconds is None:
            return 400, {"message": f'expected {{"advance": seconds}}, at least 0 and at most {LONGEST_JUMP:.0f}'}
        async with self._moving:
            await self._clock.advance(seconds)
            lost = self._keep()
        return (500, {"message": f"the clock was moved, until the twin ends: {lost}"}) if lost else (200, self._state())

    def _keep(self) -> str:
        """Write down how far the clock is ahead; what kept it from that, if anything."""
        try:
            self._storage.set_fact(_FACT, repr(self._clock.offset))
        except StorageError as error:
            return str(error)
        return ""

    def _state(self) -> dict[str, Any]:
        eager = {"eager": True} if self._hurry is not None else {}
        return {"now": self._clock.timestamp(), "ahead": round(self._clock.offset, 3), **eager}


def _patience(scope: Scope) -> float:
    """For how many seconds of the clock the sender of a request waits; 0 when it asks and goes on."""
    if scope["type"] == "websocket":
        return LONGEST if scope["path"].endswith("/exec") else 0.0
    if scope["type"] != "http" or b"watch=" not in scope["query_string"]:
        return 0.0
    return LONGEST if _program(scope) in _WAITS_AT_A_WATCH else 0.0


def _asks(scope: Scope) -> bool:
    """Is this a question of a program that repeats it until the answer is good?"""
    return scope["type"] == "http" and scope["method"] == "GET" and _program(scope) in _WAITS_BY_ASKING


def _program(scope: Scope) -> bytes:
    """The name in front of a User-Agent, ``helm`` of ``Helm/3.19.2``; empty when none is sent."""
    agent: bytes = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return agent.partition(b"/")[0].lower()


def _seconds(body: bytes) -> float | None:
    try:
        asked = json.loads(body)["advance"]
    except (ValueError, KeyError, TypeError):
        return None
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not math.isfinite(asked):
        return None
    return float(asked) if 0 <= asked <= LONGEST_JUMP else None


async def _body(receive: Receive) -> bytes:
    """The body; empty when it is too large to be meant for us."""
    pieces = bytearray()
    while len(pieces) <= _BODY_LIMIT:
        message = await receive()
        pieces += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(pieces)
    return b""
