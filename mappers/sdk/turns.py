"""A lock that goes to who waited longest: what devices share that can only be used by one at a time."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """With Python's own lock, a device that asks many questions in a row would starve others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_taken = False

    def take(self, patience: float) -> bool:
        """Whether it is one's turn within ``patience`` seconds; then ``give`` it on."""
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(patience):
            return True
        with self._lock:
            if mine.is_set():
                return True
            self._waiting.remove(mine)
            return False

    def give(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False
