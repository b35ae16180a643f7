"""Lists of a strategic merge patch: find entries by key, unite sets, and put the result in the order that the patch asks for."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from cloudstub.errors import BadRequest
from cloudstub.patches.merge_keys import Rule


class Entries:
    """A list of objects by merge key. Finding, putting and removing cost the same for any length of list."""

    def __init__(self, entries: list[Any], rule: Rule, path: str) -> None:
        self._rule = rule
        self._slots: list[dict[str, Any] | None] = list(entries)
        self._by_key: dict[str, list[int]] = {}
        self._touched: set[int] = set()
        for index, entry in enumerate(entries):
            self._by_key.setdefault(self._key(entry, f"{path}[{index}]"), []).append(index)

    def find(self, entry: dict[str, Any], where: str) -> dict[str, Any] | None:
        """The entry of the list that ``entry`` is about.

        Raises:
            BadRequest: ``entry`` lacks the merge key.
        """
        index = self._index(entry, where)
        return None if index is None else self._slots[index]

    def put(self, entry: dict[str, Any], merged: dict[str, Any]) -> None:
        index = self._index(entry, "")
        if index is None:
            index = len(self._slots)
            self._by_key.setdefault(self._key(entry, ""), []).append(index)
            self._slots.append(merged)
        self._slots[index] = merged
        self._touched.add(index)

    def remove(self, entry: dict[str, Any], where: str) -> None:
        index = self._index(entry, where)
        if index is not None:
            self._slots[index] = None
            self._by_key[self._key(entry, where)].remove(index)

    def listed(self) -> list[dict[str, Any]]:
        return [entry for entry in self._slots if entry is not None]

    def _index(self, entry: dict[str, Any], where: str) -> int | None:
        found = self._by_key.get(self._key(entry, where), [])
        if not found or self._rule.second_key is None:
            return found[0] if found else None
        field, fallback = self._rule.second_key
        wanted = entry.get(field, fallback)
        same = [i for i in found if (self._slots[i] or {}).get(field, fallback) == wanted]
        # Kubernetes knows the merge key only: an entry that is there may change its protocol, but two of one patch stay two.
        return next((i for i in same or found if same or i not in self._touched), None)

    def _key(self, entry: Any, where: str) -> str:
        key = self._rule.merge_key or ""
        if not isinstance(entry, dict) or entry.get(key) is None:
            raise BadRequest(f"{where}: does not contain the merge key {key!r}")
        return _identity(entry[key])


def united(target: list[Any], patch: list[Any]) -> list[Any]:
    """The values of both lists, each once, the target's first."""
    return list({_identity(value): value for value in [*target, *patch]}.values())


def without(target: list[Any], values: list[Any]) -> list[Any]:
    leaving = {_identity(value) for value in values}
    return [value for value in target if _identity(value) not in leaving]


def ordered(result: list[Any], order: list[Any], before: list[Any], rule: Rule) -> list[Any]:
    """``result`` with the entries that ``order`` names in that order; the others keep their place among those from ``before``."""
    rank = {_order_key(one, rule): index for index, one in enumerate(order)}
    once = {_order_key(one, rule): index for index, one in reversed(list(enumerate(before)))}
    named = deque(sorted((one for one in result if _order_key(one, rule) in rank), key=lambda one: rank[_order_key(one, rule)]))
    others = deque(one for one in result if _order_key(one, rule) not in rank)
    merged: list[Any] = []
    while named and others:
        first, other = once.get(_order_key(named[0], rule)), once.get(_order_key(others[0], rule), len(before))
        merged.append(named.popleft() if first is None or first < other else others.popleft())
    return [*merged, *named, *others]


def _order_key(entry: Any, rule: Rule) -> str:
    return _identity(entry.get(rule.merge_key) if isinstance(entry, dict) and rule.merge_key else entry)


def _identity(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
