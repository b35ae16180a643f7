"""EventBus: the door to MQTT (contract 7). What arrives goes to DeviceTwin or up to the cloud; what others say is published in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from edgecore.beehive.letters import Arrived, BusRestored, OutboxChanged, Publish, PublishAll
from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import BrokerError, Busy, StoreError
from edgecore.eventbus import modes, mosquitto, routing
from edgecore.eventbus.broker import BrokerAddress, answers
from edgecore.eventbus.link import Listener, Publisher
from edgecore.eventbus.routing import Destination, PublishOrder, Refused, Subscribe
from edgecore.eventbus.settings import BusSettings
from edgecore.store import outbox, subscriptions
from edgecore.store.database import Database
from edgecore.store.transaction import Transaction
from viaduct.message import Message, new_message
from viaduct.topics import EDGE_SUBSCRIPTIONS
from viaduct.vocabulary import Group, ModuleName, Source

logger = logging.getLogger(__name__)

BATCH = 200
DELIVERY_TIMEOUT = 5.0
EVENTS_KEPT = 10_000
"""Uploads that wait for the cloud; of more the oldest are dropped, and counted."""


class EventBus(Module):
    name = ModuleName.EVENTBUS
    group = Group.BUS

    def __init__(
        self, switchboard: Switchboard, database: Database, settings: BusSettings, *, now_ms: Callable[[], int] | None = None
    ) -> None:
        self._switchboard = switchboard
        self._database = database
        self._settings = settings
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._mailbox: Mailbox | None = None
        self._own: mosquitto.OwnBroker | None = None
        self._listeners: list[Listener] = []
        self._publishers: list[Publisher] = []
        self._asked_for: tuple[str, ...] = ()
        self._stopping = threading.Event()
        self.events_dropped = 0

    @property
    def addresses(self) -> tuple[BrokerAddress, ...]:
        """The brokers in use: the external one first."""
        own = self._own
        external = (self._settings.external,) if len(self._publishers) > (own is not None) else ()
        return external if own is None else (*external, BrokerAddress(mosquitto.HOST, own.port))

    @property
    def connected(self) -> bool:
        """Every broker in use is listened to and published to."""
        workers = (*self._listeners, *self._publishers)
        return bool(workers) and all(worker.connected for worker in workers)

    @property
    def dropped(self) -> int:
        """Publishes that found no broker."""
        return sum(publisher.dropped for publisher in self._publishers)

    def run(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        super().run(mailbox)

    def opened(self) -> None:
        self._asked_for = tuple(self._database.read(subscriptions.load_all))
        for address in self._choose_brokers():
            self._listeners.append(Listener(address, self._filters, self._deliver))
            self._publishers.append(Publisher(address, qos=self._settings.qos, retain=self._settings.retain, restored=self._restored))
        for worker in (*self._listeners, *self._publishers):
            worker.start()

    def closed(self) -> None:
        self._stopping.set()
        for worker in (*self._listeners, *self._publishers):
            worker.stop()
        for worker in (*self._listeners, *self._publishers):
            worker.join(2.0)
        if self._own is not None:
            self._own.stop()

    def take(self, letter: Any) -> None:
        """``letter`` and those behind it: publishes and uploads of a batch go together, the others in between in their place."""
        letters = [letter]
        if self._mailbox is not None:
            letters += self._mailbox.take_ready(BATCH - 1)
        uploads = [item for item in letters if isinstance(item, Arrived)]
        if uploads:
            self._upload(uploads)
        for item in letters:
            if isinstance(item, PublishAll):
                self._publish(item.publishes)
            elif isinstance(item, Publish):
                self._publish((item,))
            elif isinstance(item, Message):
                self._obey(item)

    def _obey(self, message: Message) -> None:
        order = routing.order(message, self._settings.node)
        if isinstance(order, PublishOrder):
            self._publish((Publish(order.topic, order.payload),))
        elif isinstance(order, Subscribe):
            self._listen_to(order.topic)
        elif isinstance(order, Refused):
            logger.warning("%s from the cloud: %s", message.route.operation, order.reason)

    def _publish(self, publishes: tuple[Publish, ...]) -> None:
        for publisher in self._publishers:
            publisher.publish(publishes)

    def _listen_to(self, topic: str) -> None:
        if topic in self._asked_for:
            return
        self._asked_for = (*self._asked_for, topic)
        self._database.write(lambda tx: subscriptions.add(tx, topic))
        for listener in self._listeners:
            listener.listen_to(topic)

    def _filters(self) -> tuple[str, ...]:
        return (*EDGE_SUBSCRIPTIONS, *self._asked_for)

    def _deliver(self, topic: str, payload: bytes) -> bool:
        """In a listener's thread: to the module that it is for, waiting for room. False: there is none yet."""
        where = routing.destination(topic, self._asked_for)
        if where is Destination.NOWHERE:
            logger.debug("nobody wants %.200r", topic)
            return True
        name = ModuleName.DEVICETWIN if where is Destination.TWIN else ModuleName.EVENTBUS
        try:
            self._switchboard.send_from_rim(name, Arrived(topic, payload), timeout=DELIVERY_TIMEOUT)
        except Busy:
            return self._stopping.is_set() or name not in self._switchboard.lengths()
        return True

    def _restored(self) -> None:
        """In a publisher's thread, which may not wait: the module's answers wait for what it reads."""
        if not self._switchboard.send(ModuleName.DEVICETWIN, BusRestored()):
            logger.debug("DeviceTwin does not hear that a broker answers again")

    def _upload(self, letters: list[Arrived]) -> None:
        """Owe the cloud what was uploaded, as events in their order."""
        messages = [self._upload_message(letter) for letter in letters if len(letter.topic) <= routing.MAX_TOPIC]

        def work(tx: Transaction) -> None:
            for message in messages:
                outbox.owe(tx, message, lane=f"upload/{message.route.resource}")
            dropped[0] = outbox.trim_events(tx, EVENTS_KEPT)

        def done(error: StoreError | None) -> None:
            lost = dropped[0] if error is None else len(messages)
            if lost:
                self.events_dropped += lost
                logger.warning("%d uploads were dropped%s", lost, f": {error}" if error else "")
            self._switchboard.send(ModuleName.EDGEHUB, OutboxChanged())

        dropped = [0]
        self._database.write(work, done)

    def _upload_message(self, letter: Arrived) -> Message:
        return new_message(
            source=Source.BUS,
            group=Group.USER,
            operation=routing.UPLOAD,
            resource=letter.topic,
            now_ms=self._now_ms(),
            content=routing.upload_text(letter.payload),
        )

    def _choose_brokers(self) -> tuple[BrokerAddress, ...]:
        settings = self._settings
        mosquitto.end_orphan(settings.directory)
        seen = modes.Seen(
            external_refusal=self._probe() if settings.mode == modes.EXTERNAL else "",
            internal_port_taken=mosquitto.port_is_taken(settings.internal.port),
            program=mosquitto.find_program(),
        )
        plan = modes.plan(settings.mode, seen, internal_port=settings.internal.port, fallback=settings.fallback)
        logger.info("%s", plan.reason)
        if plan.trouble:
            logger.error("%s", plan.trouble)
        external = (settings.external,) if plan.use_external else ()
        if not plan.run_own:
            return external
        own = mosquitto.OwnBroker(settings.directory, seen.program, plan.own_port or mosquitto.free_port(), queue=settings.queue)
        own.start()
        self._own = own
        return (*external, BrokerAddress(mosquitto.HOST, own.port))

    def _probe(self) -> str:
        """Why no external broker answers; empty where one does. At boot it may still be starting, so it gets a moment."""
        deadline = time.monotonic() + self._settings.probe_seconds
        while True:
            try:
                refusal = answers(self._settings.external, timeout=max(0.2, self._settings.probe_seconds))
            except BrokerError as exc:
                refusal = str(exc)
            if not refusal or time.monotonic() >= deadline or self._stopping.wait(0.25):
                return refusal
