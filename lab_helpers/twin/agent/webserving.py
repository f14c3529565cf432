"""A very small HTTP server for health and metrics endpoints of Cilium's own programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab_helpers.twin.interfaces import ByteStream, StreamHandler

__all__ = ["Answer", "http_handler"]

Answer = Callable[[], tuple[int, str, str]]
"""Status, content type, body."""

_REASONS = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}


def http_handler(routes: Mapping[str, Answer]) -> StreamHandler:
    """Serve GET on fixed paths, one request per connection."""

    async def handle(stream: ByteStream) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            data = await stream.read()
            if not data:
                await stream.close()
                return
            request += data
        target = request.split(b" ", 2)[1].decode("latin-1").partition("?")[0]
        answer = routes.get(target)
        status, kind, text = (
            answer() if answer is not None else (404, "text/plain; charset=utf-8", "404 page not found\n")
        )
        body = text.encode("utf-8")
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        await stream.write(head.encode("latin-1") + body)
        await stream.close()

    return handle


def healthy(text: str = "ok") -> Answer:
    """Always 200."""
    return lambda: (200, "text/plain; charset=utf-8", text)
