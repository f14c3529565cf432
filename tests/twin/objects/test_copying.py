"""Private copies of objects."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.twin.objects.copying import copied

ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
DATA = st.recursive(ATOMS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def spoil(value):
    """Change every list and dictionary in place."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        spoil(item)
    if isinstance(value, dict):
        value["spoilt"] = True
    elif isinstance(value, list):
        value.append("spoilt")


@given(DATA)
def test_a_copy_is_equal_and_shares_nothing(value):
    before = copy.deepcopy(value)
    found = copied(value)
    assert found == before
    assert type(found) is type(value)
    spoil(found)
    assert value == before


def test_what_is_no_json_is_copied_too():
    value = {"pair": ([1], {"a": 2})}
    found = copied(value)
    assert found == value
    assert found["pair"][0] is not value["pair"][0]
