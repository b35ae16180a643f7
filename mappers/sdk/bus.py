"""The door to the MQTT broker (3.1.1), the only importer of paho; 1.6 and 2.x. Its own thread reads and reconnects."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho

from mappers.sdk.errors import BusError

logger = logging.getLogger(__name__)

KEEPALIVE = 30
RECONNECT_LIMIT = 15
"""Longest time between two attempts to reach the broker, in seconds; the first come after one, two, four … seconds."""

STOP_SECONDS = 0.5

QOS = 1
_MAX_QUEUED = 1000
_TLS_SCHEMES = ("ssl", "tls", "mqtts")
_PLAIN_SCHEMES = ("tcp", "mqtt")


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """``ca_file``: path, "" for the system's authorities."""

    host: str
    port: int
    tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_url(url: str) -> tuple[str, int, bool]:
    """(host, port, tls) of ``tcp://127.0.0.1:1883`` or ``ssl://…``. Raises ValueError saying what is wrong."""
    parts = urlsplit(url)
    if parts.scheme not in (*_PLAIN_SCHEMES, *_TLS_SCHEMES) or not parts.hostname:
        raise ValueError(f"expected tcp://HOST:PORT or ssl://HOST:PORT, got {url!r}")
    if "@" in parts.netloc:
        # The URL is seen by everybody who lists processes, and is logged.
        raise ValueError("a user name and password do not belong into the address")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"expected nothing after the port, got {url!r}")
    try:
        port = parts.port
    except ValueError as exc:
        raise ValueError(f"expected a port of 1 to 65535 in {url!r}") from exc
    if port == 0:
        raise ValueError(f"expected a port of 1 to 65535 in {url!r}")
    tls = parts.scheme in _TLS_SCHEMES
    return parts.hostname, port or (8883 if tls else 1883), tls


class Bus:
    """``on_message(topic, payload)`` and ``on_connected()`` are called by the bus's thread; all else by any. ``connections``: how many
    there were."""

    def __init__(
        self, address: BrokerAddress, *, name: str, on_message: Callable[[str, bytes], None], on_connected: Callable[[], None]
    ) -> None:
        """``name`` begins the client id, which is of this process only: two with one id would drive each other out for ever.

        Raises:
            BusError: the files for TLS cannot be used.
        """
        self._address = address
        self._on_message = on_message
        self._on_connected = on_connected
        self._lock = threading.Lock()
        self._filters: set[str] = set()
        self._complaint = ""
        self.connections = 0
        self._client = _client(f"{name}-{uuid.uuid4().hex[:12]}")
        self._client.max_queued_messages_set(_MAX_QUEUED)
        self._client.reconnect_delay_set(1, RECONNECT_LIMIT)
        if address.username:
            self._client.username_pw_set(address.username, address.password)
        if address.tls:
            _secure(self._client, address)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_connect_fail = self._unreachable
        self._client.on_message = self._received
        self._client.on_socket_open = _without_delay

    def start(self) -> None:
        """Returns at once; the broker may come later."""
        self._client.connect_async(self._address.host, self._address.port, KEEPALIVE)
        self._client.loop_start()

    def stop(self) -> None:
        """Returns within STOP_SECONDS."""
        self._client.on_disconnect = self._client.on_connect_fail = None
        self._client.disconnect()
        # paho waits without limit for its thread, which may be waiting for a broker that does not answer.
        ending = threading.Thread(target=self._client.loop_stop, daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)

    def publish(self, topic: str, payload: str) -> bool:
        """False when there is no connection: nothing is queued that would be old when it arrives."""
        if not self._client.is_connected():
            return False
        return bool(self._client.publish(topic, payload.encode(), qos=QOS).rc == paho.MQTT_ERR_SUCCESS)

    @property
    def is_connected(self) -> bool:
        return bool(self._client.is_connected())

    def subscribe(self, filters: Iterable[str]) -> None:
        """Now, and again after each reconnect."""
        with self._lock:
            fresh = sorted(set(filters) - self._filters)
            self._filters.update(fresh)
            self._send_filters(fresh)

    def unsubscribe(self, filters: Iterable[str]) -> None:
        with self._lock:
            gone = sorted(set(filters) & self._filters)
            self._filters.difference_update(gone)
            if gone and self._client.is_connected():
                self._client.unsubscribe(gone)

    def _send_filters(self, filters: list[str]) -> None:
        if filters and self._client.is_connected():
            self._client.subscribe([(pattern, QOS) for pattern in filters])

    # paho 1.6 and 2.x call these with different arguments: (client, userdata, flags, reason code, …) is what they share.

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, *_: Any) -> None:
        if _is_failure(reason):
            self._complain(f"the broker at {self._address} refuses us: {_connack(reason)}")
            return
        self._complaint = ""
        self.connections += 1
        logger.info("connected to the broker at %s", self._address)
        with self._lock:
            self._send_filters(sorted(self._filters))
        self._on_connected()

    def _disconnected(self, *_: Any) -> None:
        self._complain(f"no connection to the broker at {self._address}; trying again")

    def _unreachable(self, *_: Any) -> None:
        self._complain(f"no broker answers at {self._address}; trying again")

    def _received(self, _client: Any, _data: Any, message: Any) -> None:
        try:
            self._on_message(message.topic, message.payload)
        except Exception:
            # An exception here would end paho's thread, and with it all messages.
            logger.exception("a message on %s met a fault of ours", message.topic)

    def _complain(self, complaint: str) -> None:
        """Once until it is well again: paho tries every few seconds."""
        if not self._complaint:
            logger.warning("%s", complaint)
        self._complaint = complaint


def _client(identity: str) -> Any:
    if hasattr(paho, "CallbackAPIVersion"):
        return paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=identity, protocol=paho.MQTTv311)
    return paho.Client(client_id=identity, protocol=paho.MQTTv311)


def _secure(client: Any, address: BrokerAddress) -> None:
    try:
        client.tls_set_context(ssl.create_default_context(cafile=address.ca_file or None))
    except OSError as exc:
        raise BusError(f"{address.ca_file} cannot be used as the broker's authority: {exc}") from exc


def _is_failure(reason: Any) -> bool:
    return bool(reason.is_failure) if hasattr(reason, "is_failure") else reason != 0


def _connack(reason: Any) -> str:
    return str(reason) if hasattr(reason, "is_failure") else str(paho.connack_string(reason))


def _without_delay(_client: Any, _data: Any, opened: Any) -> None:
    # Else a small packet waits for the acknowledgement of the one before: 10 ms and more at QoS 1.
    if isinstance(opened, socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
