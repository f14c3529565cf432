"""An address is allowed exactly as long as the rules of names say, whatever happens in which order.

The model below is written from what is known of Cilium, not from the agent's code: an answer counts for its TTL (at
least ``tofqdns-min-ttl``) and until the next run of the garbage collector, which comes every minute; that run makes it
a zombie. The next run removes the zombie, unless its pod has a live connection to the address (or the grace period is
not over), or to another zombie address of the same name: then the name holds for two more minutes, and so on. What any
pod of the node learned counts for all of it. What is more than the limit of addresses per name becomes a zombie at
once, the one that ends first.

The other side is the agent with its DNS proxy, policy, ipcache and conntrack, on a clock that only jumps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import dns.message
import dns.rrset
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.interfaces import ByteStream
from tests.twin.agent.clusters import N1, N2, Cluster, echo

IPS = ("203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4")
NAMES = ("api.stripe.com", "files.stripe.com", "cdn.example.com")
PODS = ("a", "b")
GC, SYNTHETIC, CONNTRACK = 60.0, 120.0, 8000.0
POLICIES = {
    "stripe": (("a", "b"), {"matchPattern": "*.stripe.com"}, ("api.stripe.com", "files.stripe.com")),
    "api": (("b",), {"matchName": "api.stripe.com"}, ("api.stripe.com",)),
    "cdn": (("a",), {"matchName": "cdn.example.com"}, ("cdn.example.com",)),
}
"""Name → pods, element of ``toFQDNs``, names that it matches."""
DNS_FOR_ALL = {
    "endpointSelector": {"matchLabels": {"calls": "outside"}},
    "egress": [
        {
            "toEndpoints": [{"matchLabels": {"app": "dns"}}],
            "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}],
        }
    ],
}


@dataclass
class Model:
    """Who is allowed to reach what. Times are seconds since the agent started."""

    minimum: int
    limit: int
    grace: float
    now: float = 0.0
    answers: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """(pod, name, address) → when it ends."""
    zombies: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """(pod, address) → names."""
    held: dict[tuple[str, str], float] = field(default_factory=dict)
    """(pod, address) of zombies → when last buried or alive."""
    kept: dict[tuple[str, str], float] = field(default_factory=dict)
    """(name, address) → until when a live connection keeps it."""
    connections: dict[int, tuple[str, str, float]] = field(default_factory=dict)
    """Open connection → pod, address, last packet of the pod."""
    policies: set[str] = field(default_factory=set)
    unclear: bool = False
    """More zombies than the limit: which ones go first is not for this model to say."""

    def evicts(self, pod: str, name: str, ips: tuple[str, ...], ttl: int) -> tuple[list[str], bool]:
        """Addresses over the limit after an answer, and whether it is clear which ones they are."""
        known = {ip: until for (p, n, ip), until in self.answers.items() if (p, n) == (pod, name)}
        known.update(dict.fromkeys(ips, self.now + max(ttl, self.minimum)))
        over = max(len(known) - self.limit, 0)
        order = sorted(known, key=lambda ip: known[ip])
        clear = not over or known[order[over - 1]] < known[order[over]]
        return order[:over], clear

    def learn(self, pod: str, name: str, ips: tuple[str, ...], ttl: int) -> None:
        out, _ = self.evicts(pod, name, ips, ttl)
        for ip in ips:
            self.answers[pod, name, ip] = self.now + max(ttl, self.minimum)
            self.zombies.get((pod, ip), set()).discard(name)
        self._drop_empty()
        for ip in out:
            self._bury(pod, name, ip)

    def _bury(self, pod: str, name: str, ip: str) -> None:
        del self.answers[pod, name, ip]
        self.zombies.setdefault((pod, ip), set()).add(name)
        self.held[pod, ip] = self.now

    def _drop_empty(self) -> None:
        for key in [key for key, names in self.zombies.items() if not names]:
            del self.zombies[key]
            del self.held[key]

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        moment = (self.now // GC + 1) * GC
        while moment <= end:
            self.now = moment
            self._collect()
            moment += GC
        self.now = end

    def _collect(self) -> None:
        for key in self.zombies:
            if any((p, i) == key and self.now < last + CONNTRACK for p, i, last in self.connections.values()):
                self.held[key] = self.now
        living = [key for key in self.zombies if self.now == self.held[key] or self.now - self.held[key] < self.grace]
        saved = {(pod, name) for pod, ip in living for name in self.zombies[pod, ip]}
        for pod, name in saved:
            shared = sum(name in names for (p, _), names in self.zombies.items() if p == pod)
            self.unclear |= shared > self.limit
        for (pod, ip), names in list(self.zombies.items()):
            if (pod, ip) in living or any((pod, name) in saved for name in names):
                for name in names:
                    self.kept[name, ip] = self.now + SYNTHETIC
            else:
                del self.zombies[pod, ip], self.held[pod, ip]
        for pod, name, ip in [key for key, until in self.answers.items() if until <= self.now]:
            self._bury(pod, name, ip)
        self.kept = {key: until for key, until in self.kept.items() if until > self.now}

    def names(self, ip: str) -> set[str]:
        found = {name for _, name, known in self.answers if known == ip}
        found |= {name for (_, known), names in self.zombies.items() if known == ip for name in names}
        return found | {name for name, known in self.kept if known == ip}

    def allowed(self, pod: str, ip: str) -> bool:
        matched = {name for policy in self.policies if pod in POLICIES[policy][0] for name in POLICIES[policy][2]}
        return bool(matched & self.names(ip))


class World:
    """One node with two pods, a resolver on another node, and servers outside."""

    def __init__(self, minimum: int, limit: int, grace: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.zone: dict[str, tuple[tuple[str, ...], int]] = {}
        self.cluster = Cluster(
            {
                "tofqdns-min-ttl": str(minimum),
                "tofqdns-endpoint-max-ip-per-hostname": str(limit),
                "tofqdns-idle-connection-grace-period": f"{grace}s",
            }
        )
        self.run(self.start())

    def run(self, what: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(what)

    async def start(self) -> None:
        cluster = self.cluster
        await cluster.start()
        for pod in PODS:
            cluster.pod(pod, N1, labels={"app": pod, "calls": "outside"})
        cluster.pod("dns", N2).bind(53, self.answer)
        for ip in IPS:
            cluster.datapath.outside(ip).listen(443, echo)
        cluster.cnp("dns", DNS_FOR_ALL)
        await cluster.settle()
        cluster.agents.agent(N1).tables.observers.clear()  # nobody looks at flows here

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


class Lifetimes(RuleBasedStateMachine):
    @initialize(
        minimum=st.sampled_from((0, 0, 45)), limit=st.sampled_from((2, 1000)), grace=st.sampled_from((0, 0, 90))
    )
    def begin(self, minimum: int, limit: int, grace: int) -> None:
        self.world = World(minimum, limit, grace)
        self.model = Model(minimum, limit, float(grace))
        self.streams: dict[int, ByteStream] = {}
        self.numbers = 0
        for policy in ("stripe", "cdn"):
            self.add_or_remove_a_policy(policy)

    def add_or_remove_a_policy(self, policy: str) -> None:
        cluster = self.world.cluster
        pods, element, _ = POLICIES[policy]
        if policy in self.model.policies:
            cluster.registry.delete("ciliumnetworkpolicies.cilium.io", policy, "shop")
            self.model.policies.discard(policy)
        else:
            selector = {"matchExpressions": [{"key": "app", "operator": "In", "values": list(pods)}]}
            egress = {"toFQDNs": [element], "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}]}
            cluster.cnp(policy, {"endpointSelector": selector, "egress": [egress]})
            self.model.policies.add(policy)
        self.world.run(cluster.settle())

    @rule(
        pod=st.sampled_from(PODS),
        name=st.sampled_from(NAMES),
        ips=st.lists(st.sampled_from(IPS), min_size=1, max_size=2, unique=True),
        ttl=st.sampled_from((0, 5, 30, 59, 60, 61, 150)),
    )
    def ask(self, pod: str, name: str, ips: list[str], ttl: int) -> None:
        self.look_up(pod, name, ips, ttl)

    def look_up(self, pod: str, name: str, ips: list[str], ttl: int) -> None:
        if not self.model.evicts(pod, name, tuple(ips), ttl)[1]:
            ips = ips[:1]
        if not self.model.evicts(pod, name, tuple(ips), ttl)[1]:
            return
        self.world.zone[name] = (tuple(ips), ttl)
        self.world.run(self.world.lookup(pod, name))
        self.model.learn(pod, name, tuple(ips), ttl)

    @rule(seconds=st.sampled_from((1, 5, 30, 59, 60, 60, 61, 125, 300)))
    def let_time_pass(self, seconds: int) -> None:
        self.wait(seconds)

    def wait(self, seconds: int) -> None:
        self.world.run(self.world.cluster.clock.advance(seconds))
        self.model.wait(seconds)

    @precondition(lambda self: self.streams)
    @rule()
    def wait_until_conntrack_forgets(self) -> None:
        self.wait(8001)

    @rule(policy=st.sampled_from(sorted(POLICIES)))
    def change_policy(self, policy: str) -> None:
        self.add_or_remove_a_policy(policy)

    @rule(pod=st.sampled_from(PODS), name=st.sampled_from(NAMES), ip=st.sampled_from(IPS))
    def look_up_and_connect(self, pod: str, name: str, ip: str) -> None:
        self.look_up(pod, name, [ip], 5)
        self.connect(pod, ip)

    @rule(pod=st.sampled_from(PODS), ip=st.sampled_from(IPS))
    def try_to_connect(self, pod: str, ip: str) -> None:
        self.connect(pod, ip)

    def connect(self, pod: str, ip: str) -> None:
        stream = self.world.run(self.world.at_once(self.world.cluster.sockets(pod).connect(ip, 443)))
        assert self.model.unclear or (stream is not None) == self.model.allowed(pod, ip)
        if stream is not None:
            self.numbers += 1
            self.streams[self.numbers] = stream
            self.model.connections[self.numbers] = (pod, ip, self.model.now)

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def talk(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.streams)))
        pod, ip, last = self.model.connections[number]
        allowed = self.model.allowed(pod, ip)
        answered = self.world.run(self.world.at_once(self.world.talk(self.streams[number])))
        assert self.model.unclear or bool(answered) == allowed
        if allowed or self.model.now < last + CONNTRACK:
            self.model.connections[number] = (pod, ip, self.model.now)

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def close_a_connection(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.streams)))
        pod, ip, _ = self.model.connections[number]
        if self.model.allowed(pod, ip):  # else the FIN is dropped as well, and the connection lingers
            self.world.run(self.streams.pop(number).close())
            self.world.run(self.world.cluster.settle())
            del self.model.connections[number]

    @invariant()
    def every_address_is_judged_as_the_rules_say(self) -> None:
        if not hasattr(self, "world") or self.model.unclear:
            return
        for pod in PODS:
            for ip in IPS:
                assert self.world.decides(pod, ip) == self.model.allowed(pod, ip), (pod, ip, self.model)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()


class TestLifetimes(Lifetimes.TestCase):
    settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


@pytest.mark.slow
class TestManyLifetimes(Lifetimes.TestCase):
    settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
