"""The loop of a mapper: follows the profile, keeps one worker for each device, hands each what EdgeCore says about it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mappers.sdk import profile, twin
from mappers.sdk.conversation import Pace
from mappers.sdk.driver import Driver, Family
from mappers.sdk.errors import ProfileError
from mappers.sdk.profile import Device, Property, described_wrongly
from mappers.sdk.tally import Tally
from mappers.sdk.undescribed import Undescribed
from mappers.sdk.worker import BrokerBack, Described, Worker
from viaduct.errors import MalformedPayload
from viaduct.faults import Fault

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between two looks at the profile."""

GONE_SECONDS = 2.0
"""How long the profile must be gone before its devices are: someone who writes a file may take it away for a moment."""

_STOP_SECONDS = 1.2


class Broker(Protocol):
    """What a mapper needs of the door to MQTT."""

    def publish(self, topic: str, payload: str) -> bool: ...

    def subscribe(self, filters: Iterable[str]) -> None: ...

    def unsubscribe(self, filters: Iterable[str]) -> None: ...


class Source(Protocol):
    """Where a mapper has its devices from."""

    @property
    def name(self) -> str: ...

    @property
    def awaited(self) -> str:
        """What is waited for, for the log."""

    @property
    def gone(self) -> str:
        """That there was something and is not any more, for the log."""

    def look(self) -> Mapping[str, bytes]:
        """What profiles there are now, by whatever tells them apart. Raises ProfileError when they cannot be read."""

    def take(self, topic: str, payload: bytes) -> bool:
        """Whether the message is for the source. Raises MalformedPayload."""

    def broker_back(self) -> None: ...


@dataclass(slots=True)
class _Served:
    device: Device
    worker: Worker
    faults: tuple[Fault, ...]
    """What its driver says is wrong with the description."""


class Mapper:
    """``take`` and ``broker_back`` are called by the broker's thread, ``run`` by the main one, ``tallies`` and ``states`` by any."""

    def __init__(self, family: Family, broker: Broker, source: Source, pace: Pace, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._family = family
        self._broker = broker
        self._source = source
        self._pace = pace
        self._clock = clock
        self._served: dict[str, _Served] = {}
        self._routes: dict[str, Worker] = {}
        self._contents: Mapping[str, bytes] = {}
        self._complaint = ""
        self._gone_since: float | None = None
        self._problems: tuple[str, ...] = ()
        self._past = Tally()

    def run(self, ended: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        """Until ``ended``; then within two seconds. ``alive`` is called after each look."""
        while not ended.is_set():
            self.look()
            alive()
            ended.wait(LOOK_SECONDS)
        self._stop([served.worker for served in self._served.values()])

    def look(self) -> None:
        """Follow what the profile says now."""
        try:
            contents = self._source.look()
            if not contents:
                self._without_profile()
                return
            self._gone_since = None
            if contents == self._contents:
                return
            self._contents = contents
            self.follow([profile.parse(content) for content in contents.values()])
            self._complaint = ""
        except ProfileError as fault:
            self._complain(f"{fault}; what was read before still holds")

    def take(self, topic: str, payload: bytes) -> None:
        """A message of the broker. Garbage is logged and changes nothing."""
        worker = self._routes.get(topic)
        try:
            if self._source.take(topic, payload) or worker is None:
                return
            heard = twin.hear(topic, payload)
        except MalformedPayload as fault:
            logger.warning("%s: %s; the message is ignored", topic, fault)
            return
        for refused in getattr(heard, "refused", ()):
            logger.warning("%s: %s; this entry is ignored", topic, refused)
        worker.tell(heard)

    def broker_back(self) -> None:
        self._source.broker_back()
        for worker in tuple(self._routes.values()):
            worker.tell(BrokerBack())

    def tallies(self) -> list[Tally]:
        """Of all devices, those that are not served any more together."""
        return [self._past, *(served.worker.tally for served in tuple(self._served.values()))]

    def states(self) -> list[str]:
        """Of each device that is served; empty until it was visited."""
        return [served.worker.state for served in tuple(self._served.values())]

    def _without_profile(self) -> None:
        now = self._clock()
        self._gone_since = now if self._gone_since is None else self._gone_since
        if not self._contents:
            self._complain(self._source.awaited, level=logging.INFO)
        elif now - self._gone_since >= GONE_SECONDS:
            logger.info("%s", self._source.gone)
            self.follow([])
            self._contents = {}

    def _complain(self, complaint: str, *, level: int = logging.WARNING) -> None:
        if complaint != self._complaint:
            logger.log(level, "%s", complaint)
        self._complaint = complaint

    def follow(self, read: Sequence[profile.Profile]) -> None:
        """These are the devices from now on; of two of one name the first. For ``look`` and for tests."""
        found = [device for part in reversed(read) for device in (*part.broken, *part.devices)]
        wanted = {device.id: device for device in found if self._family.serves(device.protocol)}
        broken = {id(device) for part in read for device in part.broken}
        changed = [name for name, served in self._served.items() if wanted.get(name) != served.device]
        self._stop([self._dismiss(name) for name in changed])
        problems = [problem for part in read for problem in part.problems]
        for name, device in wanted.items():
            if name not in self._served:
                problems += self._serve(device, is_broken=id(device) in broken)
            else:
                self._served[name].worker.tell(Described((*device.faults, *self._served[name].faults)))
        self._tell_problems(tuple(dict.fromkeys(problems)))

    def _serve(self, device: Device, *, is_broken: bool) -> tuple[str, ...]:
        """What is wrong with the device."""
        driver, properties, problems, faults = self._driver_for(device, is_broken)
        worker = Worker(device.id, driver, properties, self._broker.publish, self._pace, (*device.faults, *faults))
        self._served[device.id] = _Served(device, worker, faults)
        filters = twin.subscriptions(device.id)
        self._routes = self._routes | dict.fromkeys(filters, worker)
        self._broker.subscribe(filters)
        worker.start()
        if not isinstance(driver, Undescribed):
            names = ", ".join(wanted.name for wanted in properties)
            logger.info("serving %s (%s, %s), properties: %s", device.id, device.model, device.protocol, names)
        return problems

    def _driver_for(self, device: Device, is_broken: bool) -> tuple[Driver, tuple[Property, ...], tuple[str, ...], tuple[Fault, ...]]:
        if is_broken:
            return Undescribed(device.faults[0].reason), (), (), ()
        try:
            driver, properties, problems = self._family.driver_for(device)
        except ProfileError as fault:
            wrong = described_wrongly(str(fault), device.path)
            return Undescribed(wrong.reason), (), (f"{fault}: {device.id} is not served",), (wrong,)
        return driver, properties, problems, description_faults(device, problems)

    def _dismiss(self, name: str) -> Worker:
        worker = self._served.pop(name).worker
        filters = twin.subscriptions(name)
        self._routes = {topic: found for topic, found in self._routes.items() if topic not in filters}
        self._broker.unsubscribe(filters)
        logger.info("%s is not served any more, or differently", name)
        return worker

    def _stop(self, workers: list[Worker]) -> None:
        for worker in workers:
            worker.stop()
        deadline = time.monotonic() + _STOP_SECONDS
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            self._past.add(worker.tally)

    def _tell_problems(self, problems: tuple[str, ...]) -> None:
        for problem in problems:
            if problem not in self._problems:
                logger.warning("%s: %s", self._source.name, problem)
        self._problems = problems


def description_faults(device: Device, problems: Iterable[str]) -> tuple[Fault, ...]:
    """Whose each of a driver's ``problems`` is: that of the property at whose path it begins, else the device's."""
    paths = {wanted.path: wanted.name for wanted in device.properties if wanted.path}

    def fault(problem: str) -> Fault:
        at = next((path for path in paths if problem.startswith((f"{path}.", f"{path}:", f"{path}["))), device.path)
        return described_wrongly(problem, at, paths.get(at, ""))

    return tuple(map(fault, problems))
