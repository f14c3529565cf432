"""``grpc.health.v1.Health``, written by hand: two messages of one field each do not need a schema.

Request: ``service`` = 1 string. Response: ``status`` = 1 enum (1 SERVING, 2 NOT_SERVING, 3 SERVICE_UNKNOWN).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

SERVICE = "hubble.server.Observer"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


def read_request(data: bytes) -> str:
    """The service a HealthCheckRequest asks about."""
    if len(data) < 2 or data[0] != 0x0A:
        return ""
    return data[2 : 2 + data[1]].decode("utf-8", "replace")


def write_response(status: int) -> bytes:
    """A HealthCheckResponse."""
    return bytes((0x08, status))


def health_handler(serving: Callable[[], bool]) -> Any:
    """A handler for Check and Watch; `serving` tells whether the server is ready to answer."""

    def status(service: str) -> int | None:
        if service not in ("", SERVICE):
            return None
        return SERVING if serving() else NOT_SERVING

    async def check(service: str, context: Any) -> int:
        found = status(service)
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return found or 0

    async def watch(service: str, _context: Any) -> AsyncIterator[int]:
        yield status(service) or SERVICE_UNKNOWN
        # a watcher stays until it leaves; this server's health does not change while it runs
        await asyncio.Event().wait()

    return grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health",
        {
            "Check": grpc.unary_unary_rpc_method_handler(check, read_request, write_response),
            "Watch": grpc.unary_stream_rpc_method_handler(watch, read_request, write_response),
        },
    )
