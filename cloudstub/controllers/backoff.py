"""Waiting longer after each failure in a row, for each subject by itself. The caller brings the clock (monotonic seconds)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class _Row:
    failures: int
    until: float


class Backoff:
    """``first`` seconds after the first failure, doubling up to ``most``."""

    def __init__(self, *, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._rows: dict[Hashable, _Row] = {}

    def fail(self, subject: Hashable, clock: float) -> float:
        """Count a failure; how long to wait now. Failures at one time, before the wait is over, count as one."""
        row = self._rows.get(subject)
        if row is not None and clock < row.until:
            return row.until - clock
        if row is None or clock > row.until + 2 * self._most:
            self._forget(clock)
            row = self._rows[subject] = _Row(0, 0.0)
        wait = min(self._most, self._first * 2.0 ** min(row.failures, 32))
        row.failures += 1
        row.until = clock + wait
        return wait

    def succeed(self, subject: Hashable) -> None:
        self._rows.pop(subject, None)

    def is_waiting(self, subject: Hashable, clock: float) -> bool:
        return clock < self.until(subject)

    def until(self, subject: Hashable) -> float:
        row = self._rows.get(subject)
        return row.until if row else float("-inf")

    def _forget(self, clock: float) -> None:
        """Subjects that are long over leave, so that the table does not grow with everything that ever failed."""
        self._rows = {key: row for key, row in self._rows.items() if clock <= row.until + 2 * self._most}
