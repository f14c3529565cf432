"""WebSocket connections to the API server."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab_helpers.tools.rest.clients import Client, Query
from lab_helpers.tools.rest.errors import ApiError, ChannelError, ConnectError

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection


def open_websocket(client: Client, path: str, query: Query, protocols: Sequence[str]) -> "ClientConnection":
    """Upgrade a GET; the server chooses one of `protocols`. Raises ApiError (the server's Status), ChannelError."""
    from websockets.exceptions import InvalidHandshake, InvalidStatus
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    headers = client.headers("*/*")
    headers.pop("Accept")
    agent = headers.pop("User-Agent")
    socket = client.socket()
    socket.settimeout(None)
    try:
        return connect(
            f"ws://{client.address.shown}{client.url_path(path, query)}",
            sock=socket,
            subprotocols=[Subprotocol(name) for name in protocols],
            additional_headers=headers,
            user_agent_header=agent,
            compression=None,
            max_size=None,
            open_timeout=30,
            close_timeout=2,
            ping_interval=None,
        )
    except InvalidStatus as error:
        raise _refusal(error.response.status_code, bytes(error.response.body or b"")) from error
    except (InvalidHandshake, TimeoutError) as error:
        raise ChannelError(f"unable to upgrade connection: {error}") from error
    except OSError as error:
        raise ConnectError(f"read tcp {client.address.shown}: {(error.strerror or str(error)).lower()}") from error


def _refusal(code: int, body: bytes) -> Exception:
    try:
        status = json.loads(body)
        if status.get("kind") == "Status":
            return ApiError({"code": code, **status})
    except (ValueError, AttributeError):
        pass
    text = body.decode("utf-8", "replace").strip() or f"the server answered with status code {code}"
    return ChannelError(f"unable to upgrade connection: {text}")
