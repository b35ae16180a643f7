"""One device's conversation with EdgeCore: asks for its twin, reports its values and state, until it is answered."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mappers.sdk import twin
from mappers.sdk.faultbook import Telling
from mappers.sdk.reports import Reports
from mappers.sdk.schedule import NEVER, Backoff
from mappers.sdk.twin import Failed
from mappers.sdk.values import DataType
from viaduct import topics
from viaduct.faults import Fault

logger = logging.getLogger(__name__)

ASK_SECONDS = 0.25
UNKNOWN_LIMIT = 10.0
"""First and longest time between two questions about a device that EdgeCore does not know (yet), in seconds."""

_NO_BROKER_SECONDS = 1.0

_UNHEARD = 6
"""Questions in a row that nobody answers, over 8 seconds, until it is worth a line in the log."""

Publish = Callable[[str, str], bool]
"""Topic and payload; False when there is no broker now."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two polls, and after which an unchanged value is reported again; smallest change that is reported."""

    poll: float = 1.0
    refresh: float = 600.0
    deadband: float = 0.0


class Conversation:
    """``state`` is what is reported of the device's availability, "" as long as that is not known; what is wrong with it rides along.
    ``reported`` counts messages with values. For one thread.

    Whatever is due, ``talk`` does or puts off: a loop that waits for ``next_due`` and then talks never goes round without a pause.
    """

    def __init__(self, device: str, publish: Publish, pace: Pace, report_cycles: Mapping[str, float] | None = None) -> None:
        self.reports = Reports(pace.refresh, pace.deadband, report_cycles or {})
        self.reported = 0
        self._device = device
        self._publish = publish
        self._refresh = pace.refresh
        self._state = ""
        self._faults = Telling()
        self._is_known = False
        self._is_missed = False
        self._unheard = 0
        self._state_due = 0.0
        self._ask_due = 0.0
        self._say_due = 0.0
        self._backoff = Backoff(ASK_SECONDS, UNKNOWN_LIMIT)
        self._events = 0
        # Else the answer to a mapper that ran before would be taken for one's own.
        self._prefix = f"{device}-{uuid.uuid4().hex[:8]}"

    @property
    def is_asking(self) -> bool:
        """Whether an answer about the whole twin is awaited."""
        return self._ask_due != NEVER

    def ask(self, now: float) -> None:
        """Ask for the twin again, unless that is being done."""
        self._ask_due = min(self._ask_due, now)

    def start_again(self, now: float) -> None:
        """There is a (new) connection to the broker: whatever was said before may be lost."""
        self._is_known = False
        self._backoff.reset()
        self._ask_due = now

    def now_known(self) -> None:
        """EdgeCore told the twin."""
        self._backoff.reset()
        self._ask_due = NEVER
        self._is_missed, self._unheard = False, 0
        if not self._is_known:
            logger.info("%s: EdgeCore knows it", self._device)
            self._is_known = True
            self._state_due = 0.0
            self.reports.forget()

    def take_refusal(self, refusal: Failed, now: float) -> tuple[str, ...]:
        """The properties whose values EdgeCore will not have."""
        if refusal.code == twin.UNKNOWN_DEVICE:
            if self._is_known:
                logger.info("%s: EdgeCore does not know it any more; asking until it does", self._device)
            elif not self._is_missed:
                logger.info(
                    "%s: EdgeCore does not know it: is there a Device of this name for this node? Asking until there is", self._device
                )
            self._is_known, self._is_missed, self._unheard = False, True, 0
            if not self.is_asking:
                self._ask_due = self._backoff.after_failure(now)
            return ()
        # Above it is EdgeCore's own trouble: the report is repeated as if it had not been answered.
        return self.reports.rejected(refusal.event_id, now) if refusal.code < 500 else ()

    def state_is(self, state: str) -> None:
        if state != self._state:
            self._state, self._state_due = state, 0.0

    def measured(self, values: Mapping[str, tuple[str, DataType]]) -> None:
        """For the history (P6.15). Nobody answers: what is lost is one sample."""
        if values and self._is_known:
            self._publish(topics.data_update(self._device), twin.data_report(values, now_ms=_now_ms()))

    def faults_are(self, faults: tuple[Fault, ...], now: float) -> None:
        """They ride with the state; a change makes that due."""
        self._faults.now_are(faults, now)

    def next_due(self) -> float:
        if not self._is_known:
            return self._ask_due
        state = min(self._state_due, self._faults.due) if self._state else NEVER
        return min(self._ask_due, max(self._say_due, min(state, self.reports.next_due())))

    def talk(self, now: float) -> None:
        """Say what is due."""
        if self._ask_due <= now:
            if self._publish(topics.twin_get(self._device), twin.get_request(event_id=self._event_id(), now_ms=_now_ms())):
                self._count_unheard()
            self._ask_due = self._backoff.after_failure(now)
        if self._is_known and self._say_due <= now:
            self._tell_state(now)
            self._report(now)

    def _count_unheard(self) -> None:
        self._unheard += 1
        if self._unheard == _UNHEARD:
            logger.warning("%s: no EdgeCore answers at this broker; asking until one does", self._device)

    def _tell_state(self, now: float) -> None:
        if self.reports.give_up_waiting(now):
            logger.debug("%s: EdgeCore did not answer a report", self._device)
            self._state_due = now
        if not self._state or min(self._state_due, self._faults.due) > now:
            return
        state = twin.state_request(self._state, self._faults.faults, event_id=self._event_id(), now_ms=_now_ms())
        if self._say(topics.state_update(self._device), state, now):
            self._state_due = now + self._refresh
            self._faults.was_told(now)

    def _report(self, now: float) -> None:
        due = self.reports.due(now)
        if not due:
            return
        event_id = self._event_id()
        if self._say(topics.twin_update(self._device), twin.update_request(due, event_id=event_id, now_ms=_now_ms()), now):
            self.reports.sent(due, event_id=event_id, now=now)
            self.reported += 1

    def _say(self, topic: str, payload: str, now: float) -> bool:
        """Without a broker there is a pause before the next attempt."""
        said = self._publish(topic, payload)
        if not said:
            self._say_due = now + _NO_BROKER_SECONDS
        return said

    def _event_id(self) -> str:
        self._events += 1
        return f"{self._prefix}-{self._events}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
