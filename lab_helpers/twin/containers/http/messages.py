"""Requests and responses as values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

__all__ = ["Handler", "Request", "Response", "reason"]

_REASONS = {
    100: "Continue", 101: "Switching Protocols", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content",
    206: "Partial Content", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
    307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized",
    402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    409: "Conflict", 410: "Gone", 411: "Length Required", 413: "Content Too Large", 415: "Unsupported Media Type",
    418: "I'm a Teapot", 422: "Unprocessable Content", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip


def reason(status: int) -> str:
    """The usual phrase of a status code."""
    return _REASONS.get(status, "")


class Request(NamedTuple):
    """A request as a server sees it; ``headers`` keep their order and case; ``peer`` is the client's address."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    version: str
    peer: tuple[str, int]

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class Response(NamedTuple):
    """A response. ``body`` bytes get a Content-Length; an iterator is sent in chunks as it comes."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | AsyncIterator[bytes] = b""
    phrase: str = ""


Handler = Callable[[Request], Awaitable[Response]]
