"""Has a resource changed? Revisions only grow, so the number of objects and the highest revision among them tell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloudstub.controllers.objects import Object
from cloudstub.controllers.ports import Snapshot

Marks = dict[str, tuple[int, int] | None]


def marks_of(snapshot: Snapshot) -> Marks:
    return {resource: _mark(objects) for resource, objects in snapshot.items()}


def _mark(objects: list[Object]) -> tuple[int, int]:
    return len(objects), max(_revisions(objects), default=0)


def _revisions(objects: Iterable[Any]) -> Iterable[int]:
    return (int(obj["metadata"].get("resourceVersion") or 0) for obj in objects)
