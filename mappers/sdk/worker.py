"""One thread for one device: reads it, reports it, writes what is desired. A device that does not answer keeps nobody else waiting."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from mappers.sdk import values
from mappers.sdk.availability import OFFLINE, ONLINE, Availability
from mappers.sdk.conversation import Conversation, Pace, Publish
from mappers.sdk.cycles import Cycles
from mappers.sdk.driver import Batching, Driver, Telling
from mappers.sdk.errors import DeviceAway, DeviceRefused, ValueRefused
from mappers.sdk.faultbook import FaultBook
from mappers.sdk.profile import Property
from mappers.sdk.schedule import NEVER, Backoff, next_tick, wait_until
from mappers.sdk.tally import Tally
from mappers.sdk.twin import Answered, Failed, Heard, Wanted
from mappers.sdk.values import DataType, Value
from mappers.sdk.wishes import Wishes
from supervision.exposition import Times
from viaduct.faults import DESCRIPTION, INTERNAL, READ_ONLY, READ_REFUSED, REPORT_REFUSED, WRITE_REFUSED, Fault, words

logger = logging.getLogger(__name__)

INBOX = 256
"""Messages that may wait for a device which keeps its thread busy; what comes on top is asked for again."""

AWAY_LIMIT = 10.0
"""Longest time between two attempts to reach a device, in seconds."""

FAULT_SECONDS = 5.0
"""Pause of a device's thread after a fault of ours."""

RECALL_SECONDS = 60.0
"""Between two questions whether a value that can never be written is still desired: EdgeCore says nothing when it is not."""

_LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class BrokerBack:
    """There is a (new) connection to the broker."""


@dataclass(frozen=True, slots=True)
class News:
    """The device told by itself that this property has changed."""

    name: str


@dataclass(frozen=True, slots=True)
class Described:
    """What is wrong with the description of the device."""

    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    pass


class Worker:
    """``tell``, ``stop`` and ``join`` may be called from any thread; ``tally`` and ``state`` may be read from any."""

    def __init__(
        self,
        device: str,
        driver: Driver,
        properties: tuple[Property, ...],
        publish: Publish,
        pace: Pace,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        """``faults``: what is wrong with its description."""
        self.device = device
        self.tally = Tally()
        self._book = FaultBook(faults)
        self._driver = driver
        self._properties: Mapping[str, Property] = {wanted.name: wanted for wanted in properties}
        self._cycles = Cycles(properties, pace.poll)
        self._poll = self._cycles.visit
        self._inbox: queue.Queue[Heard | BrokerBack | Described | News | Stop] = queue.Queue(INBOX)
        self._missed = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"device-{device}", daemon=True)
        self._availability = Availability(Backoff(pace.poll, max(AWAY_LIMIT, pace.poll)))
        self._conversation = Conversation(device, publish, pace, {one.name: one.report for one in properties if one.report})
        self._measured: dict[str, tuple[str, DataType]] = {}
        self._wishes = Wishes()
        self._complaints: dict[str, str] = {}
        self._is_open = False
        self._again_in: float | None = None
        self._poll_due = 0.0
        self._visit_due = 0.0
        self._recall_due = NEVER
        self._news: set[str] = set()
        if isinstance(driver, Telling):
            driver.on_news(self._take_news)

    @property
    def state(self) -> str:
        """Empty until the first visit."""
        return self._availability.state

    def start(self) -> None:
        self._thread.start()

    def tell(self, message: Heard | BrokerBack | Described) -> None:
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

    def _take_news(self, name: str) -> None:
        try:
            self._inbox.put_nowait(News(name))
        except queue.Full:
            # The next poll reads it as well.
            pass

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._hear_all(wait_until(self._next_due(), time.monotonic(), _LONGEST_WAIT))
                if not self._stopped.is_set():
                    self._look_after(time.monotonic())
            except Exception as exc:
                # A fault of ours costs this device a pause, and the other devices nothing.
                logger.exception("%s: a fault of ours; going on in %g s", self.device, FAULT_SECONDS)
                self._let_go()
                self._tell_internal(exc)
                self._stopped.wait(FAULT_SECONDS)
        self._let_go()

    def _tell_internal(self, exc: Exception) -> None:
        self.tally.failures[INTERNAL] += 1
        self._book.failed(INTERNAL, words(f"a fault of the mapper, see its log: {type(exc).__name__}"))
        try:
            self._talk(time.monotonic())
        except Exception:
            logger.exception("%s: what is wrong cannot be told either", self.device)

    def _next_due(self) -> float:
        recall = NEVER if self._conversation.is_asking else self._recall_due
        return min(self._visit_due, self._wishes_due(), recall, self._conversation.next_due())

    def _wishes_due(self) -> float:
        if not self._is_open:
            return NEVER
        return min(self._wishes.next_due(), NEVER if self._conversation.is_asking else self._wishes.ask_again_due())

    # What EdgeCore says.

    def _hear_all(self, timeout: float) -> None:
        try:
            self._hear(self._inbox.get(timeout=timeout) if timeout else self._inbox.get_nowait())
            for _ in range(INBOX):
                self._hear(self._inbox.get_nowait())
        except queue.Empty:
            pass
        if self._missed.is_set():
            self._missed.clear()
            self._conversation.start_again(time.monotonic())

    def _hear(self, message: Heard | BrokerBack | Described | News | Stop) -> None:
        now = time.monotonic()
        match message:
            case Wanted(wanted, whole):
                if whole:
                    self._wishes.keep_only(wanted)
                    self._conversation.now_known()
                    self._recall_due = now + RECALL_SECONDS if self._wishes.hopeless else NEVER
                self._wishes.ask(wanted)
                self._book.wishes_are(self._wishes.unfulfilled)
            case Answered(event_id):
                awaited = self._conversation.reports.awaited
                if self._conversation.reports.accepted(event_id, now):
                    self._book.taken(awaited)
            case Failed(code=code, reason=reason):
                for name in self._conversation.take_refusal(message, now):
                    self._complain(f"{name} is refused by EdgeCore: ", f"{reason} (code {code})")
                    self.tally.failures[REPORT_REFUSED] += 1
                    self._book.not_taken(name, REPORT_REFUSED, words(reason))
            case Described(faults):
                self._book.described = faults
            case News(name):
                self._news.add(name)
            case BrokerBack():
                self._conversation.start_again(now)

    # What the device holds.

    def _look_after(self, now: float) -> None:
        if self._visit_due <= now:
            self._visit(self._read_all)
            self._poll_due = next_tick(self._poll_due or now, time.monotonic(), self._poll)
            self._visit_due = self._availability.next_visit(time.monotonic(), self._poll_due, self._again_in)
        if self._is_open and self._news:
            self._visit(self._read_news)
        if self._is_open and self._wishes.due(now):
            self._visit(self._fulfil_wishes)
        if (self._is_open and self._wishes.ask_again_due() <= now) or self._recall_due <= now:
            self._conversation.ask(now)
        measured, self._measured = self._measured, {}
        self._conversation.measured(measured)
        self._talk(time.monotonic())

    def _talk(self, now: float) -> None:
        self._conversation.faults_are(self._book.current(), now)
        self._conversation.talk(now)
        self.tally.reports = self._conversation.reported

    def _visit(self, purpose: Callable[[], None]) -> None:
        try:
            if not self._is_open:
                self._driver.open()
                self._is_open = True
            purpose()
        except DeviceAway as exc:
            self._let_go()
            self._again_in = exc.again_in
            self._wishes.doubt()
            if exc.code != DESCRIPTION:  # that is in the log already, with where it stands
                self._complain("", str(exc))
            self.tally.failures[exc.code] += 1
            self._note(self._availability.failed())
            if self._availability.state == OFFLINE:
                self._book.away(exc.code, words(str(exc)))
        else:
            self._complaints.pop("", None)
            self._note(self._availability.succeeded())
            self._book.visited()
            if self._availability.state == ONLINE:
                self._book.back()

    def _let_go(self) -> None:
        self._is_open = False
        self._driver.close()

    def _note(self, is_news: bool) -> None:
        state = self._availability.state
        self._conversation.state_is(state)
        if is_news:
            logger.log(logging.INFO if state == ONLINE else logging.WARNING, "%s: %s", self.device, state)

    def _read_all(self) -> None:
        now = time.monotonic()
        due = self._cycles.due(now)
        if not due:
            return
        if isinstance(self._driver, Batching):
            with _timed(self.tally.reading):
                found = self._driver.read_all(due)
            for wanted in due:
                self._take(wanted, found[wanted.name])
                self._cycles.was_read(wanted, now)
            return
        for wanted in due:
            if not self._stopped.is_set():
                self._read(wanted)
                self._cycles.was_read(wanted, now)

    def _read_news(self) -> None:
        news, self._news = self._news, set()
        for name in news & self._properties.keys():
            self._read(self._properties[name])

    def _read(self, wanted: Property) -> None:
        try:
            with _timed(self.tally.reading):
                found: Value | DeviceRefused = self._driver.read(wanted)
        except DeviceRefused as exc:
            found = exc
        self._take(wanted, found)

    def _take(self, wanted: Property, found: Value | DeviceRefused) -> None:
        if isinstance(found, DeviceRefused):
            self._complain(f"{wanted.name} cannot be read: ", str(found))
            self.tally.failures[found.code or READ_REFUSED] += 1
            self._book.not_read(wanted.name, found.code, words(str(found)))
            return
        self.tally.reads += 1
        self._book.was_read(wanted.name)
        self._complaints.pop(f"{wanted.name} cannot be read: ", None)
        self._conversation.reports.observe(wanted.name, found, wanted.data_type)
        if wanted.collected:
            self._measured[wanted.name] = values.to_text(found), wanted.data_type

    def _fulfil_wishes(self) -> None:
        for name, text in self._wishes.due(time.monotonic()):
            try:
                self._fulfil(name, text)
            except ValueRefused as exc:
                logger.warning("%s: desired %s = %r is not written: %s", self.device, name, text, exc)
                self._wishes.give_up(name)
                self._recall_due = time.monotonic() + RECALL_SECONDS
                self._not_written(name, exc.code, f"desired {text[:64]!r}: {exc}")
            except DeviceRefused as exc:
                self._not_written(name, exc.code or WRITE_REFUSED, f"desired {text[:64]!r}: {exc}")
                if self._wishes.try_later(name, time.monotonic(), str(exc)):
                    logger.warning("%s: desired %s = %r cannot be written yet: %s", self.device, name, text, exc)
            else:
                self._wishes.fulfilled(name)
        self._book.wishes_are(self._wishes.unfulfilled)

    def _not_written(self, name: str, code: str, reason: str) -> None:
        self.tally.failures[code] += 1
        if name in self._properties:
            self._book.not_written(name, code, words(reason))

    def _fulfil(self, name: str, text: str) -> None:
        """Raises ValueRefused, DeviceRefused, DeviceAway."""
        wanted = self._properties.get(name)
        if wanted is None:
            raise ValueRefused("the device's model has no such property that can be reached")
        value = values.parse(text, wanted.data_type, wanted.limits)
        held = self._held(wanted)
        if held != value:
            if not wanted.writable:
                raise ValueRefused("the property is read-only", code=READ_ONLY)
            with _timed(self.tally.writing):
                self._driver.write(wanted, value)
            self.tally.writes += 1
            held = self._driver.read(wanted)
            if held != value:
                raise DeviceRefused(f"it took the value but holds {values.to_text(held)}")
            logger.info("%s: %s was set to %s", self.device, name, text)
        self._conversation.reports.observe(name, held, wanted.data_type)
        self._conversation.reports.insist(name, time.monotonic())

    def _held(self, wanted: Property) -> Value | None:
        """None: the device cannot tell what it holds before it was written."""
        try:
            return self._driver.read(wanted)
        except DeviceRefused:
            if wanted.writable:
                return None
            raise

    def _complain(self, subject: str, complaint: str) -> None:
        """A warning once until it is well again; what changes meanwhile is for who looks closely."""
        known = self._complaints.get(subject)
        if known != complaint:
            logger.log(logging.DEBUG if known else logging.WARNING, "%s: %s%s", self.device, subject, complaint)
        self._complaints[subject] = complaint


@contextmanager
def _timed(times: Times) -> Iterator[None]:
    """A call of the driver, however it ends."""
    began = time.monotonic()
    try:
        yield
    finally:
        times.add(time.monotonic() - began)
