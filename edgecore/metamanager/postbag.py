"""Letters to other modules that must not be lost: what finds no room keeps its place in the queue; nothing overtakes it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from edgecore.beehive.switchboard import Switchboard


class Postbag:
    """Used by MetaManager's loop and by the store's thread; neither ever waits here. ``wake`` tells the loop that something is left."""

    def __init__(self, switchboard: Switchboard, wake: Callable[[], None]) -> None:
        self._switchboard = switchboard
        self._wake = wake
        self._left: deque[tuple[str, Any]] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._left)

    def send(self, name: str, letter: Any) -> None:
        with self._lock:
            if not self._switchboard.knows(name):
                return
            if not self._left and self._switchboard.send(name, letter):
                return
            self._left.append((name, letter))
        self._wake()

    def place(self) -> None:
        """Try again, in order."""
        with self._lock:
            while self._left and self._switchboard.send(*self._left[0]):
                self._left.popleft()
