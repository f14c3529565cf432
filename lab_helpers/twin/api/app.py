"""The API server as an ASGI application: HTTP in, :class:`ApiServer` behind it, HTTP out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Mapping

from lab_helpers.twin.api.asgi import Receive, Scope, Send
from lab_helpers.twin.api.authenticating import ADMINISTRATOR, Tokens
from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.requests import Query
from lab_helpers.twin.api.responses import Response, failure
from lab_helpers.twin.api.server import ApiServer
from lab_helpers.twin.api.streams.commands import PROTOCOLS, run_attach, run_command
from lab_helpers.twin.api.streams.forwarding import (
    CHANNELS,
    RAW,
    TUNNEL,
    TUNNEL_TOKEN,
    forward_channels,
    forward_tunnel,
    requested_ports,
)
from lab_helpers.twin.api.streams.sockets import WebSocket
from lab_helpers.twin.api.streams.spdy_commands import SpdyChannels
from lab_helpers.twin.interfaces import Console
from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["VERSION", "Application", "build_app"]

_BEARER = "base64url.bearer.authorization.k8s.io."
BODY_LIMIT = 3 * 1024 * 1024
VERSION: Mapping[str, str] = {
    "major": "1",
    "minor": "34",
    "emulationMajor": "1",
    "emulationMinor": "34",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "33",
    "gitVersion": "v1.34.2",
    "gitCommit": "8cc511e399b929453cd98ae65b419c3cc227ec79",
    "gitTreeState": "clean",
    "buildDate": "2025-11-11T19:05:30Z",
    "goVersion": "go1.24.9",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def build_app(
    registry: Registry,
    workloads: Console,
    *,
    token: str,
    version: Mapping[str, str] = VERSION,
    address: str = "172.18.0.2:6443",
) -> Application:
    """The API over ``registry``; ``token`` is the administrator's, ``version`` what ``/version`` says.

    ``address`` is the server address that discovery tells clients inside the cluster.
    """
    return Application(ApiServer(registry, workloads, tokens=Tokens(token), version=version, address=address))


class Application:
    """ASGI for one ``server``."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self._streams: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """End all streams (watches, followed logs), so that the server can stop."""
        for task in tuple(self._streams):
            task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one WebSocket."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path = _headers(scope), _path(scope)
        user = self.server.tokens.authenticate(headers.get("authorization", ""), self.server.registry.clock.now())
        if user is None and self.server.public(path):
            user = ADMINISTRATOR
        if user is None:
            await self._send(failure(StatusError(401, "Unauthorized", "Unauthorized")), scope["method"], receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            error = StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {BODY_LIMIT}")
            await self._send(failure(error), scope["method"], receive, send)
            return
        query = Query(scope["query_string"].decode("latin-1"))
        call = Call(scope["method"], path, query, headers, body, user)
        response = await self.server.respond(call)
        await self._send(response, call.method, receive, send)

    async def _send(self, response: Response, method: str, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", response.content_type.encode()),
            *([] if "Cache-Control" in response.headers else [(b"cache-control", b"no-cache, private")]),
            *((name.lower().encode(), value.encode("latin-1")) for name, value in response.headers.items()),
            *((b"warning", _warning(text)) for text in response.warnings),
        ]
        if response.stream is None:
            headers.append((b"content-length", str(len(response.body)).encode()))
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})
            return
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await self._send_stream(response, receive, send)

    async def _send_stream(self, response: Response, receive: Receive, send: Send) -> None:
        """Send pieces until the stream ends or the client goes away."""
        assert response.stream is not None
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        sending = asyncio.create_task(_pump(response, send))
        self._streams.add(sending)
        leaving = asyncio.create_task(_until_disconnect(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if response.close is not None:
                response.close()
            self._streams.discard(sending)
            for task in (sending, leaving):
                if not task.done():
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await task
        await send({"type": "http.response.body", "body": b""})

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """exec, attach and port-forward."""
        headers = _headers(scope)
        socket = WebSocket(scope, receive, send)
        server = self.server
        now = server.registry.clock.now()
        bearer = next((name for name in socket.offered if name.startswith(_BEARER)), "")
        token = headers.get("authorization", "")
        if bearer:
            encoded = bearer.removeprefix(_BEARER)
            token = "Bearer " + base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("latin-1")
        if server.tokens.authenticate(token, now) is None:
            await socket.refuse(StatusError(401, "Unauthorized", "Unauthorized"))
            return
        target = server.locate(_path(scope))
        query = Query(scope["query_string"].decode("latin-1"))
        if target is None or target.kind.resource != "pods":
            await socket.refuse(StatusError(404, "NotFound", "the server could not find the requested resource"))
            return
        try:
            pod, container = server.connection(target, query)
            await _connect(socket, target.subresource, query, pod, container, server.workloads)
        except StatusError as error:
            await socket.refuse(error)


async def _connect(
    socket: WebSocket, subresource: str, query: Query, pod: Object, container: str, workloads: Console
) -> None:
    if RAW in socket.offered:
        await _connect_spdy(socket, subresource, query, pod, container, workloads)
        return
    if subresource == "portforward":
        if TUNNEL in socket.offered or TUNNEL_TOKEN in socket.offered:
            await socket.accept(TUNNEL)
            await forward_tunnel(socket, pod, workloads)
            return
        ports = requested_ports(query)
        await socket.accept(CHANNELS if CHANNELS in socket.offered else None)
        await forward_channels(socket, ports, pod, workloads)
        return
    if subresource not in ("exec", "attach"):
        raise StatusError(404, "NotFound", "the server could not find the requested resource")
    chosen = next((name for name in PROTOCOLS if name in socket.offered), None)
    if chosen is None and socket.offered:
        raise StatusError(
            400, "BadRequest", f"unable to upgrade: none of {socket.offered} is supported, use {PROTOCOLS[0]}"
        )
    await socket.accept(chosen)
    run = run_command if subresource == "exec" else run_attach
    await run(socket, query, pod, container, workloads)


async def _connect_spdy(
    socket: WebSocket, subresource: str, query: Query, pod: Object, container: str, workloads: Console
) -> None:
    """A client that upgraded to SPDY without a WebSocket."""
    version = b"portforward.k8s.io" if subresource == "portforward" else b"v4.channel.k8s.io"
    await socket.accept(None, [(b"x-stream-protocol-version", version)])
    if subresource == "portforward":
        await forward_tunnel(socket, pod, workloads)
        return
    channels = SpdyChannels(socket, query)
    if await channels.ready():
        run = run_command if subresource == "exec" else run_attach
        await run(channels, query, pod, container, workloads)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path", b"")
    return raw.decode("latin-1").partition("?")[0] or str(scope["path"])


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None when it is too large."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(pieces)
        piece = message.get("body", b"")
        size += len(piece)
        if size > BODY_LIMIT:
            return None
        pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)


async def _pump(response: Response, send: Send) -> None:
    assert response.stream is not None
    async for piece in response.stream:
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _warning(text: str) -> bytes:
    """A ``Warning`` header: code 299, no agent, quoted text."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'299 - "{quoted}"'.encode("latin-1", "replace")
