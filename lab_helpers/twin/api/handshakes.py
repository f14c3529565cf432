"""WebSockets as uvicorn has them, but for two things.

The handshake of kubectl's port-forward, which a strict parser refuses (see ``upgrades``), and the end of a server whose
client is just leaving.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from lab_helpers.twin.api.streams.forwarding import TUNNEL, TUNNEL_TOKEN

if TYPE_CHECKING:
    from websockets.http11 import Request

__all__ = ["WebSocketUpgrade"]

_HEADER = "Sec-WebSocket-Protocol"


class _ClosedOnce:
    """A transport that may be closed twice, as uvicorn does, and then still be cut: TLS's forgets what it is to cut."""

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Close it, the first time."""
        if not self._transport.is_closing():
            self._transport.close()


class WebSocketUpgrade(WebSocketsSansIOProtocol):
    """Accepts kubectl's port-forward handshake, and says goodbye to nobody who has said it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over."""
        super().connection_made(cast("asyncio.Transport", _ClosedOnce(transport)))

    def handle_connect(self, event: Request) -> None:
        """Exchange the name, then go on as usual."""
        offered = event.headers.get_all(_HEADER)
        if any(TUNNEL in value for value in offered):
            del event.headers[_HEADER]
            for value in offered:
                event.headers[_HEADER] = value.replace(TUNNEL, TUNNEL_TOKEN)
        super().handle_connect(event)

    def shutdown(self) -> None:
        """The server stops. A client that has said goodbye, and only has not closed its end of TLS, gets no other."""
        if self.conn.close_rcvd is None:
            super().shutdown()
            return
        self.stop_keepalive()
