"""Envoy's part for ``serverNames``: look at the name in the ClientHello, then carry bytes, or reset the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lab_helpers.policy.requests import server_name_allows
from lab_helpers.twin.agent.envoys import Envoys
from lab_helpers.twin.datapath.proxies import Redirection
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["TlsProxy"]


class TlsProxy:
    """Implements ``datapath.proxies.Proxy``; TLS is passed through, not terminated."""

    def __init__(self, node: str, envoys: Envoys) -> None:
        self._node, self._envoys = node, envoys

    async def stream(
        self, redirection: Redirection, client: ByteStream, upstream: Callable[[], Awaitable[ByteStream]]
    ) -> None:
        """Serve one connection. What is no TLS, or names a server no rule allows, is reset."""
        with self._envoys.carrying(self._node, client):
            await self._serve(redirection, client, upstream)

    @staticmethod
    async def _serve(
        redirection: Redirection, client: ByteStream, upstream: Callable[[], Awaitable[ByteStream]]
    ) -> None:
        from lab_helpers.twin.containers.http.tls import server_name

        hello = b""
        while len(hello) < 5 or len(hello) < 5 + int.from_bytes(hello[3:5], "big"):
            more = await client.read()
            if not more or (len(hello) + len(more) >= 1 and (hello + more)[0] != 22):
                raise ConnectionFailed("ECONNRESET", "Connection reset by peer")
            hello += more
        decision = redirection.judge()
        redirect = decision.redirect
        name = server_name(hello) or ""
        if not decision.allowed or (
            redirect is not None and not redirect.unrestricted and not server_name_allows(redirect.server_names, name)
        ):
            raise ConnectionFailed("ECONNRESET", "Connection reset by peer")
        server = await upstream()
        await server.write(hello)
        await _carry(client, server)

    async def datagram(
        self, redirection: Redirection, payload: bytes, forward: Callable[[bytes], Awaitable[bytes]]
    ) -> bytes | None:
        """TLS is a matter of TCP."""
        del redirection, payload, forward
        return None


async def _carry(client: ByteStream, server: ByteStream) -> None:
    async def copy(source: ByteStream, target: ByteStream) -> None:
        while data := await source.read():
            await target.write(data)
        await target.write_eof()

    tasks = [asyncio.ensure_future(copy(client, server)), asyncio.ensure_future(copy(server, client))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await server.close()
