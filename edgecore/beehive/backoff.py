"""Waiting longer after each failure, with jitter, so that many boards do not come back in one instant."""

from __future__ import annotations

import random


class Backoff:
    """``next()`` gives seconds: ``first`` doubling up to ``limit``, each spread by ±``jitter`` of itself. ``reset()`` after a success."""

    def __init__(self, first: float, limit: float, *, jitter: float = 0.25, spread: random.Random | None = None) -> None:
        self._first = first
        self._limit = limit
        self._jitter = jitter
        self._spread = spread or random.Random()
        self._failures = 0

    @property
    def failures(self) -> int:
        return self._failures

    def next(self) -> float:
        delay = min(self._first * 2.0 ** min(self._failures, 32), self._limit)
        self._failures += 1
        return delay * (1 + self._spread.uniform(-self._jitter, self._jitter))

    def reset(self) -> None:
        self._failures = 0
