"""EventBus: the door to MQTT (contract 7). What arrives goes to DeviceTwin or up to the cloud; what others say is published in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from edgecore.beehive.letters import Arrived, BusRestored, OutboxChanged, Publish, PublishAll
from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import BrokerError, Busy
from edgecore.eventbus import leftovers, modes, mosquitto, routing
from edgecore.eventbus.broker import BrokerAddress, answers
from edgecore.eventbus.leftovers import Ground
from edgecore.eventbus.link import Listener, Publisher
from edgecore.eventbus.routing import Destination, PublishOrder, Refused, Subscribe
from edgecore.eventbus.settings import BusSettings
from edgecore.eventbus.uploads import TOO_LONG, Uploads
from edgecore.store import retained, subscriptions
from edgecore.store.database import Database
from viaduct.message import Message
from viaduct.tree import OFFLINE
from viaduct.vocabulary import Group, ModuleName

logger = logging.getLogger(__name__)

BATCH = 200
DELIVERY_TIMEOUT = 5.0

_RECEIVERS = {
    Destination.TWIN: (ModuleName.DEVICETWIN,),
    Destination.CLOUD: (ModuleName.EVENTBUS,),
    # Uploads last: what is said again because there was no room hurts DeviceTwin less.
    Destination.BOTH: (ModuleName.DEVICETWIN, ModuleName.EVENTBUS),
}


class EventBus(Module):
    name = ModuleName.EVENTBUS
    group = Group.BUS

    def __init__(
        self, switchboard: Switchboard, database: Database, settings: BusSettings, *, now_ms: Callable[[], int] | None = None
    ) -> None:
        self._switchboard = switchboard
        self._database = database
        self._settings = settings
        self._uploads = Uploads(database, now_ms=now_ms or (lambda: time.time_ns() // 1_000_000), owed=self._owed)
        self._mailbox: Mailbox | None = None
        self._own: mosquitto.OwnBroker | None = None
        self._listeners: list[Listener] = []
        self._publishers: list[Publisher] = []
        self._asked_for: tuple[str, ...] = ()
        self._ground = Ground()
        self._unswept: set[Publisher] = set()
        self._stopping = threading.Event()

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
        self._ground = leftovers.ground(self._settings.retaining, self._database.read(retained.load_all))
        if self._ground.present:
            self._database.write(lambda tx: retained.add(tx, self._ground.present))
        for address in self._choose_brokers():
            self._listeners.append(Listener(address, self._filters, self._deliver, self._oversized))
            self._publishers.append(self._publisher(address))
        self._unswept = set(self._publishers)
        for worker in (*self._listeners, *self._publishers):
            worker.start()

    def _publisher(self, address: BrokerAddress) -> Publisher:
        settings, ground = self._settings, self._ground
        return Publisher(
            address,
            qos=settings.qos,
            retain=settings.retain,
            restored=self._restored,
            status=ground.status,
            mark=ground.mark,
            filters=ground.filters,
        )

    def next_tick(self) -> float | None:
        return self._uploads.next_time()

    def tick(self) -> None:
        self._uploads.count()

    def closed(self) -> None:
        self._stopping.set()
        for worker in (*self._listeners, *self._publishers):
            worker.stop()
        for worker in (*self._listeners, *self._publishers):
            worker.join(2.0)
        self._uploads.count()
        if self._own is not None:
            self._own.stop()

    def take(self, letter: Any) -> None:
        """``letter`` and those behind it: publishes and uploads of a batch go together, the others in between in their place."""
        letters = [letter]
        if self._mailbox is not None:
            letters += self._mailbox.take_ready(BATCH - 1)
        uploads = [item for item in letters if isinstance(item, Arrived)]
        if uploads:
            self._uploads.take(uploads)
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
        ours = (self._ground.status, *self._from_people) if self._ground.status else ()
        return (*self._settings.filters, *ours, *self._asked_for)

    @property
    def _from_people(self) -> tuple[str, ...]:
        return self._settings.retaining.filters if self._settings.retaining is not None else ()

    def _deliver(self, topic: str, payload: bytes, is_retained: bool) -> bool:
        """In a listener's thread: to the module that it is for, waiting for room. False: there is none yet."""
        if topic == self._ground.status:
            self._heard_of_us(payload)
        where = routing.destination(topic, self._asked_for, self._from_people)
        if where is Destination.NOWHERE:
            logger.debug("nobody wants %.200r", topic)
            return True
        return all(self._hand_to(name, Arrived(topic, payload, retained=is_retained)) for name in _RECEIVERS[where])

    def _hand_to(self, name: ModuleName, letter: Arrived) -> bool:
        try:
            self._switchboard.send_from_rim(name, letter, timeout=DELIVERY_TIMEOUT)
        except Busy:
            return self._stopping.is_set() or name not in self._switchboard.lengths()
        return True

    def _heard_of_us(self, payload: bytes) -> None:
        """The last will of an EdgeCore of this name that lost its power comes when the broker misses it, maybe long after our start."""
        if payload == OFFLINE.encode() and not self._stopping.is_set():
            for publisher in self._publishers:
                publisher.say_online()

    def _restored(self, publisher: Publisher, found: Mapping[str, bytes] | None) -> None:
        """In a publisher's thread, which may not wait: the module's answers wait for what it reads."""
        if found is not None and self._ground.past:
            self._clear(publisher, [topic for topic in found if self._ground.is_past(topic)])
        kept = {topic: payload for topic, payload in (found or {}).items() if self._ground.is_present(topic)}
        if not self._switchboard.send(ModuleName.DEVICETWIN, BusRestored(kept)):
            logger.debug("DeviceTwin does not hear that a broker answers again")

    def _clear(self, publisher: Publisher, past: list[str]) -> None:
        """Take away what is not to be retained any more; forget it when no broker in use has any of it left."""
        if not publisher.retain([(topic, b"") for topic in past]):
            return
        if past:
            logger.info("%d retained messages of earlier settings were taken away", len(past))
        self._unswept.discard(publisher)
        if not self._unswept:
            self._database.write(lambda tx: retained.remove(tx, self._ground.past))

    def _owed(self, saved: bool) -> None:
        """In the store's thread. Where nothing was saved our own loop is woken, to try again later to count what was lost."""
        self._switchboard.send(ModuleName.EDGEHUB if saved else ModuleName.EVENTBUS, OutboxChanged())

    def _oversized(self, topic: str) -> None:
        """In a listener's thread: what is too long even for the mailbox is counted where the cloud would have got it."""
        if routing.destination(topic, self._asked_for, self._from_people) is Destination.CLOUD:
            self._uploads.lose(TOO_LONG)
            self._switchboard.send(ModuleName.EVENTBUS, OutboxChanged())

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
