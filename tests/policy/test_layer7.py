"""Requests against L7 rules, with RE2 and with its stand-in."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.policy import (
    DNSRule,
    HeaderMatch,
    HTTPRequest,
    HTTPRule,
    KafkaRequest,
    KafkaRule,
    RegexError,
    dns_allows,
    fqdn_labels,
    http_allows,
    kafka_allows,
    name_matches,
    server_name_allows,
)
from lab_helpers.policy.regexes import Pattern, compile_with_re, compile_with_re2
from lab_helpers.policy.requests import KAFKA_ROLES

HAS_RE2 = importlib.util.find_spec("re2") is not None
ENGINES = [
    pytest.param(compile_with_re, id="re"),
    pytest.param(
        compile_with_re2, id="re2", marks=pytest.mark.skipif(not HAS_RE2, reason="google-re2 has no wheel here")
    ),
]


@pytest.mark.parametrize("compiled", ENGINES)
@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("/api/v1/.*", "/api/v1/products", True),
        ("/api", "/api/v1", False),
        ("/a", "/a?x=1", False),
        (r"/a(\?.*)?", "/a?x=1", True),
        ("GET|HEAD", "HEAD", True),
        ("foo.bar.com", "fooXbar.com", True),
        (r"/orders/[0-9]{1,3}", "/orders/1234", False),
        ("[[:alpha:]]+", "abc", True),
        ("[^[:digit:]]+", "a1", False),
        ("(?i)get", "GET", True),
        (r"\d+", "٣", False),
        (r"a\z", "a", True),
        (r"\PC*", "a\tb", False),
        (r"\pN+", "42", True),
        (r"\$5", "$5", True),
        ("[$]5", "$5", True),
        ("a(?m:$)\nb", "a\nb", True),
    ],
)
def test_patterns(compiled: Callable[[str], Pattern], pattern: str, text: str, fits: bool) -> None:
    assert (compiled(pattern).fullmatch(text) is not None) is fits


@pytest.mark.parametrize("compiled", ENGINES)
def test_the_end_is_the_end_of_the_text(compiled: Callable[[str], Pattern]) -> None:
    assert compiled("a$").search("a\n") is None
    assert compiled("a$").search("ba") is not None


@pytest.mark.parametrize("pattern", ["[[:^alpha:]]", r"\p{Greek}", r"[\pL]"])
def test_classes_that_the_stand_in_does_not_know_are_refused(pattern: str) -> None:
    with pytest.raises(RegexError, match="needs google-re2"):
        compile_with_re(pattern)


@pytest.mark.parametrize("compiled", ENGINES)
@pytest.mark.parametrize("pattern", ["(?=a)b", "(?!a)b", "(?<=a)b", r"(a)\1", "(?>a)", "a++", "(", "*a"])
def test_what_re2_refuses(compiled: Callable[[str], Pattern], pattern: str) -> None:
    with pytest.raises(RegexError):
        compiled(pattern)


@pytest.mark.skipif(not HAS_RE2, reason="google-re2 is not installed")
@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(unclosed", "missing closing ): `(unclosed`"),
        ("a(?=x)", "invalid or unsupported Perl syntax: `(?=`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("x)", "unexpected ): `x)`"),
        ("a\\", "trailing backslash at end of expression: ``"),
    ],
)
def test_a_refusal_is_said_as_cilium_says_it(pattern: str, words: str) -> None:
    with pytest.raises(RegexError) as refused:
        compile_with_re2(pattern)
    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("rule", "request_", "fits"),
    [
        (HTTPRule(), HTTPRequest("DELETE", "/anything"), True),
        (HTTPRule(method="GET", path="/api/.*"), HTTPRequest("GET", "/api/x"), True),
        (HTTPRule(method="GET", path="/api/.*"), HTTPRequest("POST", "/api/x"), False),
        (HTTPRule(host="shop[.]example"), HTTPRequest(host="shop.example:8080"), False),
        (HTTPRule(headers=(HeaderMatch("X-A", "1"),)), HTTPRequest(headers=(("x-a", "1"),)), True),
        (HTTPRule(headers=(HeaderMatch("X-A", "1"),)), HTTPRequest(headers=(("x-a", "2"),)), False),
        (HTTPRule(headers=(HeaderMatch("X-A"),)), HTTPRequest(), False),
        (HTTPRule(headers=(HeaderMatch("X-A", "1", mismatch="ADD"),)), HTTPRequest(), True),
    ],
)
def test_http(rule: HTTPRule, request_: HTTPRequest, fits: bool) -> None:
    assert http_allows([rule], request_) is fits


def test_no_rules_restrict_nothing() -> None:
    assert http_allows([], HTTPRequest("DELETE", "/"))
    assert dns_allows([], "example.com")
    assert server_name_allows([], "example.com")


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "a.b.c", True),
        ("**", "a.b.c", True),
        ("*.cilium.io", "www.cilium.io", True),
        ("*.cilium.io", "cilium.io", False),
        ("*.cilium.io", "a.b.cilium.io", False),
        ("**.cilium.io", "a.b.cilium.io", True),
        ("**.cilium.io", "cilium.io", False),
        ("*cilium.io", "sub-cilium.io", True),
        ("*cilium.io", "cilium.io", True),
        ("*cilium.io", "www.cilium.io", False),
        ("sub*.cilium.io", "sub.cilium.io", True),
        ("Api.Cilium.IO.", "api.cilium.io", True),
    ],
)
def test_names(pattern: str, name: str, fits: bool) -> None:
    assert name_matches(pattern, name) is fits


def test_dns_rules_and_the_labels_of_names() -> None:
    rules = [DNSRule(match_name="api.stripe.com"), DNSRule(match_pattern="*.shop.svc.cluster.local")]
    assert dns_allows(rules, "API.stripe.com.")
    assert not dns_allows(rules, "stripe.com")
    assert {label.key for label in fqdn_labels(["api.stripe.com"], rules)} == {"api.stripe.com"}


@pytest.mark.parametrize(
    ("rule", "asked", "fits"),
    [
        (KafkaRule(topic="orders"), KafkaRequest("produce", topics=("orders",)), True),
        (KafkaRule(topic="orders"), KafkaRequest("produce", topics=("orders", "secrets")), False),
        (KafkaRule(role="consume", topic="orders"), KafkaRequest("produce", topics=("orders",)), False),
        (KafkaRule(role="produce", topic="orders"), KafkaRequest("apiversions"), True),
        (KafkaRule(api_key="fetch"), KafkaRequest("fetch", topics=("any",)), True),
        (KafkaRule(client_id="shop"), KafkaRequest("fetch", client_id="other"), False),
        (KafkaRule(topic="orders"), KafkaRequest("metadata"), False),
        (KafkaRule(topic="orders"), KafkaRequest("37"), False),
        (KafkaRule(), KafkaRequest("metadata"), True),
        (KafkaRule(role="Produce"), KafkaRequest("createtopics", topics=("orders",)), False),
        (KafkaRule(api_version="2"), KafkaRequest("fetch", "3"), False),
    ],
)
def test_kafka(rule: KafkaRule, asked: KafkaRequest, fits: bool) -> None:
    assert kafka_allows([rule], asked) is fits


def test_each_topic_of_a_kafka_request_may_be_allowed_by_another_rule() -> None:
    rules = [KafkaRule(role="produce", topic="orders"), KafkaRule(api_key="produce", topic="bills")]
    assert kafka_allows(rules, KafkaRequest("produce", topics=("orders", "bills")))
    assert not kafka_allows(rules, KafkaRequest("metadata", topics=("orders", "bills")))


def one_by_one(rules: list[KafkaRule], asked: KafkaRequest) -> bool:
    """The walk of Cilium's parser: each rule in turn takes its topic off the request; done when none is left."""
    left = set(asked.topics)
    for rule in rules:
        key = asked.api_key
        if rule.role and key not in KAFKA_ROLES[rule.role]:
            continue
        if (rule.api_key and rule.api_key != key) or (rule.client_id and rule.client_id != asked.client_id):
            continue
        if not rule.topic or key not in ("produce", "fetch", "metadata"):
            return True
        if rule.topic in left:
            left.discard(rule.topic)
            if not left:
                return True
    return False


KEYS = st.sampled_from(["produce", "fetch", "metadata", "heartbeat", "apiversions"])
NAMES = st.sampled_from(["a", "b", "c"])
RULES = st.builds(
    KafkaRule,
    role=st.sampled_from(["", "produce", "consume"]),
    client_id=st.sampled_from(["", "x"]),
    topic=NAMES | st.just(""),
) | st.builds(KafkaRule, api_key=KEYS, topic=NAMES | st.just(""))


@given(
    st.lists(RULES, min_size=1, max_size=5),
    st.builds(
        KafkaRequest,
        api_key=KEYS,
        client_id=st.sampled_from(["x", "y"]),
        topics=st.lists(NAMES, unique=True).map(tuple),
    ),
)
def test_kafka_rules_judge_as_one_walk_over_them_does(rules: list[KafkaRule], asked: KafkaRequest) -> None:
    assert kafka_allows(rules, asked) is one_by_one(rules, asked)
