"""What EdgeCore is owed of a device's values: reported when changed, when it did not answer, and now and then. Pure.

MQTT has no memory: a report that is published while EdgeCore restarts is gone. So a value counts as reported when a ``twin/update/result``
came for it, and is reported again otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mappers.sdk.schedule import NEVER, Backoff
from mappers.sdk.values import DataType, Value, differs, to_text

ANSWER_SECONDS = 5.0
ANSWER_LIMIT = 60.0

INSIST_SECONDS = 60.0
"""A value that EdgeCore was told and still asks for (it spells it otherwise, or forgot) is told again no sooner than this."""


@dataclass(slots=True)
class Reports:
    """``refresh``: seconds after which even an unchanged value is reported again. ``cycles``: by property, seconds between two reports of a
    value that changes (P6.13); none: as soon as it changes."""

    refresh: float
    deadband: float = 0.0
    cycles: Mapping[str, float] = field(default_factory=dict)
    _held: dict[str, tuple[Value, DataType]] = field(default_factory=dict)
    _reported: dict[str, tuple[Value, float]] = field(default_factory=dict)
    _apart: set[str] = field(default_factory=set)
    _sent: dict[str, Value] = field(default_factory=dict)
    _event: str = ""
    _answer_by: float = NEVER
    _patience: Backoff = field(default_factory=lambda: Backoff(ANSWER_SECONDS, ANSWER_LIMIT))

    def observe(self, name: str, value: Value, data_type: DataType) -> None:
        """The device holds ``value``."""
        self._held[name] = value, data_type

    def insist(self, name: str, now: float) -> None:
        """EdgeCore waits for this value: tell it though the change may be small, or none."""
        if name not in self._reported or name not in self._held:
            return
        reported, at = self._reported[name]
        if differs(reported, self._held[name][0]) or now - at >= INSIST_SECONDS:
            del self._reported[name]

    def due(self, now: float) -> Mapping[str, tuple[str, DataType]]:
        """(text, type) by property; empty while an answer is awaited, so that reports of one device never overtake each other."""
        if self._event:
            return {}
        names = [name for name, (value, _) in self._held.items() if self._is_due(name, value, now)]
        together = [name for name in names if name not in self._apart] or names[:1]
        return {name: (to_text(self._held[name][0]), self._held[name][1]) for name in together}

    def next_due(self) -> float:
        """When ``due`` may give something though nothing was observed."""
        if self._event:
            return self._answer_by
        if self._held.keys() - self._reported.keys():
            return 0.0
        return min((self._next_of(name, reported, at) for name, (reported, at) in self._reported.items()), default=NEVER)

    @property
    def awaited(self) -> tuple[str, ...]:
        """The properties about which an answer is awaited."""
        return tuple(self._sent)

    def sent(self, names: Iterable[str], *, event_id: str, now: float) -> None:
        """What ``due`` gave was published."""
        self._sent = {name: self._held[name][0] for name in names}
        self._event = event_id
        self._answer_by = self._patience.after_failure(now)

    def give_up_waiting(self, now: float) -> bool:
        """Whether the answer is overdue. EdgeCore may hold what was sent or what it held before, so it is told again whatever is held."""
        if now < self._answer_by:
            return False
        for name in self._sent:
            self._reported.pop(name, None)
        self._await_nothing()
        return True

    def accepted(self, event_id: str, now: float) -> bool:
        """EdgeCore has it. False when this is not the answer that is awaited."""
        if not event_id or event_id != self._event:
            return False
        self._apart -= self._sent.keys()
        self._settle(now)
        return True

    def rejected(self, event_id: str, now: float) -> tuple[str, ...]:
        """EdgeCore refuses a whole report for one bad value: say them one by one. The property that cannot be reported, if it is known."""
        if not event_id or event_id != self._event:
            return ()
        guilty = tuple(self._sent) if len(self._sent) == 1 else ()
        self._apart |= self._sent.keys()
        if not guilty:
            self._sent = {}
        self._settle(now)
        return guilty

    def forget(self) -> None:
        """EdgeCore may know nothing of this device: report everything again."""
        self._reported.clear()
        self._apart.clear()
        self._sent = {}
        self._settle(0.0)

    def _is_due(self, name: str, value: Value, now: float) -> bool:
        if name not in self._reported:
            return True
        reported, at = self._reported[name]
        changed = differs(reported, value, self.deadband) and now - at >= self.cycles.get(name, 0.0)
        return changed or now - at >= self.refresh

    def _next_of(self, name: str, reported: Value, at: float) -> float:
        cycle = self.cycles.get(name)
        waits = cycle and name in self._held and differs(reported, self._held[name][0], self.deadband)
        return at + min(cycle, self.refresh) if cycle and waits else at + self.refresh

    def _settle(self, now: float) -> None:
        """Nothing is awaited any more; a value that was refused on its own counts as told, until it changes."""
        self._reported |= {name: (value, now) for name, value in self._sent.items()}
        self._patience.reset()
        self._await_nothing()

    def _await_nothing(self) -> None:
        self._event, self._sent, self._answer_by = "", {}, NEVER
