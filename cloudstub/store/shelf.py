"""The current objects of one resource, in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from cloudstub.store.records import Record

Place = tuple[str, str]
"""Namespace and name."""

_AFTER_ALL_NAMES = "\U0010ffff"


class Shelf:
    """Records by namespace and name. The order is sorted when it is asked for, and kept until the set of names changes."""

    def __init__(self) -> None:
        self._records: dict[Place, Record] = {}
        self._order: list[Place] | None = None

    def __len__(self) -> int:
        return len(self._records)

    def get(self, place: Place) -> Record | None:
        return self._records.get(place)

    def put(self, place: Place, record: Record) -> None:
        if place not in self._records:
            self._order = None
        self._records[place] = record

    def remove(self, place: Place) -> None:
        if self._records.pop(place, None) is not None:
            self._order = None

    def values(self) -> list[Record]:
        return list(self._records.values())

    def ordered(self, namespace: str | None = None) -> Iterator[Record]:
        """Records by namespace and name; only those of ``namespace`` unless it is None."""
        if self._order is None:
            self._order = sorted(self._records)
        order = self._order
        start, end = 0, len(order)
        if namespace is not None:
            start = bisect_left(order, (namespace, ""))
            end = bisect_right(order, (namespace, _AFTER_ALL_NAMES))
        return (self._records[order[i]] for i in range(start, end))
