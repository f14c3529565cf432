"""What a compiled condition is."""

from collections.abc import Callable, Iterator

from lab_helpers.hubble.records import Record

Predicate = Callable[[Record], bool]
"""A function of a flow's record."""

Parts = Iterator[tuple[int, Predicate]]
"""Conditions with their rough cost (1: one value, 9: regular expressions and programs on the whole message)."""
