"""HTTP over a unix socket: the ``podman`` package gives out neither connections that were upgraded nor time limits line by line."""

from __future__ import annotations

import http.client
import socket


class UnixConnection(http.client.HTTPConnection):
    """``path`` is the socket's."""

    def __init__(self, path: str, timeout: float | None = None) -> None:
        super().__init__("podman", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
