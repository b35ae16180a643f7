"""Which of many like events to tell of: the first, and now and then how many came since. A decision without a clock."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class _Told:
    at: float
    untold: int = 0


class Sparing:
    """One in ``period_s`` for each subject; remembers ``subjects`` of them, the most recently told ones."""

    def __init__(self, period_s: float = 60.0, subjects: int = 4096) -> None:
        self._period_s = period_s
        self._subjects = subjects
        self._told: OrderedDict[str, _Told] = OrderedDict()

    def tell(self, subject: str, now: float) -> int | None:
        """None: say nothing. Else how many were left out since the last one told."""
        known = self._told.get(subject)
        if known is not None and now - known.at < self._period_s:
            known.untold += 1
            return None
        self._told[subject] = _Told(now)
        self._told.move_to_end(subject)
        if len(self._told) > self._subjects:
            self._told.popitem(last=False)
        return known.untold if known is not None else 0
