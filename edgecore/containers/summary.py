"""What is used, in the form of a kubelet's ``/stats/summary`` (stats/v1alpha1 Summary; P7.9). Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edgecore.containers.labels import CONTAINER, POD_NAME, POD_NAMESPACE, POD_UID
from edgecore.containers.model import Container


@dataclass(frozen=True, slots=True)
class Use:
    """``cores`` in use now, ``cpu`` nanoseconds since the start; bytes of ``memory``, and of it those that are not idle cache of files."""

    container: Container
    cores: float
    cpu: int
    memory: int
    working_set: int


@dataclass(frozen=True, slots=True)
class NodeUse:
    """``uptime`` in seconds, sizes in bytes; ``disk`` 0 where nobody can say."""

    cores: float
    cpu: int
    memory: int
    working_set: int
    available: int
    uptime: float
    disk: int
    disk_available: int


def summary(node: str, machine: NodeUse, used: list[Use], *, now: float) -> dict[str, Any]:
    """``now``: epoch seconds. What the board cannot tell is left out."""
    stamp = _time(now)
    pods: dict[tuple[str, str, str], list[Use]] = defaultdict(list)
    for use in used:
        pods[use.container.label(POD_NAMESPACE), use.container.label(POD_NAME), use.container.label(POD_UID)].append(use)
    disk = {
        "time": stamp,
        "availableBytes": machine.disk_available,
        "capacityBytes": machine.disk,
        "usedBytes": machine.disk - machine.disk_available,
    }
    return {
        "node": {
            "nodeName": node,
            "startTime": _time(now - machine.uptime),
            "cpu": _cpu(stamp, machine.cores, machine.cpu),
            "memory": {**_memory(stamp, machine.memory, machine.working_set), "availableBytes": machine.available},
            **({"fs": disk} if machine.disk else {}),
        },
        "pods": [_pod(stamp, key, containers) for key, containers in sorted(pods.items(), key=lambda item: item[0])],
    }


def _pod(stamp: str, key: tuple[str, str, str], used: list[Use]) -> dict[str, Any]:
    namespace, name, uid = key
    return {
        "podRef": {"name": name, "namespace": namespace, "uid": uid},
        "startTime": _time(min(use.container.started for use in used)),
        "containers": [
            {
                "name": use.container.label(CONTAINER),
                "startTime": _time(use.container.started),
                "cpu": _cpu(stamp, use.cores, use.cpu),
                "memory": _memory(stamp, use.memory, use.working_set),
            }
            for use in sorted(used, key=lambda use: use.container.label(CONTAINER))
        ],
        "cpu": _cpu(stamp, sum(use.cores for use in used), sum(use.cpu for use in used)),
        "memory": _memory(stamp, sum(use.memory for use in used), sum(use.working_set for use in used)),
    }


def _cpu(stamp: str, cores: float, total: int) -> dict[str, Any]:
    return {"time": stamp, "usageNanoCores": round(cores * 1e9), "usageCoreNanoSeconds": total}


def _memory(stamp: str, used: int, working_set: int) -> dict[str, Any]:
    return {"time": stamp, "usageBytes": used, "workingSetBytes": working_set}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(max(0.0, seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
