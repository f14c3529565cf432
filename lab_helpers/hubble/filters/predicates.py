"""What a compiled condition is."""

from collections.abc import Callable, Iterator
from typing import Any

from lab_helpers.hubble.protos import flow_pb2

Predicate = Callable[[Any], bool]
"""A function of a `flow_pb2.Flow`."""

Parts = Iterator[tuple[int, Predicate]]
"""Conditions with their rough cost (1: one field, 9: regular expressions and programs)."""

NO_FLOW = flow_pb2.Flow()
"""Stands for a response without a flow (lost events, node states) when it is filtered: the conditions that treat "no
flow" differently from "an empty flow" compare with this object."""
