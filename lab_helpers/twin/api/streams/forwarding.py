"""``pods/portforward`` over WebSocket.

Two forms: pairs of channels per port (``v4.channel.k8s.io``, the Python client's), and SPDY/3.1 inside the WebSocket
(``SPDY/3.1+portforward.k8s.io``, kubectl's), where every connection is a pair of streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from lab_helpers.twin.api.requests import Query
from lab_helpers.twin.api.streams.pods import pod_key
from lab_helpers.twin.api.streams.sockets import WebSocket
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed, Console
from lab_helpers.twin.objects.errors import bad_request
from lab_helpers.twin.objects.storage import Object

__all__ = ["CHANNELS", "RAW", "TUNNEL", "TUNNEL_TOKEN", "forward_channels", "forward_tunnel", "requested_ports"]

CHANNELS = "v4.channel.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
TUNNEL_TOKEN = "slash-SPDY-3.1+portforward.k8s.io"  # noqa: S105 - a token in the sense of HTTP
"""What ``TUNNEL`` is called inside the server, where names must be HTTP tokens."""
RAW = "raw-SPDY-3.1"
"""A connection that was upgraded from HTTP to SPDY without a WebSocket around it."""
_WORDS = {
    "ECONNREFUSED": "connection refused",
    "ETIMEDOUT": "connection timed out",
    "EHOSTUNREACH": "no route to host",
    "ENETUNREACH": "network is unreachable",
    "ECONNRESET": "connection reset by peer",
    "EPERM": "operation not permitted",
}


def requested_ports(query: Query) -> list[int]:
    """The ``ports`` of a channel connection. Raises 400."""
    found = []
    for text in ",".join(query.texts("ports")).split(","):
        if not text.isdigit() or not 1 <= int(text) <= 65535:
            raise bad_request(f'query parameter "ports" is required and must be numbers from 1 to 65535, got "{text}"')
        found.append(int(text))
    return found


def _failure(pod: Object, port: int, error: Exception) -> str:
    word = _WORDS.get(error.errno, error.errno) if isinstance(error, ConnectionFailed) else str(error)
    place = f"/var/run/netns/cni-{pod['metadata']['uid']}"
    return (
        f"error forwarding port {port} to pod {pod['metadata']['uid']}, uid : failed to execute portforward in network "
        f'namespace "{place}": failed to connect to localhost:{port} inside namespace "{place}", '
        f"IPv4: dial tcp4 127.0.0.1:{port}: connect: {word}"
    )


async def _copy(stream: ByteStream, write: Callable[[bytes], Awaitable[None]]) -> None:
    """Everything the container sends."""
    with contextlib.suppress(ConnectionFailed):
        while data := await stream.read():
            await write(data)


async def forward_channels(socket: WebSocket, ports: list[int], pod: Object, workloads: Console) -> None:
    """One connection per port; channel 2n carries data, 2n+1 errors; both start with the port number."""
    streams: dict[int, ByteStream] = {}
    tasks: list[asyncio.Task[None]] = []

    def sender(channel: int) -> Callable[[bytes], Awaitable[None]]:
        return lambda data: socket.write(bytes([channel]) + data)

    try:
        for position, port in enumerate(ports):
            head = struct.pack("<H", port)
            await sender(2 * position)(head)
            await sender(2 * position + 1)(head)
        for position, port in enumerate(ports):
            try:
                stream = await workloads.port_forward(pod_key(pod), port)
            except (ConnectionFailed, LookupError) as error:
                await sender(2 * position + 1)(_failure(pod, port, error).encode())
                continue
            streams[2 * position] = stream
            tasks.append(asyncio.create_task(_copy(stream, sender(2 * position))))
        tasks.append(asyncio.create_task(_feed(socket, streams)))
        await _first_end(tasks, streams)
    finally:
        await _stop(tasks, list(streams.values()))
        await socket.close()


async def _first_end(tasks: list[asyncio.Task[None]], streams: dict[int, ByteStream]) -> None:
    """Until the client goes, or all containers have closed."""
    reading = tasks[-1]
    copies = tasks[:-1]
    if not streams:
        await asyncio.wait({reading}, timeout=1.0)
        return
    ended = asyncio.gather(*copies)
    both: set[asyncio.Future[Any]] = {reading, ended}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        ended.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ended


async def _feed(socket: WebSocket, streams: dict[int, ByteStream]) -> None:
    while (message := await socket.read()) is not None:
        stream = streams.get(message[0]) if message else None
        if stream is not None and len(message) > 1:
            with contextlib.suppress(ConnectionFailed):
                await stream.write(message[1:])


async def _stop(tasks: list[asyncio.Task[None]], streams: list[ByteStream]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, ConnectionFailed):
            await task
    for stream in streams:
        with contextlib.suppress(ConnectionFailed):
            await stream.close()


async def forward_tunnel(socket: WebSocket, pod: Object, workloads: Console) -> None:
    """SPDY streams inside the WebSocket, until the client goes."""
    from lab_helpers.spdy import SpdyError

    tunnel = _Tunnel(socket, pod, workloads)
    try:
        while (message := await socket.read()) is not None:
            await tunnel.feed(message)
    except SpdyError:
        await socket.close(1002)
    finally:
        await tunnel.close()
        await socket.close()


class _Tunnel:
    def __init__(self, socket: WebSocket, pod: Object, workloads: Console) -> None:
        from lab_helpers.spdy import Connection

        self._socket = socket
        self._pod = pod
        self._workloads = workloads
        self._spdy = Connection(client=False)
        self._errors: dict[str, int] = {}
        self._inbox: dict[int, asyncio.Queue[bytes | None]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._writing = asyncio.Lock()

    async def feed(self, data: bytes) -> None:
        """Take a message of the client."""
        from lab_helpers.spdy import DataReceived, StreamOpened, StreamReset

        for event in self._spdy.feed(data):
            match event:
                case StreamOpened(stream, headers, _):
                    self._opened(stream, headers)
                case DataReceived(stream, payload, ended):
                    inbox = self._inbox.get(stream)
                    if inbox is not None:
                        if payload:
                            inbox.put_nowait(payload)
                        if ended:
                            inbox.put_nowait(None)
                case StreamReset(stream, _) if stream in self._tasks:
                    self._tasks[stream].cancel()
                case _:
                    pass
        await self._flush()

    async def close(self) -> None:
        """End every connection."""
        for task in tuple(self._tasks.values()):
            task.cancel()
        for task in tuple(self._tasks.values()):
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _opened(self, stream: int, headers: dict[str, str]) -> None:
        self._spdy.reply(stream)
        request = headers.get("requestid", "")
        if headers.get("streamtype") == "error":
            self._errors[request] = stream
        elif headers.get("port", "").isdigit():
            self._inbox[stream] = asyncio.Queue()
            port = int(headers["port"])
            self._tasks[stream] = asyncio.create_task(self._connection(stream, request, port))

    async def _connection(self, stream: int, request: str, port: int) -> None:
        try:
            try:
                target = await self._workloads.port_forward(pod_key(self._pod), port)
            except (ConnectionFailed, LookupError) as error:
                if request in self._errors:
                    self._spdy.send(self._errors[request], _failure(self._pod, port, error).encode())
                return
            try:
                await self._pump(stream, target)
            finally:
                with contextlib.suppress(ConnectionFailed):
                    await target.close()
        finally:
            self._inbox.pop(stream, None)
            self._tasks.pop(stream, None)
            self._spdy.send(stream, b"", end=True)
            if request in self._errors:
                self._spdy.send(self._errors.pop(request), b"", end=True)
            await self._flush()

    async def _pump(self, stream: int, target: ByteStream) -> None:
        async def send(data: bytes) -> None:
            self._spdy.send(stream, data)
            await self._flush()

        async def upload() -> None:
            inbox = self._inbox[stream]
            with contextlib.suppress(ConnectionFailed):
                while (data := await inbox.get()) is not None:
                    await target.write(data)
                await target.write_eof()

        uploading = asyncio.create_task(upload())
        try:
            await _copy(target, send)
        finally:
            uploading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await uploading

    async def _flush(self) -> None:
        async with self._writing:
            if data := self._spdy.take():
                await self._socket.write(data)
