"""Compact JSON says what was given, also where the quick writer does not take it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab_helpers.twin.objects.jsontexts import compact


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    "value",
    [
        {"b": 1, "a": [True, None, 0.5, -3], "": {}},
        {"words": 'ä→"\\\n\x00\x7f😀'},
        {"tuple": (1, 2)},
        2**63,
        2**70,
        -(2**70),
        "\ud800 is half",
        nested(200),
    ],
    ids=str,
)
def test_what_was_written_is_read_again(value: Any) -> None:
    written = compact(value)
    assert json.loads(written) == json.loads(json.dumps(value))
    assert b": " not in written.replace(b"is half", b"")
    assert b"\n" not in written


def test_keys_keep_their_order_and_text_is_utf8() -> None:
    assert compact({"b": "ä", "a": 1}) == '{"b":"ä","a":1}'.encode()


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        compact({"a": object()})
