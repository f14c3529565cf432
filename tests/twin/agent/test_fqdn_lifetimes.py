"""An address is allowed exactly as long as the rules of names say, whatever happens in which order.

``name_lifetimes`` has the model of what must be, ``name_worlds`` the agent and what is around it.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lab_helpers.twin.interfaces import ByteStream
from tests.twin.agent.clusters import N1
from tests.twin.agent.name_lifetimes import (
    GC,
    IPS,
    LINGERING,
    NAMES,
    PODS,
    POLICIES,
    Connection,
    Ending,
    Limits,
    Model,
)
from tests.twin.agent.name_worlds import World

LIMITS = st.builds(Limits, st.sampled_from((0, 0, 45)), st.sampled_from((2, 1000)), st.sampled_from((0, 0, 120)))


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
