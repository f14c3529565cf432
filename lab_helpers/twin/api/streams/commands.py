"""``pods/exec`` and ``pods/attach`` over WebSocket: ``v5.channel.k8s.io`` and its two predecessors.

Each message starts with its channel: 0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 terminal size; version 5 adds
255, which closes the channel named in its second byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

from lab_helpers.twin.api.requests import Query
from lab_helpers.twin.api.streams.pods import pod_key
from lab_helpers.twin.api.streams.sockets import Channels
from lab_helpers.twin.interfaces import Console, ExecResult
from lab_helpers.twin.objects.storage import Object

__all__ = ["PROTOCOLS", "run_attach", "run_command"]

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


class _Channels:
    """The channels of one connection; ``pump`` reads until the peer goes."""

    def __init__(self, socket: Channels) -> None:
        self._socket = socket
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._sizes: asyncio.Queue[tuple[int, int] | None] = asyncio.Queue()

    async def pump(self) -> None:
        while (message := await self._socket.read()) is not None:
            if not message:
                continue
            channel, data = message[0], message[1:]
            if channel == STDIN and data:
                self._input.put_nowait(data)
            elif channel == RESIZE:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    size = json.loads(data)
                    self._sizes.put_nowait((int(size["Width"]), int(size["Height"])))
            elif channel == CLOSE and data[:1] == bytes([STDIN]):
                self._input.put_nowait(None)
        self._input.put_nowait(None)
        self._sizes.put_nowait(None)

    async def input(self) -> AsyncIterator[bytes]:
        while (data := await self._input.get()) is not None:
            yield data

    async def sizes(self) -> AsyncIterator[tuple[int, int]]:
        while (size := await self._sizes.get()) is not None:
            yield size

    async def out(self, data: bytes) -> None:
        await self._socket.write(bytes([STDOUT]) + data)

    async def err(self, data: bytes) -> None:
        await self._socket.write(bytes([STDERR]) + data)

    async def finish(self, status: dict[str, Any]) -> None:
        await self._socket.write(bytes([ERROR]) + json.dumps(status).encode())
        await self._socket.close()


async def run_command(socket: Channels, query: Query, pod: Object, container: str, workloads: Console) -> None:
    """Run the command of an accepted connection to its end; a client that goes away kills it."""
    channels = _Channels(socket)
    tty = query.flag("tty")
    running = asyncio.ensure_future(
        workloads.execute(
            pod_key(pod),
            container,
            query.texts("command"),
            stdin=channels.input() if query.flag("stdin") else None,
            tty=tty,
            stdout=channels.out,
            stderr=channels.out if tty else channels.err,
            resize=channels.sizes() if tty else None,
        )
    )
    await _until_done(channels, running, query.texts("command"), container)


async def run_attach(socket: Channels, query: Query, pod: Object, container: str, workloads: Console) -> None:
    """Join the container's main program until it ends, or the client goes."""
    channels = _Channels(socket)
    tty = query.flag("tty")
    joined = workloads.attach(
        pod_key(pod),
        container,
        stdin=channels.input() if query.flag("stdin") else None,
        stdout=channels.out,
        stderr=channels.out if tty else channels.err,
        resize=channels.sizes() if tty else None,
    )
    await _until_done(channels, asyncio.ensure_future(joined), (), container)


async def _until_done(
    channels: _Channels, running: asyncio.Future[ExecResult], command: Sequence[str], container: str
) -> None:
    reading = asyncio.ensure_future(channels.pump())
    try:
        both: set[asyncio.Future[Any]] = {running, reading}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, LookupError):
                await running
            return
        try:
            status = _status(await running, command)
        except LookupError:
            status = _internal(f'unable to upgrade connection: container not found ("{container}")')
        await channels.finish(status)
    finally:
        for task in (running, reading):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def _status(result: ExecResult, command: Sequence[str]) -> dict[str, Any]:
    if result.message:
        started = f'failed to start exec "{secrets.token_hex(32)}": {result.message}'
        return _internal(f"error executing command in container: failed to exec in container: {started}")
    if result.exit_code == 0:
        return {"metadata": {}, "status": "Success"}
    message = (
        "command terminated with non-zero exit code: error executing command "
        f"[{' '.join(command)}], exit code {result.exit_code}"
    )
    causes = [{"reason": "ExitCode", "message": str(result.exit_code)}]
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "NonZeroExitCode",
        "details": {"causes": causes},
    }


def _internal(why: str) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {why}",
        "reason": "InternalError",
        "details": {"causes": [{"message": why}]},
        "code": 500,
    }
