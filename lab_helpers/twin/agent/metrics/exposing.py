"""The text a scrape gets, written by prometheus_client's exposition function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from lab_helpers.twin.agent.metrics.series import Histogram, Metric
from lab_helpers.twin.agent.webserving import Answer

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

__all__ = ["CONTENT_TYPE", "exposition", "metrics_answer"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


_Sample = TypeVar("_Sample")


def _sorted(labels: tuple[str, ...], samples: dict[tuple[str, ...], _Sample]) -> list[tuple[tuple[str, ...], _Sample]]:
    """By the values of the labels in alphabetical order of their names, as the Go client sorts."""
    order = sorted(range(len(labels)), key=labels.__getitem__)
    return sorted(samples.items(), key=lambda item: [item[0][position] for position in order])


class _Collector:
    """What the exposition function wants of a registry."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Family]:
        """The families, sorted by name as the Go client does; families without samples are left out."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for metric in sorted(self._metrics, key=lambda found: found.name):
            if not metric.samples:
                continue
            if isinstance(metric, Histogram):
                histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
                for values, sample in _sorted(metric.labels, metric.samples):
                    histogram.add_metric(values, metric.cumulative(sample), sample[-1])
                yield histogram
                continue
            family = (
                CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
                if metric.kind == "counter"
                else GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            )
            for values, number in _sorted(metric.labels, metric.samples):
                family.add_metric(values, number)
            yield family


def exposition(metrics: Iterable[Metric]) -> str:
    """The Prometheus text format 0.0.4."""
    from prometheus_client.exposition import generate_latest

    return generate_latest(_Collector(metrics)).decode("utf-8")


def metrics_answer(metrics: Callable[[], Iterable[Metric]]) -> Answer:
    """What ``GET /metrics`` answers: the metrics as they are at that moment."""
    return lambda: (200, CONTENT_TYPE, exposition(metrics()))
