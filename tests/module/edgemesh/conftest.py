"""The proxy as the process that it is, on loopback, and servers for it to reach."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edgecore.edgemesh.child import ProxyChild
from edgecore.edgemesh.proxy.table import TURNS, Endpoint, Listener, Table, written


def until(claim: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := claim()):
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.005)
    return found


class Server:
    """Says its name to everybody who connects, then sends back what it hears until its client has no more to say."""

    def __init__(self, name: str) -> None:
        self.name = name.encode()
        self.accepted = 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.place: Endpoint = ("127.0.0.1", self._door.getsockname()[1])
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.sendall(self.name + b"\n")
            while data := client.recv(65536):
                client.sendall(data)


class Stand:
    """A proxy and the table that it has."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.child = ProxyChild(directory)
        self.table = Table()
        self.table.edgecore = os.getpid()

    def listen(self, place: Endpoint, *backends: Endpoint, protocol: str = "tcp", affinity: str = TURNS) -> None:
        listener = Listener(protocol, place, affinity, backends)
        self.table.listeners[listener.key] = listener

    def lay(self) -> dict[str, str]:
        return self.child.lay(written(self.table))

    @property
    def pid(self) -> int:
        state = (self.directory / "state").read_text().splitlines()
        return int(state[0].removeprefix("pid "))

    def end(self) -> None:
        if self.child.alive():
            os.kill(self.pid, signal.SIGKILL)
            until(lambda: not self.child.alive())


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path / "edgemesh")
    yield made
    made.end()


def free_place() -> Endpoint:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return ("127.0.0.1", probe.getsockname()[1])


def greeting(place: Endpoint) -> str:
    with socket.create_connection(place, 5) as client:
        client.settimeout(5)
        return client.makefile().readline().strip()
