from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgecore.containers.model import Image
from edgecore.edged.housekeeping import Candidate, DiskRules, images_to_remove, next_to_evict, next_to_evict_for_disk, sized_volumes
from edgecore.edged.pod import PodPlan, read_pod
from tests.unit.edgecore.edged.pods import container, pod
from tests.unit.edgecore.edged.test_node import BOARD

RULES = DiskRules(high=80, low=50)
A, B, C = (Image(f"id-{name}", (f"quay.io/{name}:1",), 20) for name in "abc")


def removed(*, free: int, kept: tuple[str, ...] = (), **last_used: float) -> list[str]:
    machine = replace(BOARD, disk=100, disk_available=free)
    found = images_to_remove([A, B, C], kept, {f"id-{name}": at for name, at in last_used.items()}, machine=machine, rules=RULES)
    return [image.id for image in found]


@pytest.mark.parametrize(
    ("free", "kept", "expected"),
    [
        (30, (), []),
        (15, (), ["id-c", "id-a"]),
        (1, (), ["id-c", "id-a", "id-b"]),
        (15, ("id-c",), ["id-a", "id-b"]),
        (15, ("quay.io/a:1",), ["id-c", "id-b"]),
        (1, ("id-a", "id-b", "id-c"), []),
    ],
)
def test_images_go_from_the_high_mark_to_the_low_one_the_longest_unused_first(
    free: int, kept: tuple[str, ...], expected: list[str]
) -> None:
    assert removed(free=free, kept=kept, a=2.0, b=3.0, c=1.0) == expected


def test_a_disk_of_unknown_size_costs_no_image() -> None:
    machine = replace(BOARD, disk=0, disk_available=0)
    assert images_to_remove([A], (), {}, machine=machine, rules=RULES) == []


def plan(name: str, request: str = "", priority: int | None = None) -> PodPlan:
    resources = {"resources": {"requests": {"memory": request}}} if request else {}
    spec: dict[str, Any] = {} if priority is None else {"priority": priority}
    return read_pod(pod(container(**resources), name=name, uid=name, **spec))


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], None),
        ([Candidate(plan("modest", "100"), 50), Candidate(plan("greedy", "10"), 40)], "greedy"),
        ([Candidate(plan("best-effort"), 1), Candidate(plan("guaranteed", "100"), 90)], "best-effort"),
        ([Candidate(plan("dear", priority=10), 50), Candidate(plan("cheap", priority=1), 20)], "cheap"),
        ([Candidate(plan("a"), 50), Candidate(plan("b"), 70)], "b"),
        ([Candidate(plan("system", priority=2_000_000_000), 500), Candidate(plan("other", "100"), 5)], "other"),
        ([Candidate(plan("system", priority=2_000_001_000), 500)], None),
    ],
)
def test_the_pod_that_goes_first_is_a_kubelets_choice(candidates: list[Candidate], expected: str | None) -> None:
    chosen = next_to_evict(candidates)
    assert (chosen.plan.name if chosen else None) == expected


def test_for_the_disk_only_a_pod_that_fills_it_goes() -> None:
    innocent, hog, dear = Candidate(plan("a"), 49), Candidate(plan("b"), 500), Candidate(plan("c", priority=5), 900)
    assert next_to_evict_for_disk([innocent], 1000) is None
    assert next_to_evict_for_disk([innocent, dear, hog], 1000) == hog
    assert next_to_evict_for_disk([hog], 0) is None


def test_volumes_on_disk_have_limits_and_those_in_memory_keep_theirs_by_themselves() -> None:
    volumes = [
        {"name": "small", "emptyDir": {"sizeLimit": "1Mi"}},
        {"name": "free", "emptyDir": {}},
        {"name": "fast", "emptyDir": {"sizeLimit": "1Mi", "medium": "Memory"}},
    ]
    assert sized_volumes(read_pod(pod(volumes=volumes))) == {"small": 1024**2}
