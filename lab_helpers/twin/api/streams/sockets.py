"""A WebSocket of the ASGI server as something to read and write bytes with."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

from lab_helpers.twin.api.asgi import Message, Receive, Scope, Send
from lab_helpers.twin.objects.errors import StatusError

__all__ = ["Channels", "WebSocket"]


class Channels(Protocol):
    """Messages in both directions, each beginning with its channel."""

    async def read(self) -> bytes | None:
        """The next message; None when the peer has gone."""

    async def write(self, data: bytes) -> None:
        """Send one message."""

    async def close(self) -> None:
        """Close the connection."""


class WebSocket(Channels):
    """One WebSocket, before and after it is accepted."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.offered: list[str] = list(scope.get("subprotocols") or ())
        self._extensions = scope.get("extensions") or {}
        self._receive = receive
        self._send = send
        self.closed = False

    async def accept(self, subprotocol: str | None, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """Complete the handshake."""
        await self._receive()
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": list(headers)})

    async def refuse(self, error: StatusError) -> None:
        """Answer the handshake with an ordinary HTTP error."""
        await self._receive()
        if "websocket.http.response" not in self._extensions:
            await self._send({"type": "websocket.close", "code": 1008, "reason": error.message[:120]})
            return
        body = json.dumps(error.status()).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        start: Message = {"type": "websocket.http.response.start", "status": error.code, "headers": headers}
        await self._send(start)
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def read(self) -> bytes | None:
        """The next message as bytes; None when the peer has gone."""
        message: dict[str, Any] = dict(await self._receive())
        if message["type"] != "websocket.receive":
            self.closed = True
            return None
        data = message.get("bytes")
        return bytes(data) if data is not None else str(message.get("text", "")).encode()

    async def write(self, data: bytes) -> None:
        """Send one binary message; silently dropped when the peer has gone."""
        if not self.closed:
            try:
                await self._send({"type": "websocket.send", "bytes": data})
            except OSError:
                self.closed = True

    async def close(self, code: int = 1000) -> None:
        """Close it."""
        if not self.closed:
            self.closed = True
            with contextlib.suppress(OSError):
                await self._send({"type": "websocket.close", "code": code})
