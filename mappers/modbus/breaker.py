"""Circuit breakers of the slaves on one line: who may be asked when, and how long an answer is waited for. Pure: the caller passes ``now``
in monotonic seconds.

A bus serves one question at a time, so each second spent on a slave that is not there is taken from all others. Hence, where a line has
several slaves:

- an answer is awaited about as long as this slave, or else the slowest on this line, uses to need: the mean and four times the deviation,
  as TCP does (RFC 6298); one that is late for once (a frame was lost, the board was busy) is asked a second time when the others had their
  turns;
- a slave that did not answer is left alone (the breaker is open) and then asked once (half open); all such questions of a line together
  take no more than ``SHARE`` of its time, and each silent slave has its own place in the row;
- a slave that was never heard, or may have become slow, is given the full limit: at the first question, and then at growing distances,
  which take no more than ``LONG_SHARE``.

A slave that is alone on its line delays nobody: it is always given the full limit and never left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FLOOR = 0.05
"""Seconds beyond the mean: less is the noise of a busy board."""

SHARE = 0.1
LONG_SHARE = 0.02

LONG_FIRST = 60.0
LONG_MOST = 3600.0
"""Seconds between two questions with the full limit to a slave that is silent; the distance doubles."""

_MEAN_GAIN = 1 / 8
_DEVIATION_GAIN = 1 / 4


@dataclass(slots=True)
class _Slave:
    """``mean``, ``deviation``: of its answers, in seconds. ``probe_at``, ``long_at``: not before this time."""

    mean: float | None = None
    deviation: float = 0.0
    is_silent: bool = False
    is_doubted: bool = False
    probe_at: float = 0.0
    long_at: float = 0.0
    long_wait: float = 0.0

    @property
    def usual(self) -> float | None:
        """Seconds within which it is expected to answer; None: it never did."""
        return None if self.mean is None else self.mean + max(FLOOR, 4 * self.deviation)

    def learn(self, took: float) -> None:
        if self.mean is None:
            self.mean, self.deviation = took, took / 2
            return
        self.deviation += _DEVIATION_GAIN * (abs(took - self.mean) - self.deviation)
        self.mean += _MEAN_GAIN * (took - self.mean)


@dataclass(slots=True)
class Breaker:
    """All slaves of one line. ``is_alone``: whether only one slave is served on it."""

    is_alone: bool = True
    _slaves: dict[int, _Slave] = field(default_factory=dict)
    _free_at: float = 0.0
    _long_free_at: float = 0.0

    def wait(self, unit: int, now: float) -> float:
        """Seconds for which the slave is to be left alone; 0: ask it."""
        return 0.0 if self.is_alone else max(0.0, self._slave(unit).probe_at - now)

    def patience(self, unit: int, now: float, *, limit: float, wire: float = 0.0) -> float:
        """Seconds to wait for its answer, at most ``limit``; ``wire`` is what the bytes alone take."""
        slave = self._slave(unit)
        usual = self._usual(slave)
        if self.is_alone or usual is None or self._deserves_long(slave, now):
            return limit
        return min(limit, wire + usual)

    def answered(self, unit: int, took: float, *, wire: float = 0.0) -> None:
        """Also a refusal is an answer: the breaker closes."""
        slave = self._slave(unit)
        # Who was doubted without reason needed at least what it was given the first time.
        slave.learn(max(took - wire, slave.usual or 0.0 if slave.is_doubted else 0.0))
        slave.is_silent, slave.is_doubted, slave.probe_at, slave.long_wait = False, False, 0.0, 0.0

    def doubt(self, unit: int) -> bool:
        """It did not answer in time. Whether it is to be asked a second time before that counts."""
        slave = self._slave(unit)
        slave.is_doubted = not (self.is_alone or slave.is_silent or slave.is_doubted or slave.mean is None)
        return slave.is_doubted

    def silent(self, unit: int, now: float, took: float) -> float:
        """It did not answer within ``took`` seconds, which end ``now``. Seconds after which it may be asked again."""
        slave = self._slave(unit)
        was_long = self._deserves_long(slave, now - took)
        if not slave.is_silent or was_long:
            slave.long_wait = min(LONG_MOST, slave.long_wait * 2 or LONG_FIRST)
            slave.long_at = now + slave.long_wait
        slave.is_silent, slave.is_doubted = True, False
        if self.is_alone:
            return 0.0
        if was_long:
            self._long_free_at = max(self._long_free_at, now) + took / LONG_SHARE
        self._free_at = max(self._free_at, now) + min(took, self._usual(slave) or FLOOR) / SHARE
        slave.probe_at = self._free_at
        return slave.probe_at - now

    def _usual(self, slave: _Slave) -> float | None:
        """None: nobody on this line ever answered."""
        return slave.usual or max((each.usual for each in self._slaves.values() if each.usual is not None), default=None)

    def _deserves_long(self, slave: _Slave, now: float) -> bool:
        if slave.is_silent:
            return now >= max(slave.long_at, self._long_free_at)
        return slave.mean is None

    def _slave(self, unit: int) -> _Slave:
        return self._slaves.setdefault(unit, _Slave())
