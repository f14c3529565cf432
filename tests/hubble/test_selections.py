"""Rings, and which of their entries a request gets."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.hubble.errors import RequestError
from lab_helpers.hubble.masks import check_path, compile_mask
from lab_helpers.hubble.protos import observer_pb2
from lab_helpers.hubble.rings import Ring
from lab_helpers.hubble.selections import Selection, select

from .conftest import make_flow


def ring(count: int, capacity: int = 100) -> Ring[int]:
    made: Ring[int] = Ring(capacity)
    for number in range(count):
        made.append(number * 10, number)
    return made


def chosen(made: Ring[int], selection: Selection) -> list[int]:
    return [
        entry.event for entry in select(made, selection, lambda event: event % 2 == 0, lambda event: event == 7).entries
    ]


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (Selection(), [0, 2, 4, 6, 7, 8]),
        (Selection(number=2), [6, 7, 8]),
        (Selection(number=2, first=True), [0, 2]),
        (Selection(follow=True), []),
        (Selection(number=2, follow=True), [6, 7, 8]),
        (Selection(since=40), [4, 6, 7, 8]),
        (Selection(since=40, number=1), [4]),
        (Selection(until=40), [0, 2, 4]),
        (Selection(until=40, number=2), []),
        (Selection(first=True, number=9, until=20), [0, 2]),
    ],
)
def test_selected(selection: Selection, numbers: list[int]) -> None:
    assert chosen(ring(10), selection) == numbers


def test_first_and_follow_exclude_each_other() -> None:
    with pytest.raises(RequestError, match="first cannot be specified with follow"):
        Selection.of(observer_pb2.GetFlowsRequest(first=True, follow=True))


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_windows(capacity: int, count: int, start: int, stop: int) -> None:
    made = ring(count, capacity)
    kept = list(range(count))[-capacity:]
    assert [entry.event for entry in made.window(start, stop)] == [n for n in kept if start <= n < stop]
    assert len(made) == len(kept)


def test_a_ring_holds_something() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Ring(0)


async def test_listeners_are_woken() -> None:
    made, listener = ring(0), asyncio.Event()
    made.listen(listener)
    made.append(1, 1)
    assert listener.is_set()
    listener.clear()
    made.leave(listener)
    made.append(2, 2)
    assert not listener.is_set()


def test_masks_copy_what_they_name() -> None:
    masked = compile_mask(["uuid", "source.identity", "l4", "l4.TCP.flags"])(make_flow())
    assert sorted(field.name for field, _ in masked.ListFields()) == ["l4", "source", "uuid"]
    assert [field.name for field, _ in masked.source.ListFields()] == ["identity"]
    assert masked.l4 == make_flow().l4


@pytest.mark.parametrize("path", ["", "nope", "source.nope", "uuid.x", "source.labels.x", "node_labels.x"])
def test_paths_that_name_nothing(path: str) -> None:
    assert not check_path(path)
