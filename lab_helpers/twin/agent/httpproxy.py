"""Envoy's part for HTTP: one verdict per request, 403 for what no rule allows, access-log flows with latency.

Follows Cilium's Envoy filter (proxy cilium/l7policy.cc, accesslog.cc). Connections stay open across requests; what
is refused never reaches the server. Bodies are carried piece by piece, both ways at once. A request that is answered
before its body was read costs the connection (``connection: close``), as in Envoy
(source/common/http/conn_manager_impl.cc).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.hubble.summaries import l7_summary
from lab_helpers.policy.requests import HTTPRequest, HTTPRule, http_allows
from lab_helpers.twin.agent.envoys import Envoys
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.datapath.packets import Packet
from lab_helpers.twin.datapath.proxies import Redirection
from lab_helpers.twin.datapath.tables import ProxyKey
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["HttpProxy"]

_MAX_HEAD: Final = 60 * 1024
"""What Envoy takes of a request's or a response's head; a longer one gets 431."""
_HOP_BY_HOP: Final = (b"connection", b"keep-alive", b"proxy-connection", b"upgrade")
_DENIED: Final = b"Access denied\r\n"
_NO_UPSTREAM: Final = {
    "ETIMEDOUT": "connection timeout",
    "ECONNREFUSED": "remote connection failure, transport failure reason: delayed connect error: Connection refused",
}
Headers = list[tuple[bytes, bytes]]


class HttpProxy:
    """Implements ``datapath.proxies.Proxy`` for one node."""

    def __init__(self, agent: NodeAgent, envoys: Envoys) -> None:
        self._agent, self._envoys = agent, envoys

    async def stream(
        self, redirection: Redirection, client: ByteStream, upstream: Callable[[], Awaitable[ByteStream]]
    ) -> None:
        """Serve one connection."""
        with self._envoys.carrying(self._agent.node, client):
            await _Connection(self._agent, redirection, client, upstream).serve()

    async def datagram(
        self, redirection: Redirection, payload: bytes, forward: Callable[[bytes], Awaitable[bytes]]
    ) -> bytes | None:
        """HTTP is not spoken over UDP here."""
        del redirection, payload, forward
        return None


class _Connection:
    def __init__(
        self,
        agent: NodeAgent,
        redirection: Redirection,
        client: ByteStream,
        upstream: Callable[[], Awaitable[ByteStream]],
    ) -> None:
        import h11

        self._h11 = h11
        self._agent = agent
        self._redirection = redirection
        self._client = client
        self._open = upstream
        self._down = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._server: ByteStream | None = None
        self._up: Any = None

    async def serve(self) -> None:
        h11, down = self._h11, self._down
        try:
            while True:
                try:
                    request = await self._request()
                    if request is None or not await self._handle(request):
                        return
                except h11.RemoteProtocolError as error:
                    await self._complain(error)
                    return
                if down.our_state is not h11.DONE or down.their_state is not h11.DONE:
                    return
                down.start_next_cycle()
        finally:
            if self._server is not None:
                await self._server.close()
            await self._client.close()

    async def _event(self) -> Any:
        """What the client says next. Raises RemoteProtocolError, ConnectionFailed."""
        h11 = self._h11
        while (event := self._down.next_event()) is h11.NEED_DATA:
            if self._down.they_are_waiting_for_100_continue:
                await self._reply(h11.InformationalResponse(status_code=100, headers=[]))
            self._down.receive_data(await self._client.read())
        return event

    async def _request(self) -> Any:
        """The next request's head; None when there is none."""
        event = await self._event()
        if not isinstance(event, self._h11.Request):
            return None
        if not _has_body(event):
            await self._event()
        return event

    async def _handle(self, request: Any) -> bool:
        """One request; False when the connection cannot be used any more."""
        h11 = self._h11
        bodied = _has_body(request)
        method, target = request.method.decode("latin-1"), request.target.decode("latin-1")
        headers: Headers = list(request.headers)
        host = next((value.decode("latin-1") for name, value in headers if name == b"host"), "")
        asked = HTTPRequest(method, target, host, tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in headers))
        allowed, rules = self._judge(asked)
        url = f"http://{host}{target}" if target.startswith("/") else target
        identifier = str(uuid.uuid4())
        shown = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name != b"host"}
        shown |= {":scheme": "http", "x-request-id": identifier, "x-envoy-internal": "true"}
        record = _Record(method, url, f"HTTP/{request.http_version.decode()}", shown)
        self._log(record.request(), allowed=allowed)
        started = self._agent.clock.monotonic()
        if not allowed:
            head: Headers = [(b"content-length", str(len(_DENIED)).encode()), (b"content-type", b"text/plain")]
            await self._local(403, [*head, (b"connection", b"close")] if bodied else head, _DENIED)
            self._log(record.response(403, 0, {"content-length": str(len(_DENIED)), "content-type": "text/plain"}))
            return not bodied
        sent = [(name, value) for name, value in headers if name not in _HOP_BY_HOP]
        sent = _mutated(sent, rules)
        sent += [
            (b"x-forwarded-proto", b"http"),
            (b"x-envoy-internal", b"true"),
            (b"x-request-id", identifier.encode()),
            (b"x-envoy-expected-rq-timeout-ms", b"3600000"),
        ]
        try:
            code, answer_headers = await self._forward(
                h11.Request(method=method, target=target, headers=sent), started, bodied=bodied
            )
        except (ConnectionFailed, h11.RemoteProtocolError) as error:
            why = _NO_UPSTREAM.get(getattr(error, "errno", ""), "connection termination")
            text = f"upstream connect error or disconnect/reset before headers. reset reason: {why}".encode()
            await self._drop_upstream()
            if self._down.our_state is h11.SEND_RESPONSE:
                await self._local(
                    503, [(b"content-length", str(len(text)).encode()), (b"content-type", b"text/plain")], text
                )
            code, answer_headers = 503, {}
        latency = int((self._agent.clock.monotonic() - started) * 1e9)
        self._log(record.response(code, latency, answer_headers))
        return True

    def _judge(self, asked: HTTPRequest) -> tuple[bool, Sequence[HTTPRule]]:
        decision = self._redirection.judge()
        redirect = decision.redirect
        if not decision.allowed:
            return False, ()
        if redirect is None:
            return True, ()
        return redirect.unrestricted or http_allows(redirect.http, asked), [
            rule for rule in redirect.http if rule.matches(asked)
        ]

    async def _forward(self, request: Any, started: float, *, bodied: bool) -> tuple[int, dict[str, str]]:
        """Send upstream and pass the response on. Raises ConnectionFailed or RemoteProtocolError."""
        h11 = self._h11
        if self._server is None:
            self._server = await self._open()
            self._up = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        up = self._up
        await self._server.write(up.send(request) + (b"" if bodied else up.send(h11.EndOfMessage())))
        upload = asyncio.ensure_future(self._upload()) if bodied else None
        try:
            code, shown = await self._answer(started)
        except ConnectionFailed:
            if upload is not None and upload.done() and (error := upload.exception()) is not None:
                raise error from None
            raise
        finally:
            if upload is not None and not upload.done():
                upload.cancel()
                await asyncio.wait([upload])
        if up.our_state is h11.DONE and up.their_state is h11.DONE:
            up.start_next_cycle()
        else:
            await self._drop_upstream()
        return code, shown

    async def _upload(self) -> None:
        """The request's body, as it comes. What ends it early ends the connection to the server."""
        h11, up, server = self._h11, self._up, self._server
        assert server is not None
        try:
            while isinstance(event := await self._event(), h11.Data):
                await server.write(up.send(h11.Data(data=bytes(event.data))))
            await server.write(up.send(event))
        except (ConnectionFailed, h11.RemoteProtocolError):
            server.abort()
            raise

    async def _answer(self, started: float) -> tuple[int, dict[str, str]]:
        """Pass the response on; its status and headers."""
        h11, up, server = self._h11, self._up, self._server
        assert server is not None
        code, shown = 0, {}
        while True:
            event = up.next_event()
            if event is h11.NEED_DATA:
                up.receive_data(await server.read())
            elif isinstance(event, h11.InformationalResponse):
                continue
            elif isinstance(event, h11.Response):
                code = event.status_code
                waited = str(int((self._agent.clock.monotonic() - started) * 1000))
                kept = [(name, value) for name, value in event.headers if name not in (*_HOP_BY_HOP, b"server")]
                kept += [(b"server", b"envoy"), (b"x-envoy-upstream-service-time", waited.encode())]
                if self._down.their_state is not h11.DONE:
                    kept.append((b"connection", b"close"))
                shown = {name.decode("latin-1"): value.decode("latin-1") for name, value in kept}
                await self._reply(h11.Response(status_code=code, headers=kept, reason=event.reason))
            elif isinstance(event, h11.Data):
                await self._reply(h11.Data(data=bytes(event.data)))
            elif isinstance(event, h11.EndOfMessage):
                await self._reply(h11.EndOfMessage())
                return code, shown
            else:
                raise ConnectionFailed("ECONNRESET", "Connection reset by peer")

    async def _drop_upstream(self) -> None:
        if self._server is not None:
            await self._server.close()
        self._server = self._up = None

    async def _local(self, status: int, headers: Headers, body: bytes) -> None:
        """Envoy's own answer."""
        h11 = self._h11
        date = self._agent.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").encode()
        await self._reply(
            h11.Response(
                status_code=status, headers=[*headers, (b"date", date), (b"server", b"envoy")], reason=_reason(status)
            )
        )
        await self._reply(h11.Data(data=body))
        await self._reply(h11.EndOfMessage())

    async def _complain(self, error: Any) -> None:
        """What is no HTTP gets Envoy's 400, a head that is too long its 431; the connection ends."""
        if self._down.our_state in (self._h11.IDLE, self._h11.SEND_RESPONSE):
            status = getattr(error, "error_status_hint", 400)
            text = _reason(status)
            head: Headers = [
                (b"content-length", str(len(text)).encode()),
                (b"content-type", b"text/plain"),
                (b"connection", b"close"),
            ]
            await self._local(status, head, text)

    async def _reply(self, event: Any) -> None:
        data = self._down.send(event)
        if data:
            await self._client.write(data)

    def _log(self, l7: flow_pb2.Layer7, *, allowed: bool = True) -> None:
        agent, redirection = self._agent, self._redirection
        kind = "responses" if l7.type == flow_pb2.RESPONSE else "requests"
        key = ProxyKey(redirection.endpoint.id, redirection.direction, "http", redirection.packet.dport, kind)
        agent.tables.count_proxied(key, "forwarded" if allowed else "denied")
        if not agent.tables.observed:
            return
        packet: Packet = redirection.packet
        source, destination = redirection.source, redirection.destination
        if l7.type == flow_pb2.RESPONSE:
            packet, source, destination = packet.reply(), destination, source
        agent.datapath.plane.flows(agent.node).access(
            l7,
            packet,
            source,
            destination,
            direction=redirection.direction,
            verdict=flow_pb2.FORWARDED if allowed else flow_pb2.DROPPED,
            text=l7_summary(l7),
        )


class _Record:
    """The access-log record of one request."""

    def __init__(self, method: str, url: str, protocol: str, headers: dict[str, str]) -> None:
        self._http = flow_pb2.HTTP(method=method, url=url, protocol=protocol)
        self._headers = headers

    def request(self) -> flow_pb2.Layer7:
        return self._make(flow_pb2.REQUEST, self._headers)

    def response(self, code: int, latency: int, headers: dict[str, str]) -> flow_pb2.Layer7:
        made = self._make(flow_pb2.RESPONSE, headers)
        made.http.code, made.latency_ns = code, latency
        return made

    def _make(self, kind: flow_pb2.L7FlowType.ValueType, headers: dict[str, str]) -> flow_pb2.Layer7:
        made = flow_pb2.Layer7(type=kind, http=self._http)
        for name in sorted(headers):
            made.http.headers.add(key=name, value=headers[name])
        return made


def _mutated(headers: Headers, rules: Sequence[HTTPRule]) -> Headers:
    """``headerMatches`` with an action on mismatch: ADD, REPLACE and DELETE change the request, LOG only says so."""
    for rule in rules:
        for wanted in rule.headers:
            if not wanted.mismatch or wanted.mismatch == "LOG":
                continue
            name, value = wanted.name.lower().encode("latin-1"), (wanted.value or "").encode("latin-1")
            present = [found for key, found in headers if key == name]
            if wanted.mismatch == "ADD" and value not in present:
                headers = [*headers, (name, value)]
            elif wanted.mismatch == "REPLACE" and present != [value]:
                headers = [*(item for item in headers if item[0] != name), (name, value)]
            elif wanted.mismatch == "DELETE":
                headers = [item for item in headers if item[0] != name or item[1] == value]
    return headers


def _has_body(request: Any) -> bool:
    """Does something follow the request's head?"""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in request.headers
    )


def _reason(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode()
