"""EventBus's two rim threads at one broker: a listener and a publisher, each connecting again after a failure, with a back-off."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from edgecore.beehive.backoff import Backoff
from edgecore.beehive.letters import Publish
from edgecore.errors import BrokerError
from edgecore.eventbus import sweep
from edgecore.eventbus.broker import MAX_PAYLOAD, MAX_TOPIC, BrokerAddress, BrokerClient, client_id
from viaduct.tree import OFFLINE, ONLINE

logger = logging.getLogger(__name__)

FIRST_DELAY, MAX_DELAY = 0.2, 5.0
IN_FLIGHT = 4000
"""Publishes that the broker has not taken yet; more of them wait, with the module that sends them."""

TAKING_TIMEOUT = 10.0
LISTENING_QOS = 1
_TOGETHER = 256


class _Worker:
    """A thread that keeps ``client`` connected."""

    def __init__(self, address: BrokerAddress, role: str, client: BrokerClient) -> None:
        self._address = address
        self._client = client
        self._stopping = threading.Event()
        self.connected = False
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{role}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._client.wake()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        backoff = Backoff(FIRST_DELAY, MAX_DELAY)
        while not self._stopping.is_set():
            try:
                self._client.connect()
            except BrokerError as exc:
                level = logging.WARNING if backoff.failures == 0 else logging.DEBUG
                logger.log(level, "%s (trying again)", exc)
                self._stopping.wait(backoff.next())
                continue
            backoff.reset()
            try:
                self._begin()
                while not self._stopping.is_set():
                    self._client.turn()
                    self._turned()
            except BrokerError as exc:
                if not self._stopping.is_set():
                    logger.warning("%s", exc)
            finally:
                self.connected = False
                self._end()
                self._client.close()
            self._stopping.wait(backoff.next())

    def _begin(self) -> None:
        raise NotImplementedError

    def _turned(self) -> None:
        """The broker was heard, or 5 s have passed."""

    def _end(self) -> None:
        """Before the connection is closed, if it has not broken."""


class Listener(_Worker):
    """``filters`` says what to subscribe to on each connect. ``deliver`` gives a message on, waiting for room; False: no room yet.
    ``oversized`` hears the topic of one that is dropped because it is too long.

    A message is acknowledged to the broker once it lies in a module's mailbox, not once it is saved: the session is clean, so what is not
    acknowledged when we die is lost to us either way, and the answer (``result``) is what tells a mapper that its update counts.
    """

    def __init__(
        self,
        address: BrokerAddress,
        filters: Callable[[], Iterable[str]],
        deliver: Callable[[str, bytes, bool], bool],
        oversized: Callable[[str], None],
    ) -> None:
        super().__init__(address, "sub", BrokerClient(address, client_id("sub"), receive=self._take))
        self._filters = filters
        self._deliver = deliver
        self._oversized = oversized

    def listen_to(self, topic: str) -> None:
        """Subscribe to one more filter now, where there is a connection; ``filters`` names it after the next connect."""
        self._client.subscribe((topic,), LISTENING_QOS)

    def _begin(self) -> None:
        self._client.subscribe(self._filters(), LISTENING_QOS)
        self._client.turn()
        self.connected = True
        logger.info("listening to the broker at %s", self._address)

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        if len(payload) > MAX_PAYLOAD:
            logger.warning("a message on %.200r longer than %d bytes was dropped", topic, MAX_PAYLOAD)
            self._oversized(topic)
            return
        while not self._deliver(topic, payload, retained) and not self._stopping.is_set():
            self._client.keep_alive()


class Publisher(_Worker):
    """``publish`` is for EventBus's loop. ``restored`` is called each time a broker answers (again), in the publisher's thread, with what
    that broker retains under ``filters``; None: nobody looked.

    ``status``: a topic that says, retained, whether we are connected; empty where nothing is said.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        qos: int,
        retain: bool,
        restored: Callable[[Publisher, Mapping[str, bytes] | None], None],
        status: str = "",
        mark: tuple[str, bytes] | None = None,
        filters: Sequence[str] = (),
    ) -> None:
        """``mark`` and ``filters`` as ``sweep.retained`` takes them; without ``mark`` nobody looks."""
        will = (status, OFFLINE.encode()) if status else None
        super().__init__(address, "pub", BrokerClient(address, client_id("pub"), will=will, in_flight=IN_FLIGHT))
        self._qos = qos
        self._retain = retain
        self._restored = restored
        self._status = status
        self._mark = mark
        self._filters = filters
        self._missed = False
        self.dropped = 0

    def publish(self, publishes: Iterable[Publish]) -> None:
        """In this order. Where no broker answers they are dropped and counted: whoever needs an answer asks again."""
        batch: list[tuple[str, bytes, bool]] = []
        for item in publishes:
            payload = item.payload if isinstance(item.payload, bytes) else item.payload.encode()
            if len(payload) > MAX_PAYLOAD or not is_topic(item.topic):
                self.dropped += 1
                logger.warning("a message of %d bytes on %.200r cannot be published", len(payload), item.topic)
                continue
            batch.append((item.topic, payload, item.retain or self._retain))
            if len(batch) == _TOGETHER:
                self._send(batch)
                batch = []
        if batch:
            self._send(batch)

    def retain(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """From any thread, without waiting. False: not all of them were taken."""
        return self._client.publish([(*message, True) for message in messages], qos=self._qos) == len(messages)

    def say_online(self) -> None:
        """Again: somebody else said that we are not."""
        if self._status:
            self.retain([(self._status, ONLINE.encode())])

    def _send(self, batch: list[tuple[str, bytes, bool]]) -> None:
        taken = self._client.publish(batch, qos=self._qos, patience=TAKING_TIMEOUT) if self.connected else 0
        self.dropped += len(batch) - taken
        self._missed = self._missed or taken < len(batch)

    def _begin(self) -> None:
        found = None
        if self._mark is not None:
            found = sweep.retained(self._client, self._filters, self._mark)
            if found is None:
                logger.warning("the broker at %s does not show us %s; old messages may stay there", self._address, ", ".join(self._filters))
        self._missed = False
        self.connected = True
        logger.info("publishing to the broker at %s", self._address)
        self._restored(self, found)

    def _turned(self) -> None:
        """What a broker that did not keep up has dropped is owed to it as after a new connection."""
        if self._missed:
            self._missed = False
            self._restored(self, None)

    def _end(self) -> None:
        if self._stopping.is_set() and self._status:
            self.retain([(self._status, OFFLINE.encode())])


def is_topic(topic: str) -> bool:
    """Whether MQTT can publish on ``topic``."""
    return 0 < len(topic) <= MAX_TOPIC // 4 and not any(char in topic for char in "+#\0")
