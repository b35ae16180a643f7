"""A serial port that devices share: one thread hears every line, one device at a time asks.

A fault of the port (unplugged, say) ends the thread; whoever comes next opens it anew.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from mappers.sdk.errors import DeviceAway, DeviceRefused
from mappers.sdk.turns import Turns
from mappers.serialport.address import PortSettings
from mappers.serialport.lines import LineSplitter
from mappers.serialport.port import CHUNK, SerialPort
from viaduct.faults import TIMEOUT

logger = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds that a device waits for its turn to ask."""

_FLOOD_PAUSE = 0.005
"""After a full buffer: a device that never stops takes no more than a part of one core (and still up to 800 kB a second)."""

_ANSWERS = 64
"""Lines that are kept for whoever asks; a device that floods has none of them that is worth keeping."""

_END_SECONDS = 2.0

Listener = Callable[[bytes], None]


class Exchange:
    """One open port."""

    def __init__(self, settings: PortSettings, *, timeout: float) -> None:
        """Raises DeviceAway."""
        self.settings = settings
        self.bytes_heard = 0
        self._port = SerialPort(settings, write_timeout=timeout)
        self._splitter = LineSplitter(settings.ending)
        self._turns = Turns()
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._answers: queue.Queue[bytes | None] | None = None
        self._settled_at = 0.0
        self._fault = ""
        self._is_ending = False
        self._thread = threading.Thread(target=self._hear, name=f"serial-{settings.path}", daemon=True)
        self._thread.start()

    @property
    def is_broken(self) -> bool:
        return bool(self._fault)

    def require_whole(self) -> None:
        """Raises DeviceAway."""
        if self._fault:
            raise DeviceAway(self._fault)

    def listen(self, listener: Listener) -> None:
        """``listener`` is called by the port's thread with each line."""
        with self._lock:
            self._listeners.append(listener)

    def leave(self, listener: Listener) -> bool:
        """Whether nobody is left."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
            return not self._listeners

    def end(self) -> None:
        self._is_ending = True
        self._port.wake()
        self._thread.join(_END_SECONDS)

    def say(self, line: bytes) -> None:
        """Without an answer. Raises DeviceAway."""
        self.ask(line, lambda heard: True, timeout=0.0)

    def ask(self, line: bytes, is_answer: Callable[[bytes], bool], *, timeout: float) -> bytes:
        """The first line within ``timeout`` seconds that is an answer; ``b""`` at once where it is 0.

        Raises:
            DeviceAway: nothing was said.
            DeviceRefused: something else was said.
        """
        if not self._turns.take(PATIENCE):
            raise DeviceAway(f"{self.settings.path} is busy with other devices for more than {PATIENCE:g} s")
        try:
            self._settle()
            return self._asked(line, is_answer, timeout)
        finally:
            self._answers = None
            self._turns.give()

    def _asked(self, line: bytes, is_answer: Callable[[bytes], bool], timeout: float) -> bytes:
        self.require_whole()
        answers: queue.Queue[bytes | None] = queue.Queue(_ANSWERS)
        self._answers = answers if timeout else None
        self._port.write(line + self.settings.ending)
        other = b""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                heard = answers.get(timeout=left)
            except queue.Empty:
                break
            if heard is None:
                self.require_whole()
            elif is_answer(heard):
                return heard
            elif heard != line:
                # What is the question itself is an echo.
                other = other or heard
        if timeout:
            self._give_up(other, line, timeout)
        return b""

    def _give_up(self, other: bytes, line: bytes, timeout: float) -> None:
        # What comes late is an answer to this question, and must not be taken for one to the next.
        self._settled_at = time.monotonic() + timeout
        self.require_whole()
        if other:
            raise DeviceRefused(f"to {line.decode('utf-8', 'replace')!r} it says {other[:60].decode('utf-8', 'replace')!r}")
        raise DeviceAway(f"{line.decode('utf-8', 'replace')!r} on {self.settings.path} is not answered within {timeout:g} s", code=TIMEOUT)

    def _settle(self) -> None:
        left = self._settled_at - time.monotonic()
        if left > 0:
            time.sleep(left)

    def _hear(self) -> None:
        try:
            while not self._is_ending:
                data = self._port.read()
                self.bytes_heard += len(data)
                for line in self._splitter.feed(data):
                    self._pass_on(line)
                if len(data) >= CHUNK:
                    time.sleep(_FLOOD_PAUSE)
        except DeviceAway as exc:
            self._fault = str(exc)
        except Exception as exc:
            # A fault of ours: the devices of this port are away until it is opened anew.
            logger.exception("%s: a fault of ours", self.settings.path)
            self._fault = f"{self.settings.path}: a fault of ours: {exc!r}"
        else:
            self._fault = f"{self.settings.path} is closed"
        self._port.close()
        self._answer(None)

    def _pass_on(self, line: bytes) -> None:
        self._answer(line)
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(line)

    def _answer(self, line: bytes | None) -> None:
        answers = self._answers
        if answers is None:
            return
        try:
            answers.put_nowait(line)
        except queue.Full:
            pass


class Ports:
    """The ports in use, by path."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: dict[str, threading.Lock] = {}
        self._open: dict[str, Exchange] = {}

    def join(self, settings: PortSettings, listener: Listener, *, timeout: float) -> Exchange:
        """Raises DeviceAway: it cannot be opened, or another device uses it with other settings."""
        with self._gate(settings.path):
            known = self._open.get(settings.path)
            if known is None or known.is_broken:
                known = self._open[settings.path] = Exchange(settings, timeout=timeout)
            elif known.settings != settings:
                raise DeviceAway(f"{settings.path} is in use with other settings: {known.settings}")
            known.listen(listener)
            return known

    def leave(self, exchange: Exchange, listener: Listener) -> None:
        """The last one that leaves closes the port."""
        path = exchange.settings.path
        with self._gate(path):
            if not exchange.leave(listener):
                return
            if self._open.get(path) is exchange:
                del self._open[path]
            exchange.end()

    def _gate(self, path: str) -> threading.Lock:
        """One for each port: some take seconds to open (a Bluetooth one), and the others need not wait for that."""
        with self._lock:
            return self._gates.setdefault(path, threading.Lock())
