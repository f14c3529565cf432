"""Upgrades that uvicorn does not know, given to the application in the form of WebSockets.

* kubectl offers the WebSocket subprotocol ``SPDY/3.1+portforward.k8s.io``. The slash is not allowed in such a name (RFC
  6455 wants a token), so the strict parser refuses it. It is exchanged for a valid name before parsing; the answer
  carries the original.
* Older clients upgrade a POST to raw ``SPDY/3.1``. The application sees a WebSocket whose messages are the bytes as
  they come, with the subprotocol ``RAW``.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from lab_helpers.twin.api.streams.forwarding import RAW

if TYPE_CHECKING:
    import h11

__all__ = ["HttpUpgrade", "web_socket_upgrade"]


def web_socket_upgrade(**options: Any) -> asyncio.Protocol:
    """What uvicorn calls for a WebSocket's connection; the implementation is imported with the first one."""
    from lab_helpers.twin.api.handshakes import WebSocketUpgrade

    return WebSocketUpgrade(**options)


class HttpUpgrade(H11Protocol):
    """HTTP/1.1 that also upgrades to SPDY."""

    def _should_upgrade(self) -> bool:
        return self._get_upgrade() == b"spdy/3.1" or super()._should_upgrade()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over."""
        if self._get_upgrade() != b"spdy/3.1":
            super().handle_websocket_upgrade(event)
            return
        self.connections.discard(self)
        early, _ = self.conn.trailing_data
        raw = _Raw(self.transport, self.connections)
        self.transport.set_protocol(raw)
        if early:
            raw.data_received(early)
        scope = {
            **self.scope,
            "type": "websocket",
            "subprotocols": [RAW],
            "extensions": {"websocket.http.response": {}},
        }
        task = asyncio.get_running_loop().create_task(raw.run(self.config.loaded_app, scope))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class _Raw(asyncio.Protocol):
    """One upgraded connection."""

    def __init__(self, transport: asyncio.Transport, connections: set[Any]) -> None:
        self.transport = transport
        self._connections = connections
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        self._writable = asyncio.Event()
        self._writable.set()
        connections.add(self)

    async def run(self, app: Any, scope: dict[str, Any]) -> None:
        """Let the application have it."""
        try:
            await app(scope, self._inbox.get, self._send)
        finally:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        self._inbox.put_nowait({"type": "websocket.receive", "bytes": data})

    def eof_received(self) -> None:
        """The client sends no more, which for SPDY means it has gone."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application."""
        del exc
        self._connections.discard(self)
        self._writable.set()
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def pause_writing(self) -> None:
        """The client is slow."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    def shutdown(self) -> None:
        """The server stops."""
        self.transport.close()

    async def _send(self, message: dict[str, Any]) -> None:
        await self._writable.wait()
        if self.transport.is_closing():
            raise OSError("the client has gone")
        match message["type"]:
            case "websocket.accept":
                head = [(b"connection", b"Upgrade"), (b"upgrade", b"SPDY/3.1"), *message.get("headers", ())]
                self.transport.write(_head(101, head))
            case "websocket.send":
                self.transport.write(message["bytes"])
            case "websocket.http.response.start":
                head = [*message["headers"], (b"connection", b"close")]
                self.transport.write(_head(message["status"], head))
            case "websocket.http.response.body":
                self.transport.write(message["body"])
                self.transport.close()
            case "websocket.close":
                self.transport.close()


def _head(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), *(b": ".join(pair) for pair in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"
