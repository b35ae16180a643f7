"""EventBus's two rim threads at one broker: a listener and a publisher, each connecting again after a failure, with a back-off."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from edgecore.beehive.backoff import Backoff
from edgecore.beehive.letters import Publish
from edgecore.errors import BrokerError
from edgecore.eventbus import packets
from edgecore.eventbus.broker import BrokerAddress, BrokerConnection, client_id
from edgecore.eventbus.packets import Delivered, Received, Settled, Subscribed

logger = logging.getLogger(__name__)

FIRST_DELAY, MAX_DELAY = 0.2, 5.0
IN_FLIGHT = 4000
"""Publishes that the broker has not taken yet; more of them wait, with the module that sends them."""

TAKING_TIMEOUT = 10.0
LISTENING_QOS = 1
_IDS = 65535
_TOGETHER = 256


class _Worker:
    """A thread that keeps one connection to ``address``."""

    def __init__(self, address: BrokerAddress, role: str) -> None:
        self._address = address
        self._role = role
        self._stopping = threading.Event()
        self._connection: BrokerConnection | None = None
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{role}", daemon=True)

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._connection is not None:
            self._connection.close()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        backoff = Backoff(FIRST_DELAY, MAX_DELAY)
        while not self._stopping.is_set():
            try:
                connection = BrokerConnection(self._address, client_id(self._role))
            except BrokerError as exc:
                level = logging.WARNING if backoff.failures == 0 else logging.DEBUG
                logger.log(level, "%s (trying again)", exc)
                self._stopping.wait(backoff.next())
                continue
            backoff.reset()
            try:
                self._serve(connection)
            except BrokerError as exc:
                if not self._stopping.is_set():
                    logger.warning("%s", exc)
            finally:
                self._connection = None
                connection.close()
            self._stopping.wait(backoff.next())

    def _serve(self, connection: BrokerConnection) -> None:
        raise NotImplementedError


class Listener(_Worker):
    """``filters`` says what to subscribe to on each connect. ``deliver`` gives a message on, waiting for room; False: no room yet.

    A message is acknowledged to the broker once it lies in a module's mailbox, not once it is saved: the session is clean, so what is not
    acknowledged when we die is lost to us either way, and the answer (``result``) is what tells a mapper that its update counts.
    """

    def __init__(self, address: BrokerAddress, filters: Callable[[], Iterable[str]], deliver: Callable[[str, bytes], bool]) -> None:
        super().__init__(address, "sub")
        self._filters = filters
        self._deliver = deliver
        self._last_id = 0
        self.oversized = 0

    def listen_to(self, topic: str) -> None:
        """Subscribe to one more filter now, where there is a connection; ``filters`` names it after the next connect."""
        connection = self._connection
        if connection is not None:
            try:
                self._subscribe(connection, (topic,))
            except BrokerError as exc:
                logger.warning("%s", exc)

    def _serve(self, connection: BrokerConnection) -> None:
        self._subscribe(connection, self._filters())
        self._connection = connection
        logger.info("listening to the broker at %s", self._address)
        while not self._stopping.is_set():
            acknowledgements = [self._take(packet, connection) for packet in connection.receive()]
            if any(acknowledgements):
                connection.send(b"".join(acknowledgements))

    def _subscribe(self, connection: BrokerConnection, filters: Iterable[str]) -> None:
        self._last_id = self._last_id % _IDS + 1
        connection.send(packets.subscribe(self._last_id, filters, LISTENING_QOS))

    def _take(self, packet: packets.Packet, connection: BrokerConnection) -> bytes:
        if isinstance(packet, Subscribed) and packet.refused:
            logger.error("the broker at %s refuses one of our subscriptions", self._address)
        if not isinstance(packet, Delivered):
            return b""
        if packet.payload is None:
            self.oversized += 1
            logger.warning("a message on %.200r longer than %d bytes was dropped", packet.topic, packets.MAX_PAYLOAD)
        else:
            while not self._deliver(packet.topic, packet.payload):
                if self._stopping.is_set():
                    return b""
                connection.keep_alive()
        return packets.acknowledge(packet.packet_id) if packet.packet_id else b""


class Publisher(_Worker):
    """``publish`` is for EventBus's loop. ``restored`` is called in the publisher's thread each time a broker answers (again).

    At QoS 1 and 2 what the broker had not taken when the connection broke is said again after the next connect, before what comes later.
    """

    def __init__(self, address: BrokerAddress, *, qos: int, retain: bool, restored: Callable[[], None]) -> None:
        super().__init__(address, "pub")
        self._qos = qos
        self._retain = retain
        self._restored = restored
        self._room = threading.Condition()
        self._in_flight: dict[int, bytes] = {}
        self._last_id = 0
        self.dropped = 0

    def publish(self, publishes: Iterable[Publish]) -> None:
        """In this order. Where no broker answers they are dropped and counted: whoever needs an answer asks again."""
        batch: list[bytes] = []
        for item in publishes:
            payload = item.payload if isinstance(item.payload, bytes) else item.payload.encode()
            if len(payload) > packets.MAX_PAYLOAD or len(item.topic) > packets.MAX_TOPIC // 4:
                self.dropped += 1
                logger.warning("a message on %.200r is too long to be published", item.topic)
                continue
            batch.append(self._packet(item.topic, payload))
            if len(batch) == _TOGETHER:
                self._send(batch)
                batch = []
        if batch:
            self._send(batch)

    def _packet(self, topic: str, payload: bytes) -> bytes:
        if not self._qos:
            return packets.publish(topic, payload, qos=0, retain=self._retain, packet_id=0)
        self._last_id = self._last_id % _IDS + 1
        return packets.publish(topic, payload, qos=self._qos, retain=self._retain, packet_id=self._last_id)

    def _send(self, batch: list[bytes]) -> None:
        connection = self._connection
        if connection is None or not self._has_room():
            self.dropped += len(batch)
            return
        if self._qos:
            first = self._last_id - len(batch)
            self._in_flight.update(((first + number) % _IDS + 1, packet) for number, packet in enumerate(batch))
        try:
            connection.send(b"".join(batch))
        except BrokerError as exc:
            logger.warning("%s", exc)
            connection.close()
            if not self._qos:
                self.dropped += len(batch)

    def _has_room(self) -> bool:
        if len(self._in_flight) < IN_FLIGHT:
            return True
        with self._room:
            return self._room.wait_for(lambda: len(self._in_flight) < IN_FLIGHT, TAKING_TIMEOUT)

    def _serve(self, connection: BrokerConnection) -> None:
        unsettled = list(self._in_flight.values())
        if unsettled:
            connection.send(b"".join(packets.repeated(packet) for packet in unsettled))
        self._connection = connection
        logger.info("publishing to the broker at %s", self._address)
        self._restored()
        while not self._stopping.is_set():
            releases = [self._take(packet) for packet in connection.receive()]
            if any(releases):
                connection.send(b"".join(releases))

    def _take(self, packet: packets.Packet) -> bytes:
        if isinstance(packet, Settled):
            self._in_flight.pop(packet.packet_id, None)
            if len(self._in_flight) == IN_FLIGHT - 1:
                with self._room:
                    self._room.notify_all()
        elif isinstance(packet, Received):
            return packets.release(packet.packet_id)
        return b""
