"""Waiting longer after each failure, spread so that many watchers do not come back in one instant."""

from __future__ import annotations

import random


class Backoff:
    """``next()`` gives seconds: ``first`` doubling up to ``limit``, each ±25 %. ``reset()`` after a success."""

    def __init__(self, first: float = 0.2, limit: float = 15.0, spread: random.Random | None = None) -> None:
        self._first = first
        self._limit = limit
        self._spread = spread or random.Random()
        self._failures = 0

    def next(self) -> float:
        delay = min(self._first * 2.0 ** min(self._failures, 32), self._limit)
        self._failures += 1
        return delay * self._spread.uniform(0.75, 1.25)

    def reset(self) -> None:
        self._failures = 0
