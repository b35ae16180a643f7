"""``GET /metrics`` over HTTP, for reading only: one thread, one request at a time, each with a size cap and a time limit (X4)."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable

from supervision.exposition import CONTENT_TYPE

logger = logging.getLogger(__name__)

_MOST_BYTES = 8192
_SECONDS = 5.0
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    500: "Internal Server Error",
}


class MetricsServer:
    """``text`` is asked for each request."""

    def __init__(self, address: str, port: int, text: Callable[[], str]) -> None:
        """Listen. Raises: OSError: the address is taken or not ours."""
        self._text = text
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listening = socket.create_server((address, port), family=family, backlog=8)
        self._stopping = False
        self.port = int(self._listening.getsockname()[1])

    def start(self) -> None:
        threading.Thread(target=self._run, name="metrics", daemon=True).start()

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
                    logger.error("metrics are served no longer: %s", exc)
                return
            with connection, contextlib.suppress(OSError):
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        request = _read(connection)
        if request is None:
            status, text = 408, "the request did not come in time\n"
        else:
            status, text = self._answer(request)
        body = text.encode()
        head = [
            f"HTTP/1.1 {status} {_REASONS[status]}",
            f"Content-Type: {CONTENT_TYPE}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        connection.settimeout(_SECONDS)
        connection.sendall("\r\n".join([*head, "", ""]).encode() + (b"" if (request or b"").startswith(b"HEAD ") else body))

    def _answer(self, request: bytes) -> tuple[int, str]:
        words = request.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return 400, "expected GET /metrics HTTP/1.1\n"
        if words[0] not in (b"GET", b"HEAD"):
            return 405, "expected GET\n"
        if words[1].partition(b"?")[0] != b"/metrics":
            return 404, "there is only /metrics\n"
        try:
            return 200, self._text()
        except Exception:
            logger.exception("the metrics cannot be gathered")
            return 500, "the metrics cannot be gathered, see the log\n"


def _read(connection: socket.socket) -> bytes | None:
    """The head of the request, or as much of it as is allowed; None where it does not come in time."""
    deadline = time.monotonic() + _SECONDS
    data = b""
    while b"\r\n\r\n" not in data and len(data) < _MOST_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        connection.settimeout(left)
        try:
            piece = connection.recv(_MOST_BYTES - len(data))
        except TimeoutError:
            return None
        if not piece:
            return data
        data += piece
    return data
