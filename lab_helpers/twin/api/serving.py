"""Runs the application with uvicorn inside the twin's loop: HTTP/1.1 over TLS on the loopback address."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from lab_helpers.twin.api.app import Application

__all__ = ["ServeError", "Server", "serve"]

_BACKLOG = 2048


class ServeError(OSError):
    """The address cannot be listened on; the message says which, ``cure`` what to try."""

    cure = "stop what uses this port, or choose another with --port"


class Server:
    """A running server; ``port`` is the one really bound (useful with port 0)."""

    def __init__(self, server: Any, sockets: list[Any]) -> None:
        self._server = server
        self._sockets = sockets

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._sockets[0].getsockname()[1])

    async def run(self) -> None:
        """Serve until ``stop`` is called or the task is cancelled."""
        await self._server.serve(self._sockets)

    def stop(self) -> None:
        """Ask the server to end; open watches are cut."""
        self._server.should_exit = True
        self._server.config.app.close()


def serve(
    app: Application, host: str = "127.0.0.1", port: int = 0, certfile: Path | None = None, keyfile: Path | None = None
) -> Server:
    """Bind and listen now, serve when ``await server.run()`` runs. Without certificates it speaks plain HTTP (tests).

    Raises ServeError when the port is taken.
    """
    import uvicorn

    from lab_helpers.twin.api.upgrades import HttpUpgrade, web_socket_upgrade

    class Quiet(uvicorn.Server):
        """Leaves signals to the twin."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """End gracefully, then cut what a client keeps open."""
            await super().shutdown(sockets)
            for connection in tuple(self.server_state.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            for _ in range(5):
                await asyncio.sleep(0)

    # the protocol is named because asyncio sets TCP_NODELAY only then; without it each answer waits 40 ms for an ACK
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ServeError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    config = uvicorn.Config(
        app,
        ssl_certfile=str(certfile) if certfile else None,
        ssl_keyfile=str(keyfile) if keyfile else None,
        http=HttpUpgrade,
        ws=cast("type[asyncio.Protocol]", web_socket_upgrade),
        ws_per_message_deflate=False,
        ws_max_size=64 * 1024 * 1024,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=256 * 1024,
    )
    config.load()
    if config.ssl is not None:
        # a client that reads and writes in two threads (the official Python client's exec) may be caught by a ticket
        # that arrives while it writes its first request; sessions are not resumed here anyway
        config.ssl.num_tickets = 0
    return Server(Quiet(config), [listener])
