"""The agent with its DNS proxy, policy, ipcache and conntrack among pods and servers, on a clock that only jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import dns.message
import dns.rrset

from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.interfaces import ByteStream
from tests.twin.agent.clusters import N1, N2, Cluster, echo
from tests.twin.agent.name_lifetimes import IPS, LINGERING, PODS, Limits

DNS_FOR_ALL = {
    "endpointSelector": {"matchLabels": {"calls": "outside"}},
    "egress": [
        {
            "toEndpoints": [{"matchLabels": {"app": "dns"}}],
            "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}],
        }
    ],
}


class World:
    """One node with two pods, a resolver on another node, and servers outside."""

    def __init__(self, limits: Limits) -> None:
        self.loop = asyncio.new_event_loop()
        self.zone: dict[str, tuple[tuple[str, ...], int]] = {}
        self.cluster = Cluster(limits.config())
        self.run(self.start())

    def run(self, what: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(what)

    async def start(self) -> None:
        cluster = self.cluster
        await cluster.start()
        for pod in PODS:
            self.create(pod)
        cluster.pod("dns", N2).bind(53, self.answer)
        for ip in IPS:
            cluster.datapath.outside(ip).listen(443, lingering if ip == LINGERING else echo)
        cluster.cnp("dns", DNS_FOR_ALL)
        await cluster.settle()
        cluster.agents.agent(N1).tables.observers.clear()  # nobody looks at flows here

    def create(self, pod: str) -> None:
        self.cluster.pod(pod, N1, labels={"app": pod, "calls": "outside"})

    async def replace(self, pod: str) -> None:
        self.cluster.delete_pod(pod)
        await self.cluster.settle()
        self.create(pod)
        await self.cluster.settle()

    async def restart(self, limits: Limits) -> None:
        cluster = self.cluster
        cluster.agents.agent(N1).stop()
        cluster.config = limits.config()
        cluster.start_agent(N1)
        await cluster.settle()
        cluster.agents.agent(N1).tables.observers.clear()

    def rows(self) -> set[tuple[str, str, str, int, str]]:
        agent = self.cluster.agents.agent(N1)
        pods = {endpoint.id: endpoint.datapath.pod for endpoint in agent.endpoints.values()}
        return {
            (pods[row.endpoint], row.source, row.name.removesuffix("."), row.ttl, ip)
            for row in agent.names.rows()
            for ip in row.ips
        }

    async def answer(self, payload: bytes, _source: tuple[str, int]) -> bytes:
        query = dns.message.from_wire(payload)
        reply = dns.message.make_response(query)
        ips, ttl = self.zone[query.question[0].name.to_text().rstrip(".")]
        reply.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", "A", *ips))
        return reply.to_wire()

    async def lookup(self, pod: str, name: str) -> None:
        resolver, query = self.cluster.sockets("dns").ip, dns.message.make_query(name, "A")
        await self.cluster.sockets(pod).exchange(resolver, 53, query.to_wire(), timeout=2)

    async def at_once(self, what: Awaitable[Any]) -> Any:
        """The result, if it comes without waiting; else None."""
        task = asyncio.ensure_future(what)
        await self.cluster.settle()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        return None

    async def talk(self, stream: ByteStream) -> bool:
        await stream.write(b"hello")
        return await stream.read() == b"hello"

    def decides(self, pod: str, ip: str) -> bool:
        """What the pod's policy map says about a new connection."""
        agent = self.cluster.agents.agent(N1)
        endpoint = next(one for one in agent.endpoints.values() if one.datapath.pod == pod).datapath
        assert endpoint.policy is not None
        peer = agent.tables.ipcache.lookup(ip).identity
        return endpoint.policy.decide(Direction.EGRESS, peer, Protocol.TCP, 443).allowed

    def close(self) -> None:
        self.run(self.cluster.agents.stop())
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.run(asyncio.wait(tasks))
        self.loop.close()


async def lingering(stream: ByteStream) -> None:
    """Echo, and keep the connection when the client has closed it."""
    while data := await stream.read():
        await stream.write(data)
    await asyncio.Event().wait()
