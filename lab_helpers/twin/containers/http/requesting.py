"""The client's side of one connection: send a request, read the response, use the connection again if it allows
that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from lab_helpers.twin.containers.errors import ContainersError
from lab_helpers.twin.interfaces import ByteStream

__all__ = ["HttpConnection", "HttpProblem", "ResponseHead"]


class HttpProblem(ContainersError):
    """The answer is not HTTP, is cut short, or never came. ``kind``: ``empty``, ``partial``, ``malformed``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ResponseHead(NamedTuple):
    """Status line and headers, in the server's order and case."""

    version: str
    status: int
    phrase: str
    headers: Sequence[tuple[str, str]]

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class HttpConnection:
    """HTTP/1.1 over a stream."""

    def __init__(self, stream: ByteStream) -> None:
        import h11

        self.stream = stream
        self._state = h11.Connection(h11.CLIENT)
        self.requests = 0

    @property
    def reusable(self) -> bool:
        """May another request follow?"""
        import h11

        return (
            self._state.our_state is h11.DONE and self._state.their_state is h11.DONE
        ) or self._state.our_state is h11.IDLE

    async def send(self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> None:
        """Send a whole request. Raises ConnectionFailed."""
        import h11

        if self.requests:
            self._state.start_next_cycle()
        self.requests += 1
        encoded = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers]
        data = (
            self._state.send(
                h11.Request(method=method.encode("ascii"), target=target.encode("latin-1"), headers=encoded)
            )
            or b""
        )
        if body:
            data += self._state.send(h11.Data(data=body)) or b""
        await self.stream.write(data + (self._state.send(h11.EndOfMessage()) or b""))

    async def head(self) -> ResponseHead:
        """The final response's head. Raises HttpProblem, ConnectionFailed."""
        import h11

        received = False
        while True:
            try:
                event = self._state.next_event()
            except h11.RemoteProtocolError as error:
                raise HttpProblem("empty" if not received else "malformed", str(error)) from error
            if event is h11.NEED_DATA:
                data = await self.stream.read()
                received = received or bool(data)
                self._state.receive_data(data)
            elif isinstance(event, h11.Response):
                headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in event.headers.raw_items()]
                return ResponseHead(
                    event.http_version.decode("ascii"), event.status_code, event.reason.decode("latin-1"), headers
                )
            elif isinstance(event, h11.ConnectionClosed):
                raise HttpProblem("empty", "the server closed the connection without an answer")

    async def body(self) -> AsyncIterator[bytes]:
        """The body, piece by piece. Raises HttpProblem("partial"), ConnectionFailed."""
        import h11

        while True:
            try:
                event = self._state.next_event()
            except h11.RemoteProtocolError as error:
                raise HttpProblem("partial", str(error)) from error
            if event is h11.NEED_DATA:
                self._state.receive_data(await self.stream.read())
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                return
