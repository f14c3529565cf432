"""Requests to the API server that become WebSockets, opened as the official client opens its own, and closed for good.

``close`` of the official client's objects does nothing once the other end has closed: the connection is left to the
garbage collector, which remarks on it wherever it then happens to run.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["authorization", "close_websocket", "open_websocket"]

_GOODBYE: Final = 1.0
"""Seconds for the other end to confirm that it is over."""


def authorization(configuration: Any) -> dict[str, str]:
    """The header by which a ``Configuration`` says who it is; none where certificates do. Tokens are renewed first."""
    # the library has called the same key by different names; its own requests ask here
    token = configuration.auth_settings().get("BearerToken", {}).get("value")
    basic = configuration.get_basic_auth_token() if configuration.username else None
    chosen = token or basic
    return {"authorization": str(chosen)} if chosen else {}


def open_websocket(api: ApiClient, path: str) -> Any:
    """A ``websocket.WebSocket`` at a path (with its query) of the API server. Raises what the library raises."""
    from kubernetes.stream.ws_client import create_websocket

    configuration = api.configuration
    return create_websocket(
        configuration, configuration.host.replace("http", "ws", 1) + path, authorization(configuration)
    )


def close_websocket(socket: Any) -> None:
    """End it, politely where the other end still listens. Never fails; may be called again."""
    try:
        with contextlib.suppress(Exception):  # whatever keeps it from saying goodbye: it goes
            socket.close(timeout=_GOODBYE)
    finally:
        socket.shutdown()
