"""The WebSocket handshake of kubectl's port-forward, which a strict parser refuses (see ``upgrades``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from lab_helpers.twin.api.streams.forwarding import TUNNEL, TUNNEL_TOKEN

if TYPE_CHECKING:
    from websockets.http11 import Request

__all__ = ["WebSocketUpgrade"]

_HEADER = "Sec-WebSocket-Protocol"


class WebSocketUpgrade(WebSocketsSansIOProtocol):
    """Accepts kubectl's port-forward handshake."""

    def handle_connect(self, event: Request) -> None:
        """Exchange the name, then go on as usual."""
        offered = event.headers.get_all(_HEADER)
        if any(TUNNEL in value for value in offered):
            del event.headers[_HEADER]
            for value in offered:
                event.headers[_HEADER] = value.replace(TUNNEL, TUNNEL_TOKEN)
        super().handle_connect(event)
