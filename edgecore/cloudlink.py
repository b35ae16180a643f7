"""One authenticated websocket to the cloud (contract 2.1, 2.2; promise X1). The only importer of websocket-client.

The server is verified as P2.9 says (certs/trust.py). One thread may read while others write: the
TLS object is touched under one lock and never waits inside it, because OpenSSL does not allow two threads in one connection.
"""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import websocket

from edgecore.certs.trust import Doubt, cloud_context, doubt
from edgecore.errors import CloudOutOfDate, LinkError, LinkRefused, NodeOutOfDate
from viaduct.codec import MAX_FRAME_BYTES

_READ_SIZE = 16 * 1024
_USER_TIMEOUT_MS = 20_000
_SIOCOUTQ = 0x5411
_MAX_ANSWER = 400
_REFUSAL_S = 0.7
"""With TLS 1.3 a server says only after the handshake that it does not take the client's certificate."""

_MOST_REASON = 120
"""Bytes in a close frame."""
_REFUSALS: Mapping[int, type[LinkError]] = {401: NodeOutOfDate, 403: LinkRefused}


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM files: the pinned CA, this node's certificate and its key."""

    ca_file: Path
    cert_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``reach`` is short so that a cloud that comes back is found soon; ``handshake`` covers TLS and the upgrade; ``read`` is how
    long nothing may come in the middle of a message."""

    reach: float = 2.0
    handshake: float = 30.0
    read: float = 15.0
    write: float = 15.0


class CloudLink:
    """An open connection; made by ``connect``. Every method raises LinkError when the connection is gone."""

    def __init__(self, client: _Client, channel: _Channel, headers: Mapping[str, str]) -> None:
        self._client = client
        self._channel = channel
        self.headers = headers
        self.address = channel.address
        self._reading = False

    @property
    def heard_at(self) -> float:
        """When the last byte came (monotonic seconds). Now, while nobody reads: then it is we who do not listen."""
        return self._channel.heard_at if self._reading else time.monotonic()

    @property
    def drained(self) -> bool:
        """Whether all that was said has reached the other end; on a slow link much may still lie in the kernel."""
        return self._channel.unsent() == 0

    def ping(self) -> None:
        """Ask whether the other end is there; its answer shows in ``heard_at``."""
        try:
            self._client.ping()
        except (websocket.WebSocketException, OSError) as exc:
            raise LinkError(f"sending to the cloud failed: {_said(exc)}") from exc

    def send_text(self, text: str) -> None:
        """One text frame. Waits at most the write time limit."""
        try:
            self._client.send(text)
        except (websocket.WebSocketException, OSError) as exc:
            raise LinkError(f"sending to the cloud failed: {_said(exc)}") from exc

    def send_bytes(self, data: bytes) -> None:
        """One binary frame. Waits as ``send_text`` does."""
        try:
            self._client.send(data, websocket.ABNF.OPCODE_BINARY)
        except (websocket.WebSocketException, OSError) as exc:
            raise LinkError(f"sending to the cloud failed: {_said(exc)}") from exc

    def expect_within(self, seconds: float) -> None:
        """From now on ``receive`` gives up where nothing at all, not even a ping, has come for so long."""
        self._channel.between_limit = seconds

    def receive(self) -> bytes:
        """The next text or binary message, waiting without limit. A close by the server is an error here (bug E11 of KubeEdge)."""
        self._channel.heard_at = time.monotonic()
        self._reading = True
        try:
            opcode, data = self._client.recv_data()
        except (websocket.WebSocketException, OSError, ValueError) as exc:
            raise LinkError(f"the connection to the cloud broke: {_said(exc)}") from exc
        finally:
            self._reading = False
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise LinkError(f"the cloud closed the connection{_close_reason(data)}")
        return bytes(data)

    def close(self, status: int = 1000, reason: str = "") -> None:
        """Say goodbye, and why, if that is possible at once, and free the socket; wakes a thread in ``receive``."""
        if not self._client.lock.locked():  # a writer that is stuck would make us wait for its time limit
            self._channel.write_timeout = 0.2
            with contextlib.suppress(websocket.WebSocketException, OSError, ValueError):
                self._client.send_close(status, reason.encode()[:_MOST_REASON])
        self._channel.close()


def connect(
    url: str,
    headers: Mapping[str, str],
    identity: Identity,
    timeouts: Timeouts | None = None,
    *,
    address: str = "",
    now: Callable[[], float] = time.time,
    most: int = MAX_FRAME_BYTES,
) -> CloudLink:
    """Dial ``wss://host:port/path``; at ``address`` without asking for the host's, where one is given (``CloudLink.address`` of before).
    ``now`` gives the time (epoch seconds) at which the hub's certificate must be good; ``most``: bytes of a message that is taken.

    Raises:
        LinkError: with what failed and what may help.
    """
    timeouts = timeouts or Timeouts()
    parts = urlsplit(url)
    if parts.scheme != "wss" or not parts.hostname:
        raise LinkError(f"{url!r} is not a wss:// address")
    where = f"{parts.hostname}:{parts.port or 443}"
    context = _context(identity)
    tcp = _reach(address or parts.hostname, parts.port or 443, where, timeouts)
    try:
        tls = _shake_hands(tcp, context, parts.hostname, where)
        _check(tls, parts.hostname, where, now())
        channel = _Channel(tls, timeouts.handshake)
        client = _Client(channel, most)
        _upgrade(client, channel, url, headers, where)
    except BaseException:
        tcp.close()
        raise
    channel.settimeout(None)
    channel.write_timeout = timeouts.write
    channel.silence_limit = timeouts.read
    return CloudLink(client, channel, dict(client.getheaders() or {}))


def greet(host: str, port: int, identity: Identity, timeouts: Timeouts | None = None, *, now: Callable[[], float] = time.time) -> str:
    """Mutual TLS with the hub and no word more, so that a session which this node has is not replaced. The version of TLS.

    Raises:
        LinkError: with what failed and what may help.
    """
    timeouts = timeouts or Timeouts()
    where = f"{host}:{port}"
    context = _context(identity)
    tcp = _reach(host, port, where, timeouts)
    with tcp, _shake_hands(tcp, context, host, where) as tls:
        _check(tls, host, where, now())
        tls.settimeout(_REFUSAL_S)
        try:
            ended = tls.recv(1) == b""
        except TimeoutError:
            return tls.version() or ""
        except OSError as exc:
            raise LinkError(f"{where} refused this node's certificate: {_said(exc)}") from exc
        if ended:
            raise LinkError(f"{where} ended the connection after the handshake")
        return tls.version() or ""


def _context(identity: Identity) -> ssl.SSLContext:
    context = cloud_context()
    try:
        context.load_verify_locations(cafile=identity.ca_file)
        context.load_cert_chain(identity.cert_file, identity.key_file)
    except FileNotFoundError as exc:
        raise LinkError(f"this node has no identity yet ({_missing(identity)} is missing): run 'edgecore join' or 'edgecore pair'") from exc
    except (OSError, ValueError) as exc:
        raise LinkError(f"the certificate files cannot be used: {_said(exc)}") from exc
    return context


def _missing(identity: Identity) -> str:
    files = (identity.ca_file, identity.cert_file, identity.key_file)
    return next((str(file) for file in files if not file.exists()), "a file")


def _reach(host: str, port: int, where: str, timeouts: Timeouts) -> socket.socket:
    try:
        tcp = socket.create_connection((host, port), timeouts.reach)
    except socket.gaierror as exc:
        raise LinkError(f"the name {host} cannot be resolved: {exc.strerror}") from exc
    except TimeoutError as exc:
        raise LinkError(f"{where} does not answer") from exc
    except OSError as exc:
        raise LinkError(f"{where} cannot be reached: {exc.strerror or exc}") from exc
    tcp.settimeout(timeouts.handshake)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
    return tcp


def _shake_hands(tcp: socket.socket, context: ssl.SSLContext, host: str, where: str) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(tcp, server_hostname=host)
    except ssl.SSLCertVerificationError as exc:
        raise LinkError(f"{where} shows a certificate that is refused: {_verdict(exc)}") from exc
    except TimeoutError as exc:
        raise LinkError(f"{where} did not finish the TLS handshake in time") from exc
    except (ssl.SSLError, OSError) as exc:
        raise LinkError(f"TLS with {where} failed: {_said(exc)}") from exc


def _check(tls: ssl.SSLSocket, host: str, where: str, now: float) -> None:
    found = doubt(tls.getpeercert(), host, now)
    if found is Doubt.NAME:
        raise LinkError(f"{where} shows a certificate that is refused: it is not made out to a CloudCore or to {host}")
    if found is not None:
        taken = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
        raise CloudOutOfDate(
            f"{where} shows a certificate that is {found.value} (the time is taken to be {taken}: is this node's clock right?)"
        )


def _verdict(exc: ssl.SSLCertVerificationError) -> str:
    hints = {
        7: "its CA is not the one that this node joined",
        18: "it is self-signed, not from the CA that this node joined",
        19: "its CA is not the one that this node joined",
        20: "its CA is not the one that this node joined",
        26: "it is not that of a server",
    }
    return hints.get(exc.verify_code, exc.verify_message)


def _upgrade(client: Any, channel: _Channel, url: str, headers: Mapping[str, str], where: str) -> None:
    try:
        client.connect(url, socket=channel, header=[f"{name}: {value}" for name, value in headers.items()], suppress_origin=True)
    except websocket.WebSocketBadStatusException as exc:
        refused = _REFUSALS.get(getattr(exc, "status_code", 0), LinkError)
        raise refused(f"{where} refused this node: {_refusal(exc)}") from exc
    except (ssl.SSLError, ConnectionError, websocket.WebSocketConnectionClosedException) as exc:
        raise LinkError(f"{where} ended the connection: {_said(exc)} (is this node's certificate expired or revoked?)") from exc
    except (websocket.WebSocketException, OSError, ValueError) as exc:
        raise LinkError(f"{where} is not a hub: {_said(exc)}") from exc


def _refusal(exc: Any) -> str:
    body = getattr(exc, "resp_body", None) or b""
    text = bytes(body[:_MAX_ANSWER]).decode("utf-8", "replace").strip()
    status = getattr(exc, "status_code", "?")
    return f"{status} {text}" if text else f"{status} {exc}"


def _close_reason(data: bytes) -> str:
    if len(data) < 2:
        return ""
    text = data[2:].decode("utf-8", "replace")
    return f" ({int.from_bytes(data[:2], 'big')} {text})".replace(" )", ")")


def _said(exc: BaseException) -> str:
    return str(getattr(exc, "reason", "") or getattr(exc, "strerror", "") or exc) or type(exc).__name__


class _Client(websocket.WebSocket):
    """Refuses a frame, or a message in pieces, beyond the cap before its payload is read (promise X4)."""

    def __init__(self, channel: _Channel, most: int) -> None:
        super().__init__(skip_utf8_validation=True, enable_multithread=True)
        self._channel = channel
        self._pieces = 0
        buffer = self.frame_buffer
        read_length = buffer.recv_length

        def capped_length() -> None:
            read_length()
            if self._pieces + (buffer.length or 0) > most:
                raise websocket.WebSocketPayloadException(f"a message of more than {most} bytes")

        setattr(buffer, "recv_length", capped_length)  # noqa: B010

    def recv_frame(self) -> Any:
        parent: Any = super()
        self._channel.between_messages = not self._pieces
        frame = parent.recv_frame()
        if frame.opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_CONT):
            self._pieces = 0 if frame.fin else self._pieces + len(frame.data)
        return frame


class _Channel:
    """A TLS socket that one thread reads while others write; stands in for a socket towards websocket-client."""

    def __init__(self, tls: ssl.SSLSocket, timeout: float | None) -> None:
        tls.setblocking(False)
        self._tls = tls
        self._lock = threading.Lock()
        self._timeout = timeout
        self._unread = memoryview(b"")
        self.write_timeout = timeout
        self.silence_limit = timeout
        self.between_limit = timeout
        self.between_messages = True
        self.heard_at = time.monotonic()
        self._closed = False
        self.address = str(tls.getpeername()[0])

    def fileno(self) -> int:
        return self._tls.fileno()

    def unsent(self) -> int:
        """Bytes that the other end has not acknowledged; 0 on a closed socket."""
        try:
            (count,) = struct.unpack("i", fcntl.ioctl(self._tls.fileno(), _SIOCOUTQ, bytes(4)))
        except (OSError, ValueError):
            return 0
        return int(count)

    def gettimeout(self) -> float | None:
        return self._timeout

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout
        self.write_timeout = timeout
        self.between_limit = timeout

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes; the few bytes of a frame's head do not cost a system call each."""
        if not self._unread:
            limit = self.between_limit if self.between_messages else self.silence_limit
            self._unread = memoryview(self._attempt(lambda: self._tls.recv(_READ_SIZE), select.POLLIN, limit))
            self.heard_at = time.monotonic()
        self.between_messages = False
        part = bytes(self._unread[:size])
        self._unread = self._unread[size:]
        return part

    def send(self, data: bytes) -> int:
        sent: int = self._attempt(lambda: self._tls.send(data), select.POLLOUT, self.write_timeout)
        return sent

    def shutdown(self, _how: int = socket.SHUT_RDWR) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._tls, socket.SHUT_RDWR)

    def close(self) -> None:
        self.shutdown()
        with self._lock, contextlib.suppress(OSError):
            self._tls.close()

    def _attempt(self, action: Any, event: int, timeout: float | None) -> Any:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            wanted = event
            with self._lock:
                if self._closed:
                    raise ConnectionError("closed here")
                try:
                    return action()
                except ssl.SSLWantReadError:
                    wanted = select.POLLIN
                except ssl.SSLWantWriteError:
                    wanted = select.POLLOUT
                descriptor = self._tls.fileno()
            self._wait(descriptor, wanted, deadline)

    def _wait(self, descriptor: int, event: int, deadline: float | None) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if not poll.poll(left):
            raise TimeoutError("timed out")
