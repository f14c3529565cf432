"""Hubble's metrics of one node: an observer of its flows that counts (pkg/hubble/metrics)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab_helpers.twin.agent.metrics.contexts import MetricsConfigError
from lab_helpers.twin.agent.metrics.handlers import HANDLERS
from lab_helpers.twin.agent.metrics.series import Metric

__all__ = ["FlowMetrics"]


class FlowMetrics:
    """``configuration``: the value of ``hubble-metrics``, names with options, e.g.
    ``drop flow:sourceContext=pod;destinationContext=pod dns:query``. Raises MetricsConfigError.
    """

    def __init__(self, configuration: str) -> None:
        self._handlers = []
        seen: set[str] = set()
        for word in configuration.split():
            name, _, text = word.partition(":")
            if name not in HANDLERS:
                raise MetricsConfigError(f"metric '{name}' does not exist; there are {', '.join(sorted(HANDLERS))}")
            if name in seen or {name, *seen} >= {"http", "httpV2"}:
                raise MetricsConfigError(f"metric '{name}' collides with another one of the same series")
            seen.add(name)
            options = dict(part.partition("=")[::2] for part in text.split(";") if part)
            self._handlers.append(HANDLERS[name](options))

    def take(self, flow: Any) -> None:
        """Count one flow."""
        for handler in self._handlers:
            handler.take(flow)

    def __iter__(self) -> Iterator[Metric]:
        for handler in self._handlers:
            yield from handler.metrics
