"""Answers of the API server, independent of the transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.jsontexts import compact

__all__ = ["JSON", "Response", "encode", "failure", "json_response", "text_response"]

JSON = "application/json"


@dataclass(slots=True)
class Response:
    """Status, headers, and either a whole body or a stream of pieces (``close`` is called when the client has gone)."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    stream: AsyncIterator[bytes] | None = None
    close: Callable[[], None] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def encode(value: Any) -> bytes:
    """Compact JSON with a final newline, as Go's encoder writes it."""
    return compact(value) + b"\n"


def json_response(value: Any, status: int = 200, *, warnings: list[str] | None = None) -> Response:
    """One JSON document."""
    return Response(status, encode(value), warnings=warnings or [])


def text_response(text: str, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Response:
    """Plain text, such as ``404 page not found``."""
    headers = {"X-Content-Type-Options": "nosniff"} if status >= 400 else {}
    return Response(status, text.encode(), content_type, headers=headers)


def failure(error: StatusError) -> Response:
    """The ``Status`` of an error; a server that asks for patience says so in ``Retry-After``."""
    retry = error.details.get("retryAfterSeconds")
    return Response(error.code, encode(error.status()), headers={"Retry-After": str(retry)} if retry else {})
