"""One thread for one device: reads it, reports it, writes what is desired. A device that does not answer keeps nobody else waiting."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mappers.sdk import twin, values
from mappers.sdk.availability import ONLINE, Availability
from mappers.sdk.driver import Driver
from mappers.sdk.errors import DeviceAway, DeviceRefused, ValueRefused
from mappers.sdk.profile import Property
from mappers.sdk.reports import Reports
from mappers.sdk.schedule import NEVER, Backoff, next_tick, wait_until
from mappers.sdk.twin import Answered, Failed, Heard, Wanted
from mappers.sdk.wishes import Wishes
from viaduct import topics

logger = logging.getLogger(__name__)

INBOX = 256
"""Messages that may wait for a device which keeps its thread busy; what comes on top is asked for again."""

AWAY_LIMIT = 30.0
"""Longest time between two attempts to reach a device, in seconds."""

UNKNOWN_LIMIT = 10.0
"""Longest time between two questions about a device that EdgeCore does not know (yet)."""

_LONGEST_WAIT = 60.0

Publish = Callable[[str, str], bool]
"""Topic and payload; False when there is no broker now."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two polls, and after which an unchanged value is reported again; smallest change that is reported."""

    poll: float = 1.0
    refresh: float = 600.0
    deadband: float = 0.0


@dataclass(frozen=True, slots=True)
class BrokerBack:
    """There is a (new) connection to the broker: whatever was said before may be lost."""


@dataclass(frozen=True, slots=True)
class Stop:
    pass


class Worker:
    """``tell`` and ``stop`` may be called from any thread."""

    def __init__(self, device: str, driver: Driver, properties: tuple[Property, ...], publish: Publish, pace: Pace) -> None:
        self.device = device
        self._driver = driver
        self._properties: Mapping[str, Property] = {wanted.name: wanted for wanted in properties}
        self._publish = publish
        self._pace = pace
        self._inbox: queue.Queue[Heard | BrokerBack | Stop] = queue.Queue(INBOX)
        self._missed = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"device-{device}", daemon=True)
        self._availability = Availability(Backoff(pace.poll, max(AWAY_LIMIT, pace.poll)))
        self._reports = Reports(pace.refresh, pace.deadband)
        self._wishes = Wishes()
        self._complaints: dict[str, str] = {}
        self._events = 0
        self._is_open = False
        self._is_known = False
        self._poll_due = 0.0
        self._visit_due = 0.0
        self._state_due = 0.0
        self._get_due = 0.0
        self._get_backoff = Backoff(1.0, UNKNOWN_LIMIT)

    def start(self) -> None:
        self._thread.start()

    def tell(self, message: Heard | BrokerBack) -> None:
        try:
            self._inbox.put_nowait(message)
        except queue.Full:
            self._missed.set()

    def stop(self) -> None:
        """Ask the thread to end; ``join`` waits for it."""
        self._stopped.set()
        try:
            self._inbox.put_nowait(Stop())
        except queue.Full:
            pass

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self._hear_all(wait_until(self._next_due(), time.monotonic(), _LONGEST_WAIT))
                if not self._stopped.is_set():
                    self._look_after(time.monotonic())
        except Exception:
            # One device's thread must not end without a word; the others go on.
            logger.exception("%s: its thread ended on a fault of ours; the device is not served until the mapper restarts", self.device)
        finally:
            self._driver.close()

    def _next_due(self) -> float:
        wishes = self._wishes.next_due() if self._is_answering() else NEVER
        reports = self._reports.next_due() if self._is_known else NEVER
        return min(self._visit_due, wishes, reports, self._get_due, self._state_due if self._is_known else NEVER)

    def _hear_all(self, timeout: float) -> None:
        try:
            message = self._inbox.get(timeout=timeout) if timeout else self._inbox.get_nowait()
            while True:
                self._hear(message)
                message = self._inbox.get_nowait()
        except queue.Empty:
            pass
        if self._missed.is_set():
            self._missed.clear()
            self._hear(BrokerBack())

    def _hear(self, message: Heard | BrokerBack | Stop) -> None:
        now = time.monotonic()
        match message:
            case Wanted(wanted, whole):
                self._wish(wanted, whole)
            case Answered(event_id):
                self._reports.accepted(event_id, now)
            case Failed(event_id, code, reason):
                self._take_refusal(event_id, code, reason, now)
            case BrokerBack():
                self._is_known = False
                self._get_backoff.reset()
                self._get_due = now

    def _wish(self, wanted: Mapping[str, str], whole: bool) -> None:
        if whole:
            self._wishes.keep_only(wanted)
            self._get_backoff.reset()
            self._get_due = NEVER
            if not self._is_known:
                logger.info("%s: EdgeCore knows it", self.device)
                self._is_known = True
                self._state_due = 0.0
                self._reports.forget()
        self._wishes.ask(wanted)

    def _take_refusal(self, event_id: str, code: int, reason: str, now: float) -> None:
        if code == twin.UNKNOWN_DEVICE:
            if self._is_known:
                logger.info("%s: EdgeCore does not know it any more; asking until it does", self.device)
            self._is_known = False
            self._get_due = self._get_due if self._get_due != NEVER else self._get_backoff.after_failure(now)
        elif code < 500:
            for name in self._reports.rejected(event_id, now):
                self._complain(name, f"EdgeCore refuses its value: {reason} (code {code})")

    def _look_after(self, now: float) -> None:
        if self._visit_due <= now:
            self._visit(self._read_all)
            self._poll_due = next_tick(self._poll_due or now, time.monotonic(), self._pace.poll)
            self._visit_due = self._availability.next_visit(time.monotonic(), self._poll_due)
        if self._is_answering() and self._wishes.due(now):
            self._visit(self._fulfil_wishes)
        self._talk(time.monotonic())

    def _is_answering(self) -> bool:
        return self._is_open

    def _visit(self, purpose: Callable[[], None]) -> None:
        try:
            if not self._is_open:
                self._driver.open()
                self._is_open = True
            purpose()
        except DeviceAway as exc:
            self._driver.close()
            self._is_open = False
            self._wishes.doubt()
            self._complain("", str(exc))
            self._note(self._availability.failed())
        else:
            self._complaints.pop("", None)
            self._note(self._availability.succeeded())

    def _note(self, is_news: bool) -> None:
        if is_news:
            logger.log(
                logging.INFO if self._availability.state == ONLINE else logging.WARNING, "%s: %s", self.device, self._availability.state
            )
            self._state_due = 0.0

    def _read_all(self) -> None:
        for wanted in self._properties.values():
            if not self._stopped.is_set():
                self._read(wanted)

    def _read(self, wanted: Property) -> None:
        try:
            value = self._driver.read(wanted)
        except DeviceRefused as exc:
            self._complain(wanted.name, f"cannot be read: {exc}")
            return
        self._complaints.pop(wanted.name, None)
        self._reports.observe(wanted.name, value, wanted.data_type)

    def _fulfil_wishes(self) -> None:
        for name, text in self._wishes.due(time.monotonic()):
            try:
                self._fulfil(name, text)
            except ValueRefused as exc:
                logger.warning("%s: desired %s = %r is not written: %s", self.device, name, text, exc)
                self._wishes.give_up(name)
            except DeviceRefused as exc:
                if self._wishes.try_later(name, time.monotonic(), str(exc)):
                    logger.warning("%s: desired %s = %r cannot be written yet: %s", self.device, name, text, exc)
            else:
                self._wishes.fulfilled(name)

    def _fulfil(self, name: str, text: str) -> None:
        """Raises ValueRefused, DeviceRefused, DeviceAway."""
        wanted = self._properties.get(name)
        if wanted is None:
            raise ValueRefused("the device's model has no such property that can be reached")
        value = values.parse(text, wanted.data_type, wanted.limits)
        held = self._driver.read(wanted)
        if held != value:
            if not wanted.writable:
                raise ValueRefused("the property is read-only")
            self._driver.write(wanted, value)
            held = self._driver.read(wanted)
            if held != value:
                raise DeviceRefused(f"it took the value but holds {values.to_text(held)}")
            logger.info("%s: %s was set to %s", self.device, name, text)
        self._reports.observe(name, held, wanted.data_type)

    def _complain(self, subject: str, complaint: str) -> None:
        """Once, until it is well again."""
        if self._complaints.get(subject) == complaint:
            return
        is_first = subject not in self._complaints
        self._complaints[subject] = complaint
        logger.log(logging.WARNING if is_first else logging.DEBUG, "%s: %s%s", self.device, f"{subject}: " if subject else "", complaint)

    def _talk(self, now: float) -> None:
        if self._wishes.doubtful(now) and self._is_answering() and self._get_due == NEVER:
            self._get_due = now
        if self._get_due <= now:
            self._publish(topics.twin_get(self.device), twin.get_request(event_id=self._event_id(), now_ms=_now_ms()))
            self._get_due = self._get_backoff.after_failure(now)
        if self._is_known:
            self._report(now)

    def _report(self, now: float) -> None:
        if self._reports.is_overdue(now):
            logger.debug("%s: EdgeCore did not answer a report", self.device)
            self._state_due = now
        if self._availability.state and self._state_due <= now:
            state = twin.state_request(self._availability.state, event_id=self._event_id(), now_ms=_now_ms())
            if self._publish(topics.state_update(self.device), state):
                self._state_due = now + self._pace.refresh
        due = self._reports.due(now)
        if not due:
            return
        event_id = self._event_id()
        if self._publish(topics.twin_update(self.device), twin.update_request(due, event_id=event_id, now_ms=_now_ms())):
            self._reports.sent(due, event_id=event_id, now=now)

    def _event_id(self) -> str:
        self._events += 1
        return f"{self.device}-{self._events}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
