"""Numbers as Prometheus reads them: the text format 0.0.4. Pure; a library for it would cost a board memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """``samples``: value by the value of ``label``; by "" where there is no label."""

    name: str
    help: str
    kind: Kind
    samples: Mapping[str, float]
    label: str = ""


@dataclass(slots=True)
class Times:
    """How long something took: counted into buckets, in seconds. Filled by one thread."""

    bounds: tuple[float, ...] = (0.005, 0.02, 0.1, 0.5, 2.0)
    counts: list[int] = field(default_factory=lambda: [0] * 6)
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[sum(seconds > bound for bound in self.bounds)] += 1
        self.total += seconds


def counter(name: str, help_: str, value: float) -> Family:
    return Family(name, help_, Kind.COUNTER, {"": value})


def gauge(name: str, help_: str, value: float) -> Family:
    return Family(name, help_, Kind.GAUGE, {"": value})


def histogram(name: str, help_: str, times: Times) -> Family:
    """Samples by suffix: the buckets by their bounds, then ``sum`` and ``count``."""
    counts = list(times.counts)
    samples: dict[str, float] = {}
    for index, bound in enumerate(times.bounds):
        samples[f"{bound:g}"] = sum(counts[: index + 1])
    samples["+Inf"] = sum(counts)
    return Family(name, help_, Kind.HISTOGRAM, samples | {"sum": times.total, "count": sum(counts)}, "le")


def render(families: Iterable[Family], *, prefix: str) -> str:
    """``prefix`` begins each name: whose numbers they are."""
    return "".join(line + "\n" for family in families for line in _lines(family, prefix + family.name))


def _lines(family: Family, name: str) -> Iterator[str]:
    yield f"# HELP {name} {family.help}"
    yield f"# TYPE {name} {family.kind}"
    for value, number in family.samples.items():
        if family.kind is Kind.HISTOGRAM and value in ("sum", "count"):
            yield f"{name}_{value} {number!r}"
        else:
            suffix = "_bucket" if family.kind is Kind.HISTOGRAM else ""
            labels = f'{{{family.label}="{_escaped(value)}"}}' if family.label else ""
            yield f"{name}{suffix}{labels} {number!r}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
