"""The agent's DNS proxy: judges names, forwards what is allowed, and tells the name cache what was answered.

Follows Cilium pkg/fqdn/dnsproxy and pkg/fqdn/messagehandler. The answer reaches the pod after the datapath knows
its addresses. While the agent is down nobody answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.hubble.summaries import l7_summary
from lab_helpers.policy.requests import dns_allows
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.datapath.packets import Packet
from lab_helpers.twin.datapath.proxies import Redirection
from lab_helpers.twin.datapath.tables import ProxyKey
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

if TYPE_CHECKING:
    from dns.message import Message

__all__ = ["DnsProxy"]

_NO_TTL: Final = 4294967295
_KEPT: Final = ("A", "AAAA")


class DnsProxy:
    """Implements ``datapath.proxies.Proxy`` for one node."""

    def __init__(self, agent: NodeAgent) -> None:
        self._agent = agent

    async def stream(
        self, redirection: Redirection, client: ByteStream, upstream: Callable[[], Awaitable[ByteStream]]
    ) -> None:
        """DNS over TCP: messages with a length in front (RFC 1035 4.2.2)."""
        server: ByteStream | None = None
        try:
            while True:
                query = await _message(client)
                if query is None:
                    return
                if server is None:
                    server = await upstream()
                opened = server

                async def forward(payload: bytes) -> bytes:
                    await opened.write(len(payload).to_bytes(2, "big") + payload)  # noqa: B023 - used before the next turn
                    answer = await _message(opened)  # noqa: B023
                    if answer is None:
                        raise ConnectionFailed("ECONNRESET", "Connection reset by peer")
                    return answer

                answer = await self.datagram(redirection, query, forward)
                if answer is not None:
                    await client.write(len(answer).to_bytes(2, "big") + answer)
        finally:
            if server is not None:
                await server.close()

    async def datagram(
        self, redirection: Redirection, payload: bytes, forward: Callable[[bytes], Awaitable[bytes]]
    ) -> bytes | None:
        """Judge one query, forward it, learn from the answer."""
        import dns.exception
        import dns.message
        import dns.rcode
        import dns.rdatatype

        agent = self._agent
        if not agent.running:
            return None
        try:
            query = dns.message.from_wire(payload)
        except dns.exception.DNSException:
            return None
        if not query.question:
            return None
        question = query.question[0]
        name = question.name.to_text().lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        asked = flow_pb2.Layer7(type=flow_pb2.REQUEST)
        asked.dns.query, asked.dns.observation_source = name, "proxy"
        asked.dns.qtypes.append(kind)
        packet = redirection.packet
        began = agent.clock.monotonic()
        if not self._allowed(redirection, name):
            self._time("denied", began, began)
            self._log(redirection, asked, packet, flow_pb2.DROPPED)
            refusal = dns.message.make_response(query)
            code = dns.rcode.NXDOMAIN if agent.settings.dns_refuse_code == "nameError" else dns.rcode.REFUSED
            refusal.set_rcode(code)
            return refusal.to_wire()
        self._log(redirection, asked, packet, flow_pb2.FORWARDED)
        started = agent.clock.monotonic()
        try:
            raw = await forward(payload)
            answer = dns.message.from_wire(raw)
        except (ConnectionFailed, dns.exception.DNSException):
            self._time("timeout", began, started)
            return None
        self._time("allow", began, started)
        told = self._answered(answer, name, kind)
        told.latency_ns = max(int((agent.clock.monotonic() - started) * 1e9), 1)
        if told.dns.ips and not told.dns.rcode:
            agent.names.learn(redirection.endpoint.id, name, list(told.dns.ips), told.dns.ttl)
        self._log(redirection, told, packet.reply(), flow_pb2.FORWARDED)
        return raw

    def _time(self, became: str, began: float, asked: float) -> None:
        """Observe what was waited for since the query came, and since it was passed on (``asked``; 0 s if it was
        not).
        """
        now = self._agent.clock.monotonic()
        times = self._agent.upstream_times
        times.observe((became, "dns", "totalTime"), now - began)
        times.observe((became, "dns", "upstreamTime"), 0.0 if became == "denied" else now - asked)

    def _allowed(self, redirection: Redirection, name: str) -> bool:
        decision = redirection.judge()
        redirect = decision.redirect
        if not decision.allowed:
            return False
        return redirect is None or redirect.unrestricted or dns_allows(redirect.dns, name)

    @staticmethod
    def _answered(answer: Message, name: str, kind: str) -> flow_pb2.Layer7:
        import dns.rdatatype

        told = flow_pb2.Layer7(type=flow_pb2.RESPONSE)
        record = told.dns
        record.query, record.observation_source, record.rcode = name, "proxy", int(answer.rcode())
        record.qtypes.append(kind)
        ttl = _NO_TTL
        for rrset in answer.answer:
            shown = dns.rdatatype.to_text(rrset.rdtype)
            for item in rrset:
                record.rrtypes.append(shown)
                if shown in _KEPT:
                    record.ips.append(item.to_text())
                elif shown == "CNAME":
                    record.cnames.append(item.to_text())
            if shown in (*_KEPT, "CNAME"):
                ttl = min(ttl, rrset.ttl)  # the lowest of the chain: the whole answer is good for no longer
        record.ttl = ttl
        return told

    def _log(
        self, redirection: Redirection, l7: flow_pb2.Layer7, packet: Packet, verdict: flow_pb2.Verdict.ValueType
    ) -> None:
        agent = self._agent
        kind = "responses" if l7.type == flow_pb2.RESPONSE else "requests"
        key = ProxyKey(redirection.endpoint.id, redirection.direction, "dns", redirection.packet.dport, kind)
        agent.tables.count_proxied(key, "denied" if verdict == flow_pb2.DROPPED else "forwarded")
        if not agent.tables.observed:
            return
        source, destination = redirection.source, redirection.destination
        if l7.type == flow_pb2.RESPONSE:
            source, destination = destination, source
        agent.datapath.plane.flows(agent.node).access(
            l7, packet, source, destination, direction=redirection.direction, verdict=verdict, text=l7_summary(l7)
        )


async def _message(stream: ByteStream) -> bytes | None:
    """One length-prefixed message; None at the end of the stream."""
    data = b""
    while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
        wanted = 2 if len(data) < 2 else 2 + int.from_bytes(data[:2], "big")
        more = await stream.read(wanted - len(data))
        if not more:
            return None
        data += more
    return data[2:]
