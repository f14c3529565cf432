"""What a compiled condition is."""

from collections.abc import Callable, Iterator
from typing import Any

Predicate = Callable[[Any], bool]
"""A function of a `flow_pb2.Flow`."""

Parts = Iterator[tuple[int, Predicate]]
"""Conditions with their rough cost (1: one field, 9: regular expressions and programs)."""
