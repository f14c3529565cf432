"""The name cache under any order of lookups, waiting, connections and collections."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lab_helpers.policy.matchpatterns import FQDNSelector
from lab_helpers.twin.agent.names import NameCache
from lab_helpers.twin.clock import ManualClock

IPS = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
NAMES = ("api.stripe.com", "cdn.example.com")


class Cache:
    def __init__(self, minimum: int = 0, most: int = 1000, grace: float = 0.0) -> None:
        self.clock = ManualClock()
        self.live: set[tuple[str, str]] = set()
        self.changes = 0
        self.cache = NameCache(
            self.clock,
            limits=lambda: (minimum, most, grace, 10000),
            connections=lambda: self.live,
            address=lambda number: f"10.0.0.{number}",
            changed=self.changed,
        )

    def changed(self) -> None:
        self.changes += 1

    def wait(self, seconds: float) -> None:
        asyncio.run(self.clock.advance(seconds))


class Machine(RuleBasedStateMachine):
    """The model: an address keeps a name from the lookup until the second collection after its TTL."""

    @initialize()
    def start(self) -> None:
        self.world = Cache()
        self.until: dict[tuple[int, str, str], float] = {}
        self.doomed: set[tuple[int, str, str]] = set()

    @rule(endpoint=st.integers(1, 2), name=st.sampled_from(NAMES), ip=st.sampled_from(IPS), ttl=st.integers(0, 200))
    def learn(self, endpoint: int, name: str, ip: str, ttl: int) -> None:
        self.world.cache.learn(endpoint, name, [ip], ttl)
        self.until[endpoint, name, ip] = self.world.clock.monotonic() + ttl
        self.doomed.discard((endpoint, name, ip))

    @rule(seconds=st.integers(1, 120))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule()
    def collect(self) -> None:
        self.world.cache.collect()
        now = self.world.clock.monotonic()
        for key in self.doomed:
            self.until.pop(key, None)
        self.doomed = {key for key, until in self.until.items() if until <= now}

    @invariant()
    def addresses_are_known_exactly_as_long_as_the_rules_say(self) -> None:
        expected: dict[str, set[str]] = {}
        for _, name, ip in self.until:
            expected.setdefault(ip, set()).add(f"{name}.")
        assert self.world.cache.addresses() == expected


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestNameCache = Machine.TestCase


def test_the_minimum_ttl_wins() -> None:
    world = Cache(minimum=3600)
    world.cache.learn(1, NAMES[0], [IPS[0]], 5)
    (row,) = world.cache.rows()
    assert (row.name, row.ttl, row.source) == ("api.stripe.com.", 3600, "lookup")


def test_more_addresses_than_allowed_evict_the_oldest() -> None:
    world = Cache(most=2)
    for number, ip in enumerate(IPS):
        world.cache.learn(1, NAMES[1], [ip], 60 + number)
    assert sorted(ip for row in world.cache.rows() if row.source == "lookup" for ip in row.ips) == sorted(IPS[1:])
    assert set(world.cache.addresses()) == set(IPS)
    world.cache.collect()
    assert set(world.cache.addresses()) == set(IPS[1:])


def test_a_connection_keeps_an_expired_address() -> None:
    world = Cache()
    world.cache.learn(1, NAMES[0], [IPS[0]], 10)
    world.live.add(("10.0.0.1", IPS[0]))
    for _ in range(5):
        world.wait(60)
        world.cache.collect()
    assert set(world.cache.addresses()) == {IPS[0]}
    world.live.clear()
    world.cache.collect()
    world.wait(121)
    world.cache.collect()
    assert world.cache.addresses() == {}


def test_the_grace_period_holds_idle_addresses() -> None:
    world = Cache(grace=300)
    world.cache.learn(1, NAMES[0], [IPS[0]], 10)
    for _ in range(4):
        world.wait(60)
        world.cache.collect()
    assert world.cache.addresses()
    for _ in range(8):
        world.wait(60)
        world.cache.collect()
    assert not world.cache.addresses()


def test_labels_follow_the_selectors_that_match() -> None:
    world = Cache()
    world.cache.learn(1, NAMES[0], [IPS[0]], 10)
    world.cache.learn(1, NAMES[1], [IPS[0], IPS[1]], 10)
    selectors = [FQDNSelector(match_pattern="*.stripe.com"), FQDNSelector(match_name="cdn.example.com")]
    labels = {ip: {label.key for label in found} for ip, found in world.cache.labels(selectors).items()}
    assert labels == {IPS[0]: {"*.stripe.com", "cdn.example.com"}, IPS[1]: {"cdn.example.com"}}


def test_cleaning_forgets_by_pattern() -> None:
    world = Cache()
    world.cache.learn(1, NAMES[0], [IPS[0]], 10)
    world.cache.learn(1, NAMES[1], [IPS[1]], 10)
    world.cache.clean("*.stripe.com")
    assert world.cache.addresses() == {IPS[1]: {"cdn.example.com."}}
    world.cache.forget(1)
    assert world.cache.addresses() == {}


@pytest.mark.parametrize(("ip", "names"), [(IPS[0], ("api.stripe.com",)), (IPS[1], ())])
def test_flows_name_what_the_endpoint_asked_for(ip: str, names: tuple[str, ...]) -> None:
    world = Cache()
    world.cache.learn(1, "API.stripe.com.", [IPS[0]], 10)
    assert world.cache.names_of(1, ip) == names
    assert world.cache.names_of(2, ip) == ()
