"""The server's side: keep-alive, pipelining one by one, bodies with length or chunks; a handler makes each response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.http.messages import Handler, Request, Response, reason
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed, StreamHandler

if TYPE_CHECKING:
    import h11

__all__ = ["http_date", "http_server", "serve"]

BODY_LIMIT = 16 * 1024 * 1024


def http_date(moment: datetime) -> str:
    """IMF-fixdate."""
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{day}, {moment.day:02d} {months[moment.month - 1]} {moment.year} {moment:%H:%M:%S} GMT"


def serve(clock: Clock, pages: Mapping[str, bytes | Callable[[], bytes]], *, server: str = "") -> StreamHandler:
    """A server of fixed pages: health and metrics endpoints. Other paths are 404."""

    async def handler(request: Request) -> Response:
        page = pages.get(request.path)
        if page is None:
            return Response(404, [("Content-Type", "text/plain; charset=utf-8")], b"404 page not found\n")
        return Response(
            200, [("Content-Type", "text/plain; charset=utf-8")], page if isinstance(page, bytes) else page()
        )

    return http_server(clock, handler, server=server)


def http_server(clock: Clock, handler: Handler, *, server: str = "") -> StreamHandler:
    """A stream handler that speaks HTTP/1.1. ``server`` fills the Server header when it is not empty."""

    async def connection(stream: ByteStream) -> None:
        import h11

        state = h11.Connection(h11.SERVER)
        try:
            while await _turn(state, stream, clock, handler, server):
                state.start_next_cycle()
            await stream.close()
        except ConnectionFailed:
            stream.abort()

    return connection


async def _turn(state: h11.Connection, stream: ByteStream, clock: Clock, handler: Handler, server: str) -> bool:
    """One request and its response; False when the connection ends."""
    import h11

    try:
        request = await _receive(state, stream)
    except h11.RemoteProtocolError as error:
        await _refuse(state, stream, clock, server, error.error_status_hint)
        return False
    if request is None:
        return False
    await _send(state, stream, request, await handler(request), clock, server)
    return state.our_state is h11.DONE and state.their_state is h11.DONE


async def _receive(state: h11.Connection, stream: ByteStream) -> Request | None:
    import h11

    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = state.next_event()
        if event is h11.NEED_DATA:
            if head is not None and state.they_are_waiting_for_100_continue:
                await _write(
                    stream, state.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
                )
            state.receive_data(await stream.read())
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_LIMIT:
                raise h11.RemoteProtocolError("body is too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in head.headers.raw_items()]
            version = head.http_version.decode("ascii")
            return Request(
                head.method.decode("ascii"), head.target.decode("latin-1"), headers, bytes(body), version, stream.remote
            )
        else:
            return None


async def _send(
    state: h11.Connection, stream: ByteStream, request: Request, response: Response, clock: Clock, server: str
) -> None:
    """Send a response; a body that is an iterator goes out as it comes."""
    import h11

    headers = [("Server", server)] if server else []
    given = {key.lower() for key, _ in response.headers}
    headers = [header for header in headers if header[0].lower() not in given]
    if "date" not in given:
        headers.append(("Date", http_date(clock.now())))
    headers += list(response.headers)
    bodiless = response.status in (204, 304) or request.method == "HEAD"
    if isinstance(response.body, bytes) and "content-length" not in given and response.status not in (204, 304):
        headers.append(("Content-Length", str(len(response.body))))
    phrase = (response.phrase or reason(response.status)).encode("latin-1")
    encoded = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers]
    data = state.send(h11.Response(status_code=response.status, headers=encoded, reason=phrase)) or b""
    if isinstance(response.body, bytes):
        if response.body and not bodiless:
            data += state.send(h11.Data(data=response.body)) or b""
        await stream.write(data + (state.send(h11.EndOfMessage()) or b""))
        return
    await stream.write(data)
    async for chunk in response.body:
        await _write(stream, state.send(h11.Data(data=chunk)))
    await _write(stream, state.send(h11.EndOfMessage()))


async def _refuse(state: h11.Connection, stream: ByteStream, clock: Clock, server: str, status: int) -> None:
    """A request that cannot be understood."""
    import h11

    if state.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    headers: list[Any] = [("Date", http_date(clock.now())), ("Content-Length", "0"), ("Connection", "close")]
    if server:
        headers.insert(0, ("Server", server))
    await _write(stream, state.send(h11.Response(status_code=status, headers=headers, reason=reason(status).encode())))


async def _write(stream: ByteStream, data: bytes | None) -> None:
    if data:
        await stream.write(data)
