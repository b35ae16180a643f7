"""When a board asks again, and when its code is over (P2.12): decisions without a clock."""

from __future__ import annotations

from dataclasses import dataclass, field

CODE_LIFE_S = 900.0
WRONG_LIMIT = 1000
"""Answers that did not open. Each is a guess of one who may not know the code; sites that expect other boards give some too."""
SITES_LIMIT = 8
ADDRESSES_LIMIT = 4

_FIRST_PAUSE_S = 3.0
_LONGEST_PAUSE_S = 10.0
_IDLE_ROUNDS = 300
_IDLE_PAUSE_S = 30.0
"""After about an hour: a board that nobody expects may wait for months."""


@dataclass(slots=True)
class Code:
    """What the board shows. ``since`` is when it was taken, by a clock that nobody sets."""

    text: str = field(repr=False)
    since: float
    wrong: int = 0

    def is_over(self, now: float) -> bool:
        return now - self.since >= CODE_LIFE_S or self.wrong >= WRONG_LIMIT


def pause_s(rounds: int, chance: float) -> float:
    """Before the next round, after ``rounds`` of them; ``chance`` from 0 to 1 spreads boards that were switched on together."""
    pause: float = _IDLE_PAUSE_S if rounds >= _IDLE_ROUNDS else min(_FIRST_PAUSE_S * 1.5 ** min(rounds, 20), _LONGEST_PAUSE_S)
    return pause * (0.7 + 0.6 * chance)
