"""What containers and the machine use now: from Podman's counters and the kernel's, looked at twice."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecore.containers import summary
from edgecore.containers.model import Container, State
from edgecore.containers.streams import Streams
from edgecore.containers.summary import NodeUse, Use

SAMPLE = 1.0
"""Seconds between the two looks that make a rate of a counter."""


def of_containers(streams: Streams, pause: float = SAMPLE) -> list[Use]:
    """Of each container that runs during the whole of ``pause`` seconds."""
    running = {c.id: c for c in streams.containers() if c.state is State.RUNNING}
    first = _counters(streams)
    began = time.monotonic()
    time.sleep(pause)
    second = _counters(streams)
    seconds = time.monotonic() - began
    return [
        Use(
            container=running[id_],
            cores=max(0, counters.cpu - first[id_].cpu) / 1e9 / seconds,
            cpu=counters.cpu,
            memory=counters.memory,
            working_set=max(0, counters.memory - _idle_cache(running[id_])),
        )
        for id_, counters in second.items()
        if id_ in first and id_ in running
    ]


def whole(streams: Streams) -> dict[str, Any]:
    """A kubelet's ``/stats/summary`` (P7.9)."""
    began, before = time.monotonic(), _busy()
    used = of_containers(streams)
    busy = _busy()
    cores = max(0, busy - before) / 1e9 / max(0.001, time.monotonic() - began)
    return summary.summary(streams.node, _machine(streams.root_directory, cores, busy), used, now=time.time())


@dataclass(frozen=True, slots=True)
class _Counters:
    cpu: int
    memory: int


def _counters(streams: Streams) -> dict[str, _Counters]:
    return {
        str(entry.get("ContainerID")): _Counters(int(entry.get("CPUNano") or 0), int(entry.get("MemUsage") or 0))
        for entry in streams.stats()
    }


def _idle_cache(container: Container, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of files that the kernel would give up at once: a kubelet does not count them as used. 0 where nobody can say."""
    for line in _text(proc / str(container.pid) / "cgroup").splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if container.id not in path or not (number == "0" or "memory" in controllers.split(",")):
            continue
        place = groups / ("" if number == "0" else "memory") / path.lstrip("/") / "memory.stat"
        for word in ("total_inactive_file ", "inactive_file "):
            found = next((each for each in _text(place).splitlines() if each.startswith(word)), "")
            if found:
                return _number(found[len(word) :])
    return 0


def _busy(proc: Path = Path("/proc")) -> int:
    """Nanoseconds of CPU that the machine has spent since it was started, those without work left out."""
    first = _text(proc / "stat").partition("\n")[0].split()[1:9]
    ticks = [_number(word) for word in first]
    idle = sum(ticks[3:5])
    return (sum(ticks) - idle) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _machine(root_directory: str, cores: float, busy: int, proc: Path = Path("/proc")) -> NodeUse:
    memory = {line.partition(":")[0]: _number(line.partition(":")[2].split()[0]) * 1024 for line in _text(proc / "meminfo").splitlines()}
    total, available = memory.get("MemTotal", 0), memory.get("MemAvailable", 0)
    uptime = _text(proc / "uptime").split()
    try:
        disk = os.statvfs(root_directory)
    except OSError:
        disk = None
    return NodeUse(
        cores=cores,
        cpu=busy,
        memory=total - memory.get("MemFree", 0),
        working_set=total - available,
        available=available,
        uptime=float(uptime[0]) if uptime else 0.0,
        disk=disk.f_blocks * disk.f_frsize if disk else 0,
        disk_available=disk.f_bavail * disk.f_frsize if disk else 0,
    )


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
