"""The grammar of ``matchPattern``: against a reading of it without expressions, and its expressions against RE2."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab_helpers.policy.configs import Version
from lab_helpers.policy.matchpatterns import name_matches, pattern_regex

LABEL = st.text("ab-_1", min_size=1, max_size=3)
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
PATTERN = st.lists(
    st.lists(st.sampled_from(("a", "b", "-", "1", "*", "**", "A")), min_size=1, max_size=3).map("".join),
    min_size=1,
    max_size=4,
).map(".".join)


def fits(pattern: str, label: str) -> bool:
    """Within one label: a row of stars stands for any characters, also none."""
    if not pattern:
        return not label
    if pattern[0] == "*":
        rest = pattern.lstrip("*")
        return any(fits(rest, label[cut:]) for cut in range(len(label) + 1))
    return bool(label) and pattern[0] == label[0] and fits(pattern[1:], label[1:])


def meant(pattern: str, name: str) -> bool:
    """Label by label, as the table of the documentation reads (since 1.19)."""
    wanted, found = pattern.lower().rstrip(".").split("."), name.lower().rstrip(".").split(".")
    if len(wanted) == 1 and set(wanted[0]) == {"*"}:
        return all(found)
    if wanted[0] == "**" and len(wanted) > 1:
        ahead = len(found) - len(wanted) + 1
        if ahead < 1 or not all(found[:ahead]):
            return False
        wanted, found = wanted[1:], found[ahead:]
    return len(wanted) == len(found) and all(map(fits, wanted, found))


@settings(max_examples=400)
@given(pattern=PATTERN, name=NAME)
@example("*.cilium.io", "cilium.io")
@example("*.cilium.io", ".cilium.io")
@example("*cilium.io", "www.cilium.io")
@example("**.cilium.io", "cilium.io")
@example("**.cilium.io", "a.b.cilium.io")
@example("a**b.io", "axb.io")
@example("***", "a.b.c")
def test_patterns_mean_what_the_table_says(pattern: str, name: str) -> None:
    assert name_matches(pattern, name) is meant(pattern, name)
    assert name_matches(pattern.upper() + ".", name + ".") is meant(pattern, name)


@settings(max_examples=200)
@given(name=NAME, cut=st.integers(0, 12))
def test_a_name_matches_itself_with_a_star_in_it(name: str, cut: int) -> None:
    at = min(cut, len(name))
    assert name_matches(name, name)
    assert name_matches(name[:at] + "*" + name[at:], name)
    assert name_matches("*", name)
    assert name_matches("**." + name, "x.y." + name)
    assert not name_matches("**." + name, name)


@settings(max_examples=300)
@given(pattern=PATTERN, name=NAME)
def test_expressions_mean_the_same_to_re2(pattern: str, name: str) -> None:
    re2 = pytest.importorskip("re2", reason="google-re2 has no wheel here")
    regex = pattern_regex(pattern)
    text = name.lower() + "."
    assert (re2.fullmatch(regex, text) is None) is (re.fullmatch(regex, text) is None)
    assert (re2.fullmatch(regex, text) is not None) is name_matches(pattern, name)


def test_every_version_played_has_the_prefix_of_two_stars() -> None:
    """``**.`` came with 1.19: a version before that would need a grammar of its own."""
    assert min(tuple(map(int, version.value.split("."))) for version in Version) >= (1, 19)
