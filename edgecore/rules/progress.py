"""How one rule goes on: from what its condition says to what is to be set, and when to look again (P8.4). Pure; ``now``: the steady clock.

``then`` is run when the condition has been true for ``hold`` seconds, once, until it was false; ``else`` when it is false after that.
Unknown does neither, and begins ``hold`` anew. What DeviceTwin refuses is asked again, while the condition stays as it is.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from viaduct.rules.rule import Action, Rule

MOST_RUNS, WITHIN = 20, 60.0
"""A rule that acts more often within so many seconds feeds itself, or watches a value that flutters."""

STOPPED_FOR = 600.0
"""Seconds for which it is then stopped: for good would leave a board that nobody visits without it."""

ASK_AGAIN = 60.0


class State(StrEnum):
    UNKNOWN = "Unknown"
    """A value is missing."""
    WAITING = "Waiting"
    """The condition is false."""
    HOLDING = "Holding"
    """It is true, and ``for`` or ``cooldown`` is not over."""
    FIRED = "Fired"
    """It is true, and what it wants is set."""
    SETTING = "Setting"
    """Something has not been taken yet, or was refused."""
    STOPPED = "Stopped"
    """It acted too often."""
    INVALID = "Invalid"
    """It cannot be read."""


class Progress:
    """``fired``: as the store has it. ``rest``: seconds of cooldown that are left from before the start."""

    def __init__(self, rule: Rule, *, now: float, fired: bool = False, rest: float = 0.0) -> None:
        self.rule = rule
        self.fired = fired
        self.run = 0
        self.owed: tuple[Action, ...] = ()
        self._truth: bool | None = None
        self._since = now
        self._cool_at = now + rest
        self._ask_at = 0.0
        self._runs: deque[float] = deque(maxlen=MOST_RUNS)
        self._stopped_until: float | None = None

    @property
    def state(self) -> State:
        if self._stopped_until is not None:
            return State.STOPPED
        if self.owed:
            return State.SETTING
        if self._truth is None:
            return State.UNKNOWN
        if not self._truth:
            return State.WAITING
        return State.FIRED if self.fired else State.HOLDING

    def judge(self, truth: bool | None, now: float) -> None:
        """What the condition says now."""
        if truth is not self._truth:
            self._truth, self._since = truth, now

    def advance(self, now: float) -> tuple[Action, ...]:
        """What is to be asked of DeviceTwin now, as run number ``run``. Each run begins with all of its actions."""
        if self._stopped_until is not None:
            if now < self._stopped_until:
                return ()
            self._stopped_until = None
            self._runs.clear()
        if self._is_to_fire(now):
            return self._begin(self.rule.then, now, fired=True)
        if self._truth is False and self.fired:
            return self._begin(self.rule.otherwise, now, fired=False)
        if self.owed and self._truth is self.fired and now >= self._ask_at:
            self._ask_at = now + ASK_AGAIN
            return self.owed
        return ()

    def next_time(self) -> float | None:
        """When ``advance`` may have something by itself."""
        if self._stopped_until is not None:
            return self._stopped_until
        if self._truth and not self.fired:
            return max(self._since + self.rule.hold, self._cool_at)
        return self._ask_at if self.owed and self._truth is self.fired else None

    def ask_soon(self) -> None:
        """What is owed may be taken now: its device has come."""
        self._ask_at = 0.0

    def taken(self, run: int, action: Action) -> bool:
        """DeviceTwin took ``action``. True: with it the run is done. An answer to an earlier run says nothing."""
        if run != self.run or action not in self.owed:
            return False
        self.owed = tuple(one for one in self.owed if one != action)
        return not self.owed

    def _is_to_fire(self, now: float) -> bool:
        return bool(self._truth) and not self.fired and now >= max(self._since + self.rule.hold, self._cool_at)

    def _begin(self, actions: tuple[Action, ...], now: float, *, fired: bool) -> tuple[Action, ...]:
        if actions and len(self._runs) == MOST_RUNS and now - self._runs[0] < WITHIN:
            self._stopped_until = now + STOPPED_FOR
            return ()
        self.fired = fired
        self.run += 1
        self.owed = actions
        self._ask_at = now + ASK_AGAIN
        if fired:
            self._cool_at = now + self.rule.cooldown
        if actions:
            self._runs.append(now)
        return actions


def rest_of(cooldown: float, fired_ms: int, now_ms: int) -> float:
    """Seconds of a cooldown that are left after a restart. A clock that stands before the last firing knows nothing: then all of it."""
    if not fired_ms:
        return 0.0
    gone = (now_ms - fired_ms) / 1000
    return cooldown if gone < 0 else max(0.0, cooldown - gone)
