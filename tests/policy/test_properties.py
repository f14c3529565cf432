"""What holds for every set of policies."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from lab_helpers.policy import (
    Action,
    Direction,
    Endpoint,
    Identity,
    NamedPort,
    PolicyConfig,
    PolicyError,
    Protocol,
    Repository,
    name_matches,
    parse,
    parse_label,
    parse_labels,
    parse_prefix,
    policy_map,
)
from lab_helpers.policy.matchpatterns import normalized
from lab_helpers.policy.paths import render, split
from lab_helpers.policy.policymaps import port_prefixes
from lab_helpers.policy.populations import positions_of
from lab_helpers.policy.reachability import Target, difference, full_matrix, reachability, transposed

from .conftest import cast, policy

CONFIG = PolicyConfig(cluster_network_policy=True)
PORTS = [(Protocol.TCP, 80), (Protocol.TCP, 8080), (Protocol.UDP, 53), (Protocol.ICMP, 8)]
# no shrinking: an example is small as it is, and CI should fail soon
quick = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def everyone() -> list[Endpoint]:
    identities, named = cast()
    return [
        Endpoint(
            name,
            Identity(item["id"], parse_labels(item["labels"])),
            tuple(NamedPort(key, port["port"], port["protocol"]) for key, port in named[name].items()),
        )
        for name, item in identities.items()
    ]


# an initialising endpoint is left out: its exemption of the host begins with the first rule, even a deny
EVERYONE = [
    endpoint
    for endpoint in everyone()
    if endpoint.name in ("frontend", "backend", "intruder", "dns", "far", "host", "world", "node", "office")
]

labels = st.dictionaries(
    st.sampled_from(["app", "tier", "k8s:app", "any:app"]), st.sampled_from(["frontend", "backend", "api"]), max_size=2
)
expressions = st.lists(
    st.one_of(
        st.builds(
            lambda key, operator, values: {"key": key, "operator": operator, "values": values},
            st.sampled_from(["app", "tier", "io.kubernetes.pod.namespace"]),
            st.sampled_from(["In", "NotIn"]),
            st.lists(st.sampled_from(["frontend", "backend", "shop", "dev"]), min_size=1, max_size=2),
        ),
        st.builds(
            lambda key, operator: {"key": key, "operator": operator},
            st.sampled_from(["app", "tier", "reserved:world"]),
            st.sampled_from(["Exists", "DoesNotExist"]),
        ),
    ),
    max_size=1,
)
selectors = st.builds(lambda match, exprs: {"matchLabels": match, "matchExpressions": exprs}, labels, expressions)
ports = st.lists(
    st.builds(
        lambda port, protocol, end: {"port": port, "protocol": protocol} | ({"endPort": end} if end else {}),
        st.sampled_from(["80", "8080", "0", "53", "http", "1"]),
        st.sampled_from(["TCP", "UDP", "ANY"]),
        st.sampled_from([0, 0, 90, 9000]),
    ),
    min_size=1,
    max_size=2,
)


def peers(way: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.builds(lambda found: {f"{way}Endpoints": found}, st.lists(selectors, min_size=1, max_size=2)),
        st.builds(
            lambda found: {f"{way}Entities": found},
            st.lists(st.sampled_from(["all", "world", "cluster", "host", "remote-node"]), min_size=1, max_size=2),
        ),
        st.builds(
            lambda found: {f"{way}CIDR": [found]}, st.sampled_from(["192.0.2.0/24", "0.0.0.0/0", "192.0.2.9/32"])
        ),
    )


def elements(way: str, *, l7: bool = True) -> st.SearchStrategy[dict[str, Any]]:
    def made(who: dict[str, Any], where: list[dict[str, Any]] | None, judged: bool) -> dict[str, Any]:
        if where is None:
            return who
        rules: dict[str, Any] = {"ports": where}
        numeric = all(port["protocol"] == "TCP" and port["port"] != "0" for port in where)
        if judged and l7 and numeric:
            rules["rules"] = {"http": [{"method": "GET"}]}
        return {**who, "toPorts": [rules]}

    return st.builds(made, peers(way), st.none() | ports, st.booleans())


@st.composite
def specs(draw: st.DrawFn, *, sections: tuple[str, ...] = ("ingress", "ingressDeny", "egress", "egressDeny")) -> Any:
    spec: dict[str, Any] = {"endpointSelector": draw(selectors)}
    for section in sections:
        way = "from" if section.startswith("ingress") else "to"
        found = draw(st.lists(elements(way, l7=not section.endswith("Deny")), max_size=2))
        if found:
            spec[section] = found
    assume(any(section in spec for section in sections))
    return spec


policies = st.lists(
    st.builds(lambda kind, spec: (kind, spec), st.sampled_from(["cnp", "ccnp"]), specs()), min_size=1, max_size=4
)


def parsed(written: list[tuple[str, Any]]) -> list[Any]:
    found = []
    for number, (kind, spec) in enumerate(written):
        try:
            found.append(parse(policy(kind, spec, name=f"p{number}"), CONFIG))
        except PolicyError:
            assume(False)
    return found


def repository(objects: list[Any]) -> Repository:
    made = Repository(CONFIG)
    for endpoint in EVERYONE:
        made.upsert_endpoint(endpoint)
    for item in objects:
        made.upsert(item)
    return made


def answers(made: Repository) -> dict[tuple[Any, ...], bool]:
    return {
        (direction, subject.name, peer.name, where): made.decide(direction, subject, peer, *where).allowed
        for direction, subject, peer, where in product(Direction, EVERYONE, EVERYONE, PORTS)
    }


@quick
@given(policies, st.randoms(use_true_random=False))
def test_the_order_of_objects_does_not_matter(written: list[Any], shuffle: Any) -> None:
    objects = parsed(written)
    before = answers(repository(objects))
    shuffle.shuffle(objects)
    assert answers(repository(objects)) == before


@quick
@given(policies, specs(sections=("ingressDeny", "egressDeny")))
def test_a_deny_never_adds_a_permission(written: list[Any], denied: Any) -> None:
    objects = parsed(written)
    more = parse(
        policy("ccnp", {**denied, "enableDefaultDeny": {"ingress": False, "egress": False}}, name="deny"), CONFIG
    )
    before, after = answers(repository(objects)), answers(repository([*objects, more]))
    assert all(before[question] for question, allowed in after.items() if allowed)


@quick
@given(policies, specs(sections=("ingress", "egress")))
def test_an_allow_under_default_deny_never_removes_a_permission(written: list[Any], allowed: Any) -> None:
    closed = parse(policy("ccnp", {"endpointSelector": {}, "ingress": [{}], "egress": [{}]}, name="closed"), CONFIG)
    objects = [*parsed(written), closed]
    try:
        more = parse(policy("ccnp", allowed, name="allow"), CONFIG)
    except PolicyError:
        assume(False)
    before, after = answers(repository(objects)), answers(repository([*objects, more]))
    assert all(after[question] for question, passed in before.items() if passed)


@quick
@given(policies)
def test_the_matrix_is_the_pairwise_verdicts(written: list[Any]) -> None:
    made = repository(parsed(written))
    for protocol, port in PORTS:
        rows = full_matrix(made, protocol, port)
        for source, target in product(EVERYONE, EVERYONE):
            one, other = (made.population.position(party.identity.numeric) for party in (source, target))
            allowed = all(
                made.decide(direction, subject, peer, protocol, port).allowed
                for direction, subject, peer in (
                    (Direction.EGRESS, source.identity, target.identity),
                    (Direction.INGRESS, target.identity, source.identity),
                )
            )
            assert bool(rows[one] >> other & 1) is allowed, (source.name, target.name, protocol, port)


@quick
@given(policies)
def test_the_difference_of_equal_sets_is_empty(written: list[Any]) -> None:
    objects = parsed(written)
    targets = [(endpoint, Target(endpoint.name, *where)) for endpoint in EVERYONE for where in PORTS]
    first, second = (reachability(repository(objects), EVERYONE, targets) for _ in range(2))
    assert difference(first, second) == ()


@quick
@given(policies, policies)
def test_what_is_taken_away_leaves_no_trace(written: list[Any], passing: list[Any]) -> None:
    objects = parsed(written)
    made = repository(objects)
    before = answers(made)
    guests = [
        replace(item, ref=item.ref._replace(name=f"guest-{number}")) for number, item in enumerate(parsed(passing))
    ]
    for guest in guests:
        made.upsert(guest)
    stranger = Endpoint(
        "stranger", Identity(4321, parse_labels(["k8s:app=backend", "k8s:io.kubernetes.pod.namespace=shop"]))
    )
    made.upsert_endpoint(stranger)
    answers(made)
    made.remove_endpoint("stranger")
    for guest in guests:
        made.remove(guest.ref)
    assert answers(made) == before


@quick
@given(policies)
def test_the_policy_map_gives_the_same_verdicts(written: list[Any]) -> None:
    """Two lookups in the entries, as the datapath does, against the engine's walk."""
    made = repository(parsed(written))
    for subject in EVERYONE:
        view = {direction: made.view(direction, subject) for direction in Direction}
        entries = policy_map(made, subject)
        for direction, peer, (protocol, port) in product(Direction, EVERYONE, PORTS):
            if view[direction].exempt is not None:
                continue
            found = [
                entry
                for entry in entries
                if entry.direction is direction
                and entry.identity in (0, peer.identity.numeric)
                and entry.protocol in (Protocol.ANY, protocol)
                and (entry.port_bits == 0 or port >> (16 - entry.port_bits) == entry.port >> (16 - entry.port_bits))
            ]
            best = max(found, key=lambda e: (e.precedence, e.prefix_length, e.identity), default=None)
            decision = made.decide(direction, subject, peer, protocol, port)
            assert (best is not None and not best.deny) is decision.allowed, (subject.name, direction, peer.name, port)
            if best is not None and decision.redirect is not None:
                assert best.parser is decision.redirect.parser


@given(st.integers(0, (1 << 300) - 1))
def test_positions_are_the_bits_that_are_set(bits: int) -> None:
    assert sum(1 << position for position in positions_of(bits)) == bits


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20))
def test_turning_twice_gives_the_same(rows: list[int]) -> None:
    assert transposed(transposed(rows, 8), len(rows)) == rows


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_port_prefixes_cover_a_range_and_nothing_else(first: int, last: int) -> None:
    assume(first <= last)
    covered = 0
    expected = first
    for port, bits in port_prefixes(first, last):
        assert port == expected
        expected = port + (1 << (16 - bits))
        covered += 1 << (16 - bits)
    assert covered == last - first + 1


@given(st.lists(st.text("abz", min_size=1, max_size=5) | st.integers(0, 9) | st.just("a.b/c"), min_size=1, max_size=5))
def test_paths_can_be_read_back(path: list[str | int]) -> None:
    assert split(render(tuple(path))) == tuple(path)


@given(st.text("abc.-*", max_size=12), st.text("abc.-", max_size=12))
def test_patterns_never_raise_and_ignore_case(pattern: str, name: str) -> None:
    assert name_matches(pattern, name) is name_matches(pattern.upper(), name.upper())
    assert normalized(normalized(name)) == normalized(name)


@given(st.text(max_size=30))
def test_labels_keep_what_they_read(text: str) -> None:
    label = parse_label(text)
    assert parse_label(str(label)) == label or not label.key or "=" in label.source or text.startswith("$")


@given(st.tuples(st.integers(0, 255), st.integers(0, 255)), st.integers(0, 32))
def test_a_prefix_contains_itself_and_the_world_contains_it(octets: tuple[int, int], length: int) -> None:
    prefix = parse_prefix(f"10.{octets[0]}.{octets[1]}.7/{length}")
    assert prefix.contains(prefix)
    assert parse_prefix("0.0.0.0/0").contains(prefix)


FIELDS = [
    "spec",
    "specs",
    "endpointSelector",
    "matchLabels",
    "ingress",
    "egress",
    "fromEndpoints",
    "toPorts",
    "ports",
    "port",
    "rules",
    "http",
    "icmps",
    "fields",
    "type",
    "toFQDNs",
    "matchName",
    "metadata",
    "x",
]
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("kind", ["cnp", "ccnp", "knp", "kcnp"])
@settings(max_examples=100, deadline=None)
@given(junk)
def test_whatever_is_written_is_accepted_or_refused(kind: str, spec: Any) -> None:
    try:
        accepted = parse(policy(kind, spec), CONFIG)
    except PolicyError as error:
        told = error
    else:
        assert all(rule.action in Action for rule in accepted.rules)
        return
    assert told.message
    assert told.category
