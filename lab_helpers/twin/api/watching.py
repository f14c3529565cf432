"""Watches: a stream of JSON events, one per line.

A watch starts with the present objects (no ``resourceVersion``, ``0``, or ``sendInitialEvents=true``) or after a given
version. An object that starts or stops matching the selectors appears as ADDED or DELETED (apiserver cacher). Bookmarks
come every minute, after the initial events of a WatchList, and just before the server ends the watch.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

from lab_helpers.twin.api.listing import Selection, too_new
from lab_helpers.twin.api.presenting import Presenter
from lab_helpers.twin.api.requests import Query, Target
from lab_helpers.twin.api.responses import Response
from lab_helpers.twin.objects.errors import StatusError, bad_request, invalid
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Change, Object, Watch

__all__ = ["watch_response"]

BOOKMARK_SECONDS = 60.0
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


def watch_response(
    registry: Registry, target: Target, query: Query, selection: Selection, presenter: Presenter
) -> Response:
    """Start the watch now; the stream runs until the client goes, the time is up, or the storage closes."""
    initial = query.text("sendInitialEvents")
    _check_options(query, initial)
    text = query.text("resourceVersion")
    since = _since(text)
    storage = registry.storage
    bookmarks = query.flag("allowWatchBookmarks")
    from_now = since is None or initial == "true"
    first: list[Object] = []
    resource = target.kind.stored_as or target.kind.resource
    if since is not None and since > storage.revision:
        raise too_new(since, storage.revision)
    try:
        watch = storage.watch(resource, target.namespace, None if from_now else since)
    except StatusError as error:
        return Response(stream=_one(_line("ERROR", error.status())))
    if from_now and initial != "false":
        first = [item for item in storage.list(resource, target.namespace) if selection(item)]
    seconds = query.number("timeoutSeconds")
    limit = float(seconds) if seconds else random.uniform(1800, 3600)
    session = _Session(watch, selection, presenter, registry)
    stream = session.run(first, limit, bookmarks=bookmarks, announce=initial == "true" and bookmarks)
    return Response(stream=stream, close=watch.close)


class _Session:
    def __init__(self, watch: Watch, selection: Selection, presenter: Presenter, registry: Registry) -> None:
        self._watch = watch
        self._selection = selection
        self._presenter = presenter
        self._storage = registry.storage
        self._revision = registry.storage.revision

    async def run(self, first: list[Object], limit: float, *, bookmarks: bool, announce: bool) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        start = self._revision
        if first:
            yield b"".join(_line("ADDED", self._presenter.event(item)) for item in first)
        if announce:
            yield _line("BOOKMARK", self._presenter.bookmark(start, _INITIAL_END))
        next_bookmark = loop.time() + BOOKMARK_SECONDS
        with self._watch as watch:
            while True:
                wait = min(end, next_bookmark if bookmarks else end) - loop.time()
                try:
                    async with asyncio.timeout(max(wait, 0.001)):
                        change = await anext(watch)
                except TimeoutError:
                    if bookmarks:
                        yield _line("BOOKMARK", self._presenter.bookmark(self._storage.revision))
                        next_bookmark = loop.time() + BOOKMARK_SECONDS
                    if loop.time() >= end:
                        return
                    continue
                except StopAsyncIteration:
                    return
                if line := self._event(change):
                    yield line

    def _event(self, change: Change) -> bytes:
        now = change.type != "DELETED" and self._selection(change.object)
        before = change.previous is not None and self._selection(change.previous)
        if now:
            return _line("MODIFIED" if before else "ADDED", self._presenter.event(change.object))
        if not before or change.previous is None:
            return b""
        gone = change.object
        if change.type != "DELETED":
            metadata = {**change.previous["metadata"], "resourceVersion": str(change.revision)}
            gone = {**change.previous, "metadata": metadata}
        return _line("DELETED", self._presenter.event(gone))


def _line(kind: str, item: Mapping[str, Any]) -> bytes:
    body = json.dumps({"type": kind, "object": item}, separators=(",", ":"), ensure_ascii=False)
    return body.encode() + b"\n"


async def _one(line: bytes) -> AsyncIterator[bytes]:
    yield line


def _since(text: str) -> int | None:
    if text in ("", "0"):
        return None
    try:
        return int(text)
    except ValueError:
        raise bad_request(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax') from None


def _check_options(query: Query, initial: str) -> None:
    match = query.text("resourceVersionMatch")
    if initial and match != "NotOlderThan":
        field, why = "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise invalid("ListOptions", "meta.k8s.io", "", [("FieldValueForbidden", f"Forbidden: {why}", field)])
    if match and not initial:
        field, why = (
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        )
        raise invalid("ListOptions", "meta.k8s.io", "", [("FieldValueForbidden", f"Forbidden: {why}", field)])
