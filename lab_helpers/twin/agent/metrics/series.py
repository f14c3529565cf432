"""Metrics as values: a name, label names, and a number per combination of label values.

prometheus_client's own metric objects live in a process-wide registry; a twin has many agents that come and go, so
these are plain objects and only their text comes from the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = ["BUCKETS", "Histogram", "Metric", "Series", "upstream_times"]

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The default buckets of Prometheus' Go client, in seconds."""


@dataclass(slots=True)
class Series:
    """A counter or a gauge. ``samples`` is keyed by the label values in the order of ``labels``."""

    name: str
    help: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...] = ()
    samples: dict[tuple[str, ...], float] = field(default_factory=dict)

    def add(self, values: Sequence[str] = (), amount: float = 1.0) -> None:
        """Count."""
        key = tuple(values)
        self.samples[key] = self.samples.get(key, 0.0) + amount

    def set(self, value: float, *values: str) -> None:
        """Set the number of one combination of label values."""
        self.samples[values] = float(value)


@dataclass(slots=True)
class Histogram:
    """``samples``: label values → [count per bucket …, count above the last, sum]."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    samples: dict[tuple[str, ...], list[float]] = field(default_factory=dict)

    def observe(self, values: Sequence[str], amount: float) -> None:
        """Count one observation."""
        found = self.samples.setdefault(tuple(values), [0.0] * (len(BUCKETS) + 2))
        position = next((number for number, bound in enumerate(BUCKETS) if amount <= bound), len(BUCKETS))
        found[position] += 1
        found[-1] += amount

    @staticmethod
    def cumulative(sample: Sequence[float]) -> list[tuple[str, float]]:
        """(upper bound, observations up to it), the last one ``+Inf``."""
        total, found = 0.0, []
        for bound, count in zip((*BUCKETS, None), sample, strict=False):
            total += count
            found.append(("+Inf" if bound is None else f"{bound:g}", total))
        return found


Metric = Series | Histogram


def upstream_times() -> Histogram:
    """How long the DNS proxy waited: observed by (what became of the query, protocol, what was timed)."""
    return Histogram(
        "cilium_proxy_upstream_reply_seconds",
        "Seconds waited to get a reply from a upstream server",
        ("error", "protocol_l7", "scope"),
    )
