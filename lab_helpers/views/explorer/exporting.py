"""Flows as ``hubble observe -o jsonpb`` writes them, so that ``hubble observe --input-file`` reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab_helpers.hubble.records import Record

__all__ = ["lines"]


def lines(records: Iterable[Record]) -> Iterator[str]:
    """One response per line, without newlines."""
    from lab_helpers.hubble import jsonpb
    from lab_helpers.hubble.protos import observer_pb2

    for record in records:
        flow = record.flow
        response = observer_pb2.GetFlowsResponse(flow=flow, node_name=flow.node_name, time=flow.time)
        yield jsonpb.dumps(response)
