"""Readings as Prometheus text: the only door to prometheus_client. Every reading is taken at the moment of the question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from cloudcore.readings import Kind, Reading, Timing

PREFIX = "bramble_cloudcore_"
CONTENT_TYPE = CONTENT_TYPE_LATEST

Source = Callable[[], Iterable[Reading | Timing]]


class _Sources(Collector):
    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        for source in self._sources:
            for reading in source():
                yield _histogram(reading) if isinstance(reading, Timing) else _family(reading)

    def describe(self) -> Iterator[Metric]:
        """Nothing is read before it is asked for."""
        return iter(())


def exposition(sources: Iterable[Source]) -> bytes:
    """What all ``sources`` say now."""
    registry = CollectorRegistry()
    registry.register(_Sources(sources))
    return generate_latest(registry)


def _family(reading: Reading) -> Metric:
    family = (CounterMetricFamily if reading.kind is Kind.COUNT else GaugeMetricFamily)(
        PREFIX + reading.name, reading.help, labels=reading.labels
    )
    for labels, value in sorted(reading.values.items()):
        family.add_metric(labels, value)
    return family


def _histogram(timing: Timing) -> Metric:
    family = HistogramMetricFamily(PREFIX + timing.name, timing.help, labels=timing.labels)
    for labels, durations in sorted(timing.values.items()):
        buckets = [("+Inf" if bound == float("inf") else repr(bound), count) for bound, count in durations.cumulative()]
        family.add_metric(labels, buckets=buckets, sum_value=durations.total)
    return family
