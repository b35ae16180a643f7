"""The door for applications on this node that ask the cloud: HTTP on loopback, each request with a size cap and a time limit (X4).

Any method and path; what is asked stands in the body. The answer is always 200 with ``{"code", "msg", "body"}``, as KubeEdge's is.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable

from edgecore.servicebus.questions import Told
from viaduct.httpcall import MAX_BODY

logger = logging.getLogger(__name__)

APPLICATIONS = 8
"""Requests at once; another one is told to come again."""
READ_SECONDS = 10.0
_HEAD_BYTES = 16 * 1024
_WRITE_SECONDS = 5.0


class _Refused(Exception):
    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.told = Told(code, msg)


class Listener:
    """``answer`` is asked in a thread of its own for each body, and may wait."""

    def __init__(self, address: str, port: int, answer: Callable[[bytes], Told], *, read_seconds: float = READ_SECONDS) -> None:
        """Listen. Raises: OSError: the address is taken or not ours."""
        self._answer = answer
        self._read_seconds = read_seconds
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listening = socket.create_server((address, port), family=family, backlog=APPLICATIONS)
        self._places = threading.BoundedSemaphore(APPLICATIONS)
        self._stopping = False
        self.port = int(self._listening.getsockname()[1])

    def start(self) -> None:
        threading.Thread(target=self._run, name="servicebus-listener", daemon=True).start()

    def stop(self) -> None:
        self._stopping = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._listening.accept()
            except OSError as exc:
                if not self._stopping:
                    logger.error("applications are heard no longer: %s", exc)
                return
            if self._places.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(connection,), name="servicebus-application", daemon=True).start()
            else:
                with connection, contextlib.suppress(OSError):
                    _say(connection, Told(503, f"{APPLICATIONS} requests are being answered; come again"))

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                _say(connection, self._told(connection))
        finally:
            self._places.release()

    def _told(self, connection: socket.socket) -> Told:
        try:
            return self._answer(_body(connection, time.monotonic() + self._read_seconds))
        except _Refused as refused:
            return refused.told
        except TimeoutError:
            return Told(408, f"the request did not come within {self._read_seconds:g} s")
        except Exception:
            logger.exception("a request of an application failed")
            return Told(500, "internal error, see EdgeCore's log")


def _body(connection: socket.socket, deadline: float) -> bytes:
    head, end, body = bytearray(), -1, b""
    while end < 0:
        if len(head) > _HEAD_BYTES:
            raise _Refused(431, f"the request's head is longer than {_HEAD_BYTES} bytes")
        head += _more(connection, deadline)
        end = head.find(b"\r\n\r\n")
    fields = _fields(bytes(head[:end]))
    body, length = bytes(head[end + 4 :]), _length(fields)
    if fields.get(b"expect", b"").lower() == b"100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    received = bytearray(body)
    while len(received) < length:
        received += _more(connection, deadline)
    return bytes(received[:length])


def _fields(head: bytes) -> dict[bytes, bytes]:
    first, *lines = head.split(b"\r\n")
    if len(first.split(b" ")) != 3 or b" HTTP/1." not in first:
        raise _Refused(400, "expected a request of HTTP/1.1")
    pairs = (line.partition(b":") for line in lines)
    return {name.strip().lower(): text.strip() for name, _, text in pairs}


def _length(fields: dict[bytes, bytes]) -> int:
    if b"transfer-encoding" in fields:
        raise _Refused(411, "expected Content-Length: a body in chunks is not read")
    text = fields.get(b"content-length", b"0")
    if not text.isdigit() or len(text) > 12:
        raise _Refused(400, "expected a number as Content-Length")
    if int(text) > MAX_BODY:
        raise _Refused(413, f"the body has {int(text)} bytes, the limit is {MAX_BODY}")
    return int(text)


def _more(connection: socket.socket, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
    piece = connection.recv(65536)
    if not piece:
        raise _Refused(400, "the request stops half way")
    return piece


def _say(connection: socket.socket, told: Told) -> None:
    body = told.as_json()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.settimeout(_WRITE_SECONDS)
    connection.sendall(head.encode() + body)
