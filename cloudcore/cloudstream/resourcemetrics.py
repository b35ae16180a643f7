"""A kubelet's ``/metrics/resource`` (what metrics-server reads), made of its ``/stats/summary``. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cloudcore.cloudstream.stream import GATEWAY
from cloudcore.errors import StreamError

_FAMILIES = {
    "node_cpu_usage_seconds_total": ("counter", "Cumulative cpu time consumed by the node in core-seconds"),
    "node_memory_working_set_bytes": ("gauge", "Current working set of the node in bytes"),
    "container_cpu_usage_seconds_total": ("counter", "Cumulative cpu time consumed by the container in core-seconds"),
    "container_memory_working_set_bytes": ("gauge", "Current working set of the container in bytes"),
    "container_start_time_seconds": ("gauge", "Start time of the container since unix epoch in seconds"),
    "pod_cpu_usage_seconds_total": ("counter", "Cumulative cpu time consumed by the pod in core-seconds"),
    "pod_memory_working_set_bytes": ("gauge", "Current working set of the pod in bytes"),
    "resource_scrape_error": ("gauge", "1 if there was an error while getting metrics, 0 otherwise"),
}

_Sample = tuple[str, dict[str, str], float, int | None]
"""(family, labels, value, milliseconds since the epoch)."""


def resource_metrics(raw: bytes) -> str:
    """Prometheus text. What the board did not say is left out. Raises StreamError: it said something else."""
    try:
        summary = json.loads(raw)
    except (ValueError, RecursionError):
        summary = None
    if not isinstance(summary, dict):
        raise StreamError("what the node says of its use cannot be read", code=GATEWAY)
    samples: list[_Sample] = [*_samples(summary), ("resource_scrape_error", {}, 0, None)]
    lines: list[str] = []
    for family, (kind, words) in _FAMILIES.items():
        found = [sample for sample in samples if sample[0] == family]
        if found:
            lines += [f"# HELP {family} {words}", f"# TYPE {family} {kind}", *map(_line, found)]
    return "\n".join(lines) + "\n"


def _samples(summary: dict[str, Any]) -> Iterator[_Sample]:
    yield from _use("node", {}, _dict(summary.get("node")))
    for pod in map(_dict, _list(summary.get("pods"))):
        reference = _dict(pod.get("podRef"))
        place = {"namespace": str(reference.get("namespace") or ""), "pod": str(reference.get("name") or "")}
        yield from _use("pod", place, pod)
        for container in map(_dict, _list(pod.get("containers"))):
            labels = {"container": str(container.get("name") or ""), **place}
            yield from _use("container", labels, container)
            began = _moment(container.get("startTime"))
            if began is not None:
                yield "container_start_time_seconds", labels, began / 1000, None


def _use(of: str, labels: dict[str, str], said: dict[str, Any]) -> Iterator[_Sample]:
    cpu, memory = _dict(said.get("cpu")), _dict(said.get("memory"))
    spent, held = cpu.get("usageCoreNanoSeconds"), memory.get("workingSetBytes")
    if type(spent) is int:
        yield f"{of}_cpu_usage_seconds_total", labels, spent / 1e9, _moment(cpu.get("time"))
    if type(held) is int:
        yield f"{of}_memory_working_set_bytes", labels, held, _moment(memory.get("time"))


def _line(sample: _Sample) -> str:
    family, labels, value, at = sample
    inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
    moment = f" {at}" if at is not None else ""
    return f"{family}{{{inside}}} {value!r}{moment}" if inside else f"{family} {value!r}{moment}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _moment(text: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
