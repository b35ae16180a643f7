"""A figure, and the groups of figures that one run can give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One line of output: ``name value unit``."""

    name: str
    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4g} {self.unit}"


@dataclass(frozen=True)
class Group:
    """Figures that are measured together. ``needs_board``: they are taken on a site and a board that run for all such groups."""

    names: tuple[str, ...]
    measure: Callable[..., Iterator[Figure]]
    needs_board: bool = False


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def latencies(prefix: str, seconds: Sequence[float]) -> Iterator[Figure]:
    """p50 and p99 in milliseconds."""
    yield Figure(f"{prefix}.p50", percentile(seconds, 0.50) * 1000, "ms")
    yield Figure(f"{prefix}.p99", percentile(seconds, 0.99) * 1000, "ms")


def pss_mb(pid: int) -> float:
    """Proportional set size of a process in MB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) / 1024


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    import os

    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields: list[Any] = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def written_mb(pid: int) -> float:
    """What a process has had written to the disk so far, in MB."""
    with open(f"/proc/{pid}/io", encoding="ascii") as counts:
        found = dict(line.split(": ") for line in counts)
    return (int(found["write_bytes"]) - int(found["cancelled_write_bytes"])) / 1024**2
