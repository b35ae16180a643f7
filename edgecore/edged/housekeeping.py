"""Which images go when the disk fills, and which pod goes when the node runs short. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecore.containers.model import Image
from edgecore.edged.node import Machine
from edgecore.edged.pod import PodPlan
from edgecore.edged.quantity import whole

CRITICAL = 2_000_000_000
"""Pods with a priority from here on (Kubernetes' system classes) are never evicted."""


@dataclass(frozen=True, slots=True)
class DiskRules:
    """Percent of the disk in use: from ``high`` on images are removed until it is ``low``."""

    high: int = 80
    low: int = 40


_HOG = 20
"""A pod that holds this part of the disk is one of those that fill it; DiskPressure begins when the same part is left."""

USUAL = DiskRules()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pod that could be evicted and the bytes of memory that it uses, 0 where nobody can say."""

    plan: PodPlan
    used: int = 0


def is_full(machine: Machine, rules: DiskRules) -> bool:
    """Whether what nobody needs has to go."""
    return machine.disk > 0 and (machine.disk - machine.disk_available) * 100 >= machine.disk * rules.high


def images_to_remove(
    images: Sequence[Image], kept: Collection[str], last_used: Mapping[str, float], *, machine: Machine, rules: DiskRules
) -> list[Image]:
    """Of ``images`` that may go: those not used for the longest time, as many as are needed. ``kept``: ids and names that are needed."""
    if not is_full(machine, rules):
        return []
    in_use = machine.disk - machine.disk_available
    spare = in_use - machine.disk * rules.low // 100
    chosen: list[Image] = []
    for image in sorted(images, key=lambda i: (last_used.get(i.id, 0.0), i.created)):
        if spare <= 0:
            break
        if image.id not in kept and not any(name in kept for name in image.names):
            chosen.append(image)
            spare -= image.size
    return chosen


def next_to_evict(candidates: Sequence[Candidate]) -> Candidate | None:
    """As a kubelet chooses: first who uses more than was requested, then the lowest priority, then who is furthest above the request."""
    able = [c for c in candidates if priority(c.plan) < CRITICAL]
    return min(able, key=lambda c: (c.used <= requested(c.plan), priority(c.plan), requested(c.plan) - c.used, c.plan.uid), default=None)


def next_to_evict_for_disk(candidates: Sequence[Candidate], disk: int) -> Candidate | None:
    """``used`` are bytes of disk here. Only a pod whose own volumes fill the disk is ended: the others would free nothing by going (S3)."""
    hogs = [c for c in candidates if disk > 0 and c.used * _HOG >= disk and priority(c.plan) < CRITICAL]
    return min(hogs, key=lambda c: (priority(c.plan), -c.used, c.plan.uid), default=None)


def priority(plan: PodPlan) -> int:
    value = plan.spec.get("priority")
    return value if isinstance(value, int) else 0


def requested(plan: PodPlan) -> int:
    """Bytes of memory; 0 for a BestEffort pod, so that it goes before all that asked for something."""
    return sum(_memory(wanted.document) for wanted in plan.wanted if wanted.sidecar or not wanted.init)


def sized_volumes(plan: PodPlan) -> dict[str, int]:
    """emptyDirs on disk that have a limit: name to bytes. Those in memory keep theirs by themselves."""
    found = {}
    for entry in plan.spec.get("volumes") or []:
        empty = entry.get("emptyDir") or {}
        if empty.get("sizeLimit") and empty.get("medium") != "Memory":
            try:
                found[str(entry.get("name"))] = whole(empty["sizeLimit"])
            except ValueError:
                continue
    return found


def _memory(container: dict[str, Any]) -> int:
    resources = container.get("resources") or {}
    asked = (resources.get("requests") or {}).get("memory") or (resources.get("limits") or {}).get("memory")
    try:
        return whole(asked) if asked else 0
    except ValueError:
        return 0
