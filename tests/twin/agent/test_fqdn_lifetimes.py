"""An address is allowed exactly as long as the rules of names say, whatever happens in which order.

The model below is written from what is known of Cilium, not from the agent's code: an answer counts for its TTL (at
least ``tofqdns-min-ttl``) and until the next run of the garbage collector, which comes every minute; that run makes it
a zombie. The next run removes the zombie, unless its pod has a live connection to the address (or the grace period is
not over), or to another zombie address of the same name: then the name holds for two more minutes, and so on. What any
pod of the node learned counts for all of it. What is more than the limit of addresses per name becomes a zombie at
once, the one that ends first. A connection is alive until both sides have sent their FIN, or conntrack has not seen it
for 8000 seconds: one that only one side closed, or reset, still counts (but a reset ends one whose handshake conntrack
has forgotten, as in bpf/lib/conntrack.h). What a pod learned goes with the pod, and
outlives a restart of the agent, which takes limits as they are then and counts its minutes anew.

The other side is the agent with its DNS proxy, policy, ipcache and conntrack, on a clock that only jumps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import dns.message
import dns.rrset
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lab_helpers.policy.matchpatterns import name_matches
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.interfaces import ByteStream
from tests.twin.agent.clusters import N1, N2, Cluster, echo

IPS = ("203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4")
NAMES = ("api.stripe.com", "files.stripe.com", "cdn.example.com")
LINGERING = IPS[3]
"""The server there never closes."""
PODS = ("a", "b")
Ending = Literal["FIN", "RST"]
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


class Limits(NamedTuple):
    """What ``cilium-config`` says, in seconds and addresses per name."""

    minimum: int
    most: int
    grace: int

    def config(self) -> dict[str, str]:
        return {
            "tofqdns-min-ttl": str(self.minimum),
            "tofqdns-endpoint-max-ip-per-hostname": str(self.most),
            "tofqdns-idle-connection-grace-period": f"{self.grace}s",
        }


LIMITS = st.builds(Limits, st.sampled_from((0, 0, 45)), st.sampled_from((2, 1000)), st.sampled_from((0, 0, 120)))


class Answer(NamedTuple):
    at: float
    ttl: int

    @property
    def until(self) -> float:
        return self.at + self.ttl


class Connection(NamedTuple):
    """``last``: when the pod's last packet left. ``whole``: conntrack has seen its handshake."""

    pod: str
    ip: str
    last: float
    whole: bool = True

    def alive(self, now: float) -> bool:
        return now < self.last + CONNTRACK


@dataclass
class Model:
    """Who is allowed to reach what. Times are seconds since the beginning."""

    limits: Limits
    now: float = 0.0
    collects: float = GC
    """When the garbage collector comes next."""
    answers: dict[tuple[str, str, str], Answer] = field(default_factory=dict)
    """(pod, name, address) → the last one."""
    zombies: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """(pod, address) → names."""
    held: dict[tuple[str, str], float] = field(default_factory=dict)
    """(pod, address) of zombies → when last buried or alive."""
    kept: dict[tuple[str, str], float] = field(default_factory=dict)
    """(name, address) → until when a live connection keeps it."""
    connections: dict[int, Connection] = field(default_factory=dict)
    policies: set[str] = field(default_factory=set)
    unclear: bool = False
    """More zombies than the limit: which ones go first is not for this model to say."""

    def evicts(self, pod: str, name: str, ips: tuple[str, ...], ttl: int) -> tuple[list[str], bool]:
        """Addresses over the limit after an answer, and whether it is clear which ones they are."""
        known = {ip: answer.until for (p, n, ip), answer in self.answers.items() if (p, n) == (pod, name)}
        known.update(dict.fromkeys(ips, self.now + max(ttl, self.limits.minimum)))
        over = max(len(known) - self.limits.most, 0)
        order = sorted(known, key=lambda ip: known[ip])
        clear = not over or known[order[over - 1]] < known[order[over]]
        return order[:over], clear

    def learn(self, pod: str, name: str, ips: tuple[str, ...], ttl: int) -> None:
        out, _ = self.evicts(pod, name, ips, ttl)
        for ip in ips:
            self.answers[pod, name, ip] = Answer(self.now, max(ttl, self.limits.minimum))
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

    def forget(self, pod: str) -> None:
        self.answers = {key: answer for key, answer in self.answers.items() if key[0] != pod}
        self.zombies = {key: names for key, names in self.zombies.items() if key[0] != pod}
        self.held = {key: since for key, since in self.held.items() if key[0] != pod}
        self.connections = {number: one for number, one in self.connections.items() if one[0] != pod}

    def clean(self, pattern: str) -> None:
        self.answers = {key: answer for key, answer in self.answers.items() if not name_matches(pattern, key[1])}
        self.kept = {key: until for key, until in self.kept.items() if not name_matches(pattern, key[0])}
        for names in self.zombies.values():
            names -= {name for name in names if name_matches(pattern, name)}
        self._drop_empty()

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.collects <= end:
            self.now = self.collects
            self._collect()
            self.collects += GC
        self.now = end

    def _collect(self) -> None:
        for key in self.zombies:
            if any(one[:2] == key and one.alive(self.now) for one in self.connections.values()):
                self.held[key] = self.now
        living = [
            key for key in self.zombies if self.now == self.held[key] or self.now - self.held[key] < self.limits.grace
        ]
        saved = {(pod, name) for pod, ip in living for name in self.zombies[pod, ip]}
        for pod, name in saved:
            shared = sum(name in names for (p, _), names in self.zombies.items() if p == pod)
            self.unclear |= shared > self.limits.most
        for (pod, ip), names in list(self.zombies.items()):
            if (pod, ip) in living or any((pod, name) in saved for name in names):
                for name in names:
                    self.kept[name, ip] = self.now + SYNTHETIC
            else:
                del self.zombies[pod, ip], self.held[pod, ip]
        for pod, name, ip in [key for key, answer in self.answers.items() if answer.until <= self.now]:
            self._bury(pod, name, ip)
        self.kept = {key: until for key, until in self.kept.items() if until > self.now}

    def rows(self) -> set[tuple[str, str, str, int, str]]:
        """What ``fqdn cache list`` shows: pod, source, name, TTL, address."""
        found = {(pod, "lookup", name, answer.ttl, ip) for (pod, name, ip), answer in self.answers.items()}
        return found | {(pod, "connection", name, 0, ip) for (pod, ip), names in self.zombies.items() for name in names}

    def names(self, ip: str) -> set[str]:
        found = {name for _, name, known in self.answers if known == ip}
        found |= {name for (_, known), names in self.zombies.items() if known == ip for name in names}
        return found | {name for name, known in self.kept if known == ip}

    def allowed(self, pod: str, ip: str) -> bool:
        matched = {name for policy in self.policies if pod in POLICIES[policy][0] for name in POLICIES[policy][2]}
        return bool(matched & self.names(ip))


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


class Lifetimes(RuleBasedStateMachine):
    @initialize(limits=LIMITS)
    def begin(self, limits: Limits) -> None:
        self.world = World(limits)
        self.model = Model(limits)
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

    @rule(
        pod=st.sampled_from(PODS),
        name=st.sampled_from(NAMES),
        ip=st.sampled_from(IPS),
        more=st.sampled_from((-1, 0, 1)),
    )
    def ask_for_what_ends_with_the_collector(self, pod: str, name: str, ip: str, more: int) -> None:
        """The TTL is over when it comes, or a second before or after; then it comes."""
        left = int(self.model.collects - self.model.now)
        self.look_up(pod, name, [ip], left + more)
        self.wait(left)

    @rule(pod=st.sampled_from(PODS), name=st.sampled_from(NAMES), ips=st.permutations(IPS))
    def ask_for_more_than_the_limit(self, pod: str, name: str, ips: list[str]) -> None:
        """A name that rotates, one address for each answer."""
        for number, ip in enumerate(ips[:3]):
            self.look_up(pod, name, [ip], 70 + number)

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

    @rule(before=st.sampled_from((0, 1, 9, 11)))
    def wait_for_the_collector(self, before: int) -> None:
        """Until so many seconds before it comes."""
        self.wait(max(int(self.model.collects - self.model.now) - before, 0))

    @precondition(lambda self: self.model.connections)
    @rule()
    def wait_until_conntrack_forgets(self) -> None:
        self.wait(8001)

    @rule(pod=st.sampled_from(PODS))
    def replace_a_pod(self, pod: str) -> None:
        self.world.run(self.world.replace(pod))
        self.streams = {n: one for n, one in self.streams.items() if self.model.connections[n][0] != pod}
        self.model.forget(pod)

    @rule(limits=LIMITS)
    def restart_the_agent(self, limits: Limits) -> None:
        self.world.run(self.world.restart(limits))
        self.model.limits, self.model.collects = limits, self.model.now + GC

    @rule(pattern=st.sampled_from(("api.stripe.com", "*.stripe.com")))
    def clean_the_cache(self, pattern: str) -> None:
        self.world.cluster.agents.agent(N1).names.clean(pattern)
        self.model.clean(pattern)

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
            self.model.connections[self.numbers] = Connection(pod, ip, self.model.now)

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def talk(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.streams)))
        one = self.model.connections[number]
        allowed, alive = self.model.allowed(one.pod, one.ip), one.alive(self.model.now)
        answered = self.world.run(self.world.at_once(self.world.talk(self.streams[number])))
        assert self.model.unclear or bool(answered) == allowed
        if allowed or alive:
            self.model.connections[number] = one._replace(last=self.model.now, whole=one.whole and alive)

    @precondition(lambda self: self.streams)
    @rule(data=st.data(), how=st.sampled_from(("FIN", "RST")))
    def end_a_connection(self, data: st.DataObject, how: Ending) -> None:
        self.end(data.draw(st.sampled_from(sorted(self.streams))), how)

    def end(self, number: int, how: Ending) -> None:
        one = self.model.connections[number]
        if not self.model.allowed(one.pod, one.ip):  # the last packet is dropped as well, and sent again and again
            return
        stream = self.streams.pop(number)
        if how == "FIN":
            self.world.run(stream.close())
        else:
            stream.abort()
        self.world.run(self.world.cluster.settle())
        whole = one.whole and one.alive(self.model.now)
        if (how == "FIN" and one.ip != LINGERING) or (how == "RST" and not whole):
            del self.model.connections[number]
        else:
            self.model.connections[number] = one._replace(last=self.model.now, whole=whole)

    @rule(
        pod=st.sampled_from(PODS),
        name=st.sampled_from(NAMES),
        ips=st.lists(st.sampled_from(IPS), min_size=1, max_size=2, unique=True),
        shared=st.booleans(),
        how=st.sampled_from(("FIN", "RST")),
        before=st.sampled_from((1, 9, 11)),
        after=st.sampled_from((0, 61)),
    )
    def end_just_before_the_collector(
        self, pod: str, name: str, ips: list[str], shared: bool, how: Ending, before: int, after: int
    ) -> None:
        """A connection to one address of a name outlives the name, then ends so many seconds before conntrack is
        asked for it. ``shared``: the other pod knows the name, too, and has no connection.
        """
        for one in PODS if shared else (pod,):
            self.look_up(one, name, ips, 5)
        self.connect(pod, ips[0])
        self.wait(120)
        self.wait_for_the_collector(before)
        if self.numbers in self.streams and self.model.connections[self.numbers][:2] == (pod, ips[0]):
            self.end(self.numbers, how)
        self.wait(before + after)

    @invariant()
    def every_address_is_judged_as_the_rules_say(self) -> None:
        if not hasattr(self, "world") or self.model.unclear:
            return
        assert self.world.rows() == self.model.rows()
        for pod in PODS:
            for ip in IPS:
                assert self.world.decides(pod, ip) == self.model.allowed(pod, ip), (pod, ip, self.model)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()


PHASES = tuple(set(Phase) - {Phase.explain})  # which lines to blame is found by tracing each of them: four times slower


class TestLifetimes(Lifetimes.TestCase):
    settings = settings(max_examples=25, stateful_step_count=25, deadline=None, phases=PHASES)


@pytest.mark.slow
@pytest.mark.timeout(1800)
class TestManyLifetimes(Lifetimes.TestCase):
    settings = settings(max_examples=300, stateful_step_count=60, deadline=None, phases=PHASES)
