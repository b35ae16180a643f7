"""The door to one MQTT broker, by paho (1.6 and 2.x). Translates every failure into BrokerError.

EventBus opens two, as KubeEdge does: one that listens and one that publishes. With one, a listener that waits for a busy module could not
read the acknowledgements which that module's answers wait for.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho

from edgecore.errors import BrokerError

logger = logging.getLogger(__name__)

KEEPALIVE = 30
"""Seconds without a sign of life after which a ping is sent; after as many more without an answer the connection is given up."""

CONNECT_TIMEOUT = 5.0
TURN_SECONDS = 5.0
"""What one turn waits at most, so that pings leave in time."""

MAX_PAYLOAD = 4 * 1024 * 1024
"""Longer messages are dropped: an upload must fit one frame to the cloud."""

MAX_TOPIC = 65535
_MOST_READ = 16 * 1024 * 1024
"""paho keeps a message until it is complete. A longer one than this is not awaited: it ends the connection, and is gone with it."""

_CHUNK = 65536
_TLS_SCHEMES = ("ssl", "tls", "mqtts", "tcps")
_PLAIN_SCHEMES = ("tcp", "mqtt")


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is and how it wants to be spoken to. Files are paths, empty where there is none."""

    host: str
    port: int
    tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(
    url: str, *, username: str = "", password: str = "", ca_file: str = "", cert_file: str = "", key_file: str = ""
) -> BrokerAddress:
    """``tcp://127.0.0.1:1883``, ``ssl://…`` or ``host:port``.

    Raises:
        ValueError: saying what is wrong with it.
    """
    parts = urlsplit(url if "://" in url else f"tcp://{url}")
    if parts.scheme not in (*_TLS_SCHEMES, *_PLAIN_SCHEMES):
        raise ValueError(f"expected tcp://HOST:PORT or ssl://HOST:PORT, got {url!r}")
    tls = parts.scheme in _TLS_SCHEMES
    port = parts.port or (8883 if tls else 1883)
    if not parts.hostname:
        raise ValueError(f"expected a host in {url!r}")
    return BrokerAddress(parts.hostname, port, tls, username, password, ca_file, cert_file, key_file)


def client_id(role: str) -> str:
    """KubeEdge's form with more digits, so that two agents started in one second differ; never ``eventbus``, which mappers use."""
    return f"hub-client-{role}-{time.time_ns() // 1_000_000}{random.randrange(1000):03d}"


class BrokerClient:
    """``connect``, ``turn``, ``keep_alive`` and ``close`` are for one thread, all else for any. What was published and not taken when a
    connection broke is said again on the next one, before what comes later."""

    def __init__(
        self,
        address: BrokerAddress,
        identity: str,
        *,
        receive: Callable[[str, bytes, bool], None] | None = None,
        will: tuple[str, bytes] | None = None,
        in_flight: int = 0,
        timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        """``receive(topic, payload, retained)`` is called in a turn, and what it took is acknowledged at the end of the turn. ``will``:
        topic and payload of what the broker is to retain when it loses us. ``in_flight``: with so many publishes that the broker has not
        taken, ``publish`` takes no more. ``timeout`` is of ``connect``, in seconds."""
        self._address = address
        self.receive = receive
        self._timeout = timeout
        self._answer: Any = None
        self._open = False
        self._context: ssl.SSLContext | None = None
        self._turned = threading.Condition()
        self._wakeup = os.fdopen(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC), "r+b", buffering=0)
        self._client = _make(identity)
        if hasattr(self._client, "connect_timeout"):
            self._client.connect_timeout = timeout
        if will is not None:
            self._client.will_set(*will, qos=1, retain=True)
        if address.username:
            self._client.username_pw_set(address.username, address.password or None)
        # 0 is no limit: with one paho goes through all that is in flight at each acknowledgement. Ours is that of its queue.
        self._client.max_inflight_messages_set(0)
        self._client.max_queued_messages_set(in_flight)
        # Where there is one, paho leaves all writing to ``turn`` and ``publish``.
        self._client.on_socket_register_write = _nothing
        self._client.on_socket_open = _without_delay
        self._client.on_connect = self._answered
        self._client.on_subscribe = self._granted
        self._client.on_message = self._arrived

    def connect(self) -> None:
        """Connect and be accepted.

        Raises:
            BrokerError: naming the broker and what went wrong.
        """
        deadline = time.monotonic() + self._timeout
        self._answer = None
        try:
            self._dial()
            while self._answer is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise BrokerError(f"the broker at {self._address} did not answer within {self._timeout:g} s")
                self.turn(left)
        except BrokerError:
            self.close()
            raise
        self._open = True

    def turn(self, seconds: float = TURN_SECONDS) -> None:
        """Wait for the broker or for ``wake``, then read and write what there is; keeps the connection alive.

        Raises:
            BrokerError: the broker refused us, closed, fell silent or does not speak MQTT.
        """
        readable = self._await(seconds)
        with self._turned:
            try:
                self._step(readable=readable)
            finally:
                self._turned.notify_all()

    def keep_alive(self) -> None:
        """For a ``receive`` that takes long: a turn without reading. Raises BrokerError as that does."""
        self._step(readable=False)

    def publish(self, messages: Sequence[tuple[str, bytes, bool]], *, qos: int, patience: float = 0.0) -> int:
        """How many of them (topic, payload, retain), from the first on, are on their way. Fewer than all: there is no connection, or no
        room within ``patience`` seconds.

        Raises:
            ValueError: a topic that MQTT does not know.
        """
        taken = 0
        deadline = time.monotonic() + patience
        with self._turned:
            while self._open:
                while taken < len(messages):
                    topic, payload, retain = messages[taken]
                    if self._client.publish(topic, payload, qos, retain).rc == paho.MQTT_ERR_QUEUE_SIZE:
                        break
                    taken += 1
                self._push()
                left = deadline - time.monotonic()
                if taken == len(messages) or left <= 0:
                    break
                self._turned.wait(left)
        return taken

    def subscribe(self, filters: Iterable[str], qos: int) -> None:
        """In the next turn, which comes at once."""
        self._client.subscribe([(pattern, qos) for pattern in filters])
        self.wake()

    def unsubscribe(self, filters: Iterable[str]) -> None:
        """In the next turn."""
        self._client.unsubscribe(list(filters))

    def wake(self) -> None:
        """End the wait of a turn."""
        with contextlib.suppress(OSError, ValueError):  # Nobody waits any more.
            os.eventfd_write(self._wakeup.fileno(), 1)

    def close(self) -> None:
        """Say goodbye if that is possible, and close. ``connect`` may follow."""
        with self._turned:
            self._open = False
            with contextlib.suppress(OSError):
                self._client.leave()
            opened = self._client.socket()
            if opened is not None:
                opened.close()
            self._turned.notify_all()

    def _dial(self) -> None:
        self._client.forget()
        if self._address.tls:
            self._secure()
        try:
            self._client.connect(self._address.host, self._address.port, KEEPALIVE)
        except ssl.SSLError as exc:
            raise BrokerError(f"TLS with the broker at {self._address} failed: {exc}") from exc
        except (OSError, ValueError) as exc:
            raise BrokerError(f"no broker answers at {self._address}: {getattr(exc, 'strerror', None) or exc}") from exc

    def _secure(self) -> None:
        """The files are read again for each connection: certificates are renewed."""
        address = self._address
        try:
            if self._context is None:
                self._context = ssl.create_default_context(cafile=address.ca_file or None)
                self._client.tls_set_context(self._context)
            if address.cert_file:
                self._context.load_cert_chain(address.cert_file, address.key_file or None)
        except OSError as exc:
            raise BrokerError(f"TLS with the broker at {address} cannot begin: {exc}") from exc

    def _await(self, seconds: float) -> bool:
        """Whether there is something to read, after at most ``seconds``."""
        client, wakeup = self._client, self._wakeup.fileno()
        opened = client.socket()
        if opened is None or opened.fileno() < 0:
            raise self._lost()
        if client.has_unread:
            return True
        waiting = select.poll()
        waiting.register(wakeup, select.POLLIN)
        with contextlib.suppress(ValueError):  # It was just closed by a ``publish`` that failed, which also woke us.
            waiting.register(opened, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        ready = dict(waiting.poll(seconds * 1000))
        if ready.pop(wakeup, 0):
            os.eventfd_read(wakeup)
        return any(event & ~select.POLLOUT for event in ready.values())

    def _push(self) -> None:
        """Write what is queued now; what the kernel does not take, and a failure, are left to the next turn."""
        try:
            self._step(readable=False)
        except BrokerError:
            self._open = False
        if not self._open or self._client.want_write():
            self.wake()

    def _step(self, *, readable: bool) -> None:
        client = self._client
        try:
            code = client.loop_read() if readable else 0
            while client.has_unread and not code and readable:
                code = client.loop_read()
            code = code or client.loop_write() or client.loop_misc()
        except OSError as exc:
            raise BrokerError(f"the connection to the broker at {self._address} broke: {exc.strerror or exc}") from exc
        except (struct.error, IndexError) as exc:  # paho 1.6 of a packet that contradicts itself
            raise BrokerError(f"what answers at {self._address} does not speak MQTT: {exc}") from exc
        if code or client.socket() is None:
            raise self._lost()

    def _lost(self) -> BrokerError:
        if self._answer is None:
            return BrokerError(f"what answers at {self._address} does not welcome MQTT clients")
        if _is_failure(self._answer):
            return BrokerError(f"the broker at {self._address} refuses us: {_in_words(self._answer)}")
        return BrokerError(f"the connection to the broker at {self._address} ended{self._client.complaint}")

    # paho 1.6 and 2.x call these with different arguments: (client, userdata, flags, reason) is what they share.

    def _answered(self, _client: Any, _data: Any, _flags: Any, reason: Any, *_: Any) -> None:
        self._answer = reason

    def _granted(self, _client: Any, _data: Any, _number: Any, granted: Any, *_: Any) -> None:
        if any(code.is_failure if hasattr(code, "is_failure") else code >= 0x80 for code in granted):
            logger.error("the broker at %s refuses one of our subscriptions", self._address)

    def _arrived(self, _client: Any, _data: Any, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            logger.warning("a message whose topic is not UTF-8 was dropped")
            return
        if self.receive is not None:
            self.receive(topic, message.payload, message.retain)


def answers(address: BrokerAddress, timeout: float = 2.0) -> str:
    """Empty when a broker that takes us answers at ``address``, else why not."""
    probe = BrokerClient(address, client_id("probe"), timeout=timeout)
    try:
        probe.connect()
    except BrokerError as exc:
        return str(exc)
    probe.close()
    return ""


class _Client(paho.Client):
    """paho, but what the kernel has is read in one call, not in three or more for each packet, and what is queued is written in one.

    ``_sock_recv`` and ``_sock_send`` are paho's seam between its packets and the socket, the same in 1.6 and 2.x; a test keeps watch.
    Without them this would still work, at half the speed (docs/decisions/0010).
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.forget()

    def forget(self) -> None:
        """What belonged to an earlier connection."""
        self._unread = b""
        self._at = 0
        self._unwritten = bytearray()
        self._leaving = False
        self.complaint = ""

    @property
    def has_unread(self) -> bool:
        """Whether there is something for ``loop_read`` of which the kernel does not know."""
        if self._at < len(self._unread):
            return True
        opened = self.socket()
        return isinstance(opened, ssl.SSLSocket) and opened.pending() > 0

    def want_write(self) -> bool:
        return bool(self._unwritten) or super().want_write()

    def loop_write(self, *arguments: Any) -> Any:
        code = super().loop_write(*arguments)
        if not code:
            self._flush()
        return code

    def leave(self) -> None:
        """Write what is queued, as far as the kernel takes it, and DISCONNECT."""
        if self.socket() is None or self.loop_write() or self.want_write():
            return
        self._leaving = True
        self.disconnect()
        super().loop_write()

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > _MOST_READ:
            self.complaint = f": a message of {bufsize} bytes was on its way to us"
            raise ConnectionAbortedError
        if self._at == len(self._unread):
            self._unread, self._at = super()._sock_recv(_CHUNK), 0
        start = self._at
        self._at = min(start + bufsize, len(self._unread))
        return self._unread[start : self._at]

    def _sock_send(self, buf: bytes | bytearray) -> int:
        if self._leaving:
            return super()._sock_send(buf)
        if len(self._unwritten) >= _CHUNK:
            self._flush()
            if self._unwritten:
                raise BlockingIOError
        self._unwritten += buf
        return len(buf)

    def _flush(self) -> None:
        while self._unwritten:
            try:
                sent = super()._sock_send(self._unwritten)
            except BlockingIOError:
                return
            del self._unwritten[:sent]


def _make(identity: str) -> _Client:
    named: dict[str, Any] = {"client_id": identity, "protocol": paho.MQTTv311, "reconnect_on_failure": False}
    if hasattr(paho, "CallbackAPIVersion"):
        named["callback_api_version"] = paho.CallbackAPIVersion.VERSION2
    return _Client(**named)


def _is_failure(reason: Any) -> bool:
    return bool(reason.is_failure) if hasattr(reason, "is_failure") else reason != 0


def _in_words(reason: Any) -> str:
    return str(reason) if hasattr(reason, "is_failure") else str(paho.connack_string(reason))


def _nothing(*_: Any) -> None:
    pass


def _without_delay(_client: Any, _data: Any, opened: Any) -> None:
    # Else a small packet waits for the acknowledgement of the one before: 10 ms and more at QoS 1.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
