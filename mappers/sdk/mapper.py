"""The loop of a mapper: follows the profile file, keeps one worker for each device, hands each what EdgeCore says about it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from mappers.sdk import profile, profilefile, twin
from mappers.sdk.conversation import Pace
from mappers.sdk.driver import Family
from mappers.sdk.errors import ProfileError
from mappers.sdk.profile import Device
from mappers.sdk.worker import BrokerBack, Worker
from viaduct.errors import MalformedPayload

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between two looks at the profile file."""

GONE_SECONDS = 2.0
"""How long the file must be gone before its devices are: someone who writes it may take it away for a moment."""

_STOP_SECONDS = 1.2


class Broker(Protocol):
    """What a mapper needs of the door to MQTT."""

    def publish(self, topic: str, payload: str) -> bool: ...

    def subscribe(self, filters: Iterable[str]) -> None: ...

    def unsubscribe(self, filters: Iterable[str]) -> None: ...


class Mapper:
    """``take`` and ``broker_back`` are called by the broker's thread, ``run`` by the main one."""

    def __init__(self, family: Family, broker: Broker, path: Path, pace: Pace, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._family = family
        self._broker = broker
        self._path = path
        self._pace = pace
        self._clock = clock
        self._served: dict[str, tuple[Device, Worker]] = {}
        self._routes: dict[str, Worker] = {}
        self._content: bytes | None = None
        self._complaint = ""
        self._gone_since: float | None = None
        self._problems: tuple[str, ...] = ()

    def run(self, ended: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        """Until ``ended``; then within two seconds. ``alive`` is called after each look."""
        while not ended.is_set():
            self.look()
            alive()
            ended.wait(LOOK_SECONDS)
        self._stop([worker for _, worker in self._served.values()])

    def look(self) -> None:
        """Follow what the profile file says now."""
        try:
            content = profilefile.read(self._path)
            if content is None:
                self._without_file()
                return
            self._gone_since = None
            if content == self._content:
                return
            self._content = content
            self._follow(profile.parse(content))
            self._complaint = ""
        except ProfileError as fault:
            self._complain(f"{fault}; what was read before still holds")

    def take(self, topic: str, payload: bytes) -> None:
        """A message of the broker. Garbage is logged and changes nothing."""
        worker = self._routes.get(topic)
        if worker is None:
            return
        try:
            heard = twin.hear(topic, payload)
        except MalformedPayload as fault:
            logger.warning("%s: %s; the message is ignored", topic, fault)
            return
        for refused in getattr(heard, "refused", ()):
            logger.warning("%s: %s; this entry is ignored", topic, refused)
        worker.tell(heard)

    def broker_back(self) -> None:
        for worker in tuple(self._routes.values()):
            worker.tell(BrokerBack())

    def _without_file(self) -> None:
        now = self._clock()
        self._gone_since = now if self._gone_since is None else self._gone_since
        if self._content is None:
            self._complain(f"{self._path} is not there yet; waiting for it", level=logging.INFO)
        elif now - self._gone_since >= GONE_SECONDS:
            logger.info("%s is gone, and its devices with it", self._path)
            self._follow(profile.Profile())
            self._content = None

    def _complain(self, complaint: str, *, level: int = logging.WARNING) -> None:
        if complaint != self._complaint:
            logger.log(level, "%s", complaint)
        self._complaint = complaint

    def _follow(self, read: profile.Profile) -> None:
        wanted = {device.id: device for device in read.devices if self._family.serves(device.protocol)}
        changed = [name for name, (device, _) in self._served.items() if wanted.get(name) != device]
        self._stop([self._dismiss(name) for name in changed])
        problems = list(read.problems)
        for name, device in wanted.items():
            if name not in self._served:
                problems += self._serve(device)
        self._tell_problems(tuple(dict.fromkeys(problems)))

    def _serve(self, device: Device) -> tuple[str, ...]:
        """What is wrong with the device."""
        try:
            driver, properties, problems = self._family.driver_for(device)
        except ProfileError as fault:
            return (f"{fault}: {device.id} is not served",)
        worker = Worker(device.id, driver, properties, self._broker.publish, self._pace)
        self._served[device.id] = device, worker
        filters = twin.subscriptions(device.id)
        self._routes = self._routes | dict.fromkeys(filters, worker)
        self._broker.subscribe(filters)
        worker.start()
        logger.info("serving %s (%s, %s), properties: %s", device.id, device.model, device.protocol, ", ".join(p.name for p in properties))
        return problems

    def _dismiss(self, name: str) -> Worker:
        _, worker = self._served.pop(name)
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

    def _tell_problems(self, problems: tuple[str, ...]) -> None:
        for problem in problems:
            if problem not in self._problems:
                logger.warning("%s: %s", self._path.name, problem)
        self._problems = problems
