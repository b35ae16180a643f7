"""The door to one MQTT broker: one connection, speaking ``packets`` over TCP or TLS. Translates every failure into BrokerError.

EventBus opens two, as KubeEdge does: one that listens and one that publishes. With one, a listener that waits for a busy module could not
read the acknowledgements which that module's answers wait for.
"""

from __future__ import annotations

import random
import select
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from edgecore.errors import BrokerError
from edgecore.eventbus import packets
from edgecore.eventbus.packets import BadPacket, Connected, Packet, Parser

KEEPALIVE = 30
"""Seconds without a sign of life after which either end gives up the connection is one and a half times this."""

CONNECT_TIMEOUT = 5.0
SILENCE = KEEPALIVE / 3
"""Time limit of one read or write on an open connection, in seconds."""

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


class BrokerConnection:
    """``send`` may be called from any thread, ``receive`` from one."""

    def __init__(self, address: BrokerAddress, identity: str, *, timeout: float = CONNECT_TIMEOUT) -> None:
        """Connect and be accepted.

        Raises:
            BrokerError: naming the broker and what went wrong.
        """
        self._address = address
        self._parser = Parser()
        self._sending = threading.Lock()
        self._waiting: list[Packet] = []
        self._heard = self._asked = time.monotonic()
        self._socket = _open(address, timeout)
        try:
            self.send(packets.connect(identity, keepalive=KEEPALIVE, username=address.username, password=address.password))
            self._await_welcome(timeout)
        except BrokerError:
            self._socket.close()
            raise

    def send(self, data: bytes) -> None:
        """Raises BrokerError when the broker does not take it within SILENCE."""
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError as exc:
            raise self._error(exc) from exc

    def receive(self) -> list[Packet]:
        """What came, after at most a third of the keepalive; keeps the connection alive meanwhile.

        Raises:
            BrokerError: the broker closed, fell silent or does not speak MQTT.
        """
        if self._waiting:
            ready, self._waiting = self._waiting, []
            return ready
        try:
            data = self._read()
        except TimeoutError:
            self.keep_alive()
            return []
        except OSError as exc:
            raise self._error(exc) from exc
        if not data:
            raise BrokerError(f"the broker at {self._address} closed the connection")
        self._heard = time.monotonic()
        if self._heard - self._asked > KEEPALIVE / 2:
            self.keep_alive()
        try:
            return self._parser.feed(data)
        except BadPacket as exc:
            raise BrokerError(f"what answers at {self._address} does not speak MQTT: {exc}") from exc

    def keep_alive(self) -> None:
        """Give a sign of life. Raises BrokerError when the broker has not for too long."""
        now = time.monotonic()
        if now - self._heard > KEEPALIVE * 1.5:
            raise BrokerError(f"the broker at {self._address} has been silent for {now - self._heard:.0f} s")
        self._asked = now
        self.send(packets.PINGREQ)

    def close(self) -> None:
        """Say goodbye if that is possible, and close; ``receive`` in another thread then fails."""
        try:
            self._socket.settimeout(0.5)
            self.send(packets.DISCONNECT)
            self._socket.shutdown(socket.SHUT_RDWR)
        except (OSError, BrokerError):
            pass
        self._socket.close()

    def _read(self) -> bytes:
        if not isinstance(self._socket, ssl.SSLSocket):
            return self._socket.recv(_CHUNK)
        # One TLS session may not be read and written by two threads at once.
        if not self._socket.pending() and not select.select([self._socket], [], [], self._socket.gettimeout())[0]:
            raise TimeoutError
        with self._sending:
            return self._socket.recv(_CHUNK)

    def _await_welcome(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        self._socket.settimeout(timeout)
        while time.monotonic() < deadline:
            arrived = self.receive()
            if not arrived:
                continue
            first, self._waiting = arrived[0], arrived[1:]
            if not isinstance(first, Connected):
                raise BrokerError(f"what answers at {self._address} does not welcome MQTT clients")
            if first.refusal:
                raise BrokerError(f"the broker at {self._address} refuses us: {first.refusal}")
            self._socket.settimeout(SILENCE)
            return
        raise BrokerError(f"the broker at {self._address} did not answer within {timeout:g} s")

    def _error(self, exc: OSError) -> BrokerError:
        return BrokerError(f"the connection to the broker at {self._address} broke: {exc.strerror or exc}")


def answers(address: BrokerAddress, timeout: float = 2.0) -> str:
    """Empty when a broker that takes us answers at ``address``, else why not."""
    try:
        BrokerConnection(address, client_id("probe"), timeout=timeout).close()
    except BrokerError as exc:
        return str(exc)
    return ""


def _open(address: BrokerAddress, timeout: float) -> socket.socket:
    try:
        plain = socket.create_connection((address.host, address.port), timeout)
    except OSError as exc:
        raise BrokerError(f"no broker answers at {address}: {exc.strerror or exc}") from exc
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _secured(plain, address) if address.tls else plain
    except (OSError, ValueError) as exc:
        plain.close()
        raise BrokerError(f"TLS with the broker at {address} failed: {exc}") from exc


def _secured(plain: socket.socket, address: BrokerAddress) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=address.ca_file or None)
    if address.cert_file:
        context.load_cert_chain(address.cert_file, address.key_file or None)
    return context.wrap_socket(plain, server_hostname=address.host)
