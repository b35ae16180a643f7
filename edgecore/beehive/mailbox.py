"""A bounded mailbox between threads.

Loops never wait: ``place`` says False where there is no room, and the loop keeps what it owes. Rim threads (socket reader, MQTT callback,
workers) may fill half of it and wait, with a time limit, for more; the other half is for messages between loops (architecture, section 5).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

CAPACITY = 4096


class Mailbox:
    """First in, first out. ``None`` from ``take`` means: the time was up, someone knocked, or the mailbox is closed and empty."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._letters: deque[Any] = deque()
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)
        self._rim_waiting = 0
        self._closed = False
        self._knocked = False

    def __len__(self) -> int:
        return len(self._letters)

    @property
    def closed(self) -> bool:
        return self._closed

    def place(self, letter: Any) -> bool:
        """For loops: put ``letter`` in, or say False at once."""
        with self._lock:
            if self._closed or len(self._letters) >= self._capacity:
                return False
            self._letters.append(letter)
            self._filled.notify()
            return True

    def place_from_rim(self, letter: Any, timeout: float) -> bool:
        """For rim threads: wait up to ``timeout`` seconds until the mailbox is less than half full; False: no room."""
        deadline = time.monotonic() + timeout
        with self._lock:
            while not self._closed and len(self._letters) >= self._capacity // 2:
                self._rim_waiting += 1
                try:
                    if not self._emptied.wait(deadline - time.monotonic()):
                        return False
                finally:
                    self._rim_waiting -= 1
            if self._closed:
                return False
            self._letters.append(letter)
            self._filled.notify()
            return True

    def take(self, timeout: float | None = None) -> Any | None:
        """The oldest letter, waiting up to ``timeout`` seconds (None: until one comes, someone knocks or the mailbox closes)."""
        with self._lock:
            if not self._letters and not self._closed and (timeout is None or timeout > 0):
                self._filled.wait_for(lambda: self._letters or self._closed or self._knocked, timeout)
            self._knocked = False
            return self._pop()

    def take_ready(self, limit: int) -> list[Any]:
        """Up to ``limit`` letters that are already here; never waits."""
        with self._lock:
            ready: list[Any] = []
            while self._letters and len(ready) < limit:
                ready.append(self._pop())
            return ready

    def knock(self) -> None:
        """Ask whoever reads this mailbox for a sign of life. It needs no room: coming for the next letter is the answer."""
        with self._lock:
            self._knocked = True
            self._filled.notify()

    @property
    def answered(self) -> bool:
        """Whether someone came for a letter since the last knock."""
        return not self._knocked

    def close(self) -> None:
        """Take no more letters and wake everyone."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
            self._emptied.notify_all()

    def _pop(self) -> Any | None:
        if not self._letters:
            return None
        letter = self._letters.popleft()
        if self._rim_waiting and len(self._letters) < self._capacity // 2:
            self._emptied.notify()
        return letter
