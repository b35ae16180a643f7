"""What a session asks of Podman, without Podman: one pod whose commands the test knows."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from edgecore.containers.labels import CONTAINER, POD_NAME, POD_NAMESPACE
from edgecore.containers.model import Container, State
from edgecore.errors import NotFound


class FakeRunning:
    """Says what is put into ``says`` (None: the end); notes its input."""

    def __init__(self, *, code: int = 0, forever: bytes = b"") -> None:
        self.says: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        self.took = b""
        self.sizes: list[tuple[int, int]] = []
        self.input_ended = threading.Event()
        self.closed = threading.Event()
        self.hung_up = False
        self.may_read = threading.Event()
        self.may_read.set()
        self._code = code
        self._forever = forever

    def output(self) -> Iterator[tuple[int, bytes]]:
        while self._forever and not self.closed.is_set():
            yield 1, self._forever
        while (said := self.says.get()) is not None:
            yield said

    def write(self, data: bytes) -> None:
        self.may_read.wait(60)
        self.took += data

    def end_input(self) -> None:
        self.input_ended.set()

    def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))

    def close(self) -> None:
        self.closed.set()
        self.may_read.set()
        self.says.put(None)

    def exit_code(self) -> int:
        return self._code

    def hang_up(self) -> None:
        self.hung_up = True


class FakeStreams:
    """``running`` are handed out one after the other."""

    node = "edge1"
    root_directory = "/"

    def __init__(self, *running: FakeRunning) -> None:
        self.running = list(running)
        self.asked: list[Any] = []

    def containers(self, namespace: str = "", pod: str = "", uid: str = "") -> list[Container]:
        if pod not in ("", "web"):
            return []
        label = {CONTAINER: "main", POD_NAME: "web", POD_NAMESPACE: "default"}
        return [Container("c1", "c1", "i", "i", State.RUNNING, label, created=1.0, started=1.0)]

    def logs(self, container: str, **asked: Any) -> FakeRunning:
        return self._next(("logs", asked))

    def execute(self, container: str, command: list[str], **asked: Any) -> FakeRunning:
        return self._next(("exec", command, asked))

    def attach(self, container: str, **asked: Any) -> FakeRunning:
        return self._next(("attach", asked))

    def stats(self) -> list[dict[str, Any]]:
        return [{"ContainerID": "c1", "CPUNano": 5, "MemUsage": 4096}]

    def _next(self, asked: Any) -> FakeRunning:
        self.asked.append(asked)
        if not self.running:
            raise NotFound("nothing runs here")
        return self.running.pop(0)
