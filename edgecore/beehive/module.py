"""One module: a thread that reads one mailbox. Subclasses say what to do with a letter and, if they want, with a tick."""

from __future__ import annotations

import abc
import time
from typing import Any

from edgecore.beehive.mailbox import Mailbox


class Module(abc.ABC):
    """``name`` is the address for the switchboard; ``group`` the wire group that reaches it (contract 1.4).

    The keeper makes a module, calls ``run`` in a thread of its own, and makes another one when ``run`` raises. So a module keeps nothing
    that must survive; that is in the store.
    """

    name: str
    group: str

    def run(self, mailbox: Mailbox) -> None:
        """Until the mailbox is closed."""
        self.opened()
        try:
            while not mailbox.closed:
                letter = mailbox.take(self._until_tick())
                if letter is not None:
                    self.take(letter)
                if self.next_tick() is not None and time.monotonic() >= (self.next_tick() or 0.0):
                    self.tick()
        finally:
            self.closed()

    def opened(self) -> None:
        """Before the first letter: load state, subscribe, start rim threads."""

    @abc.abstractmethod
    def take(self, letter: Any) -> None:
        """One letter. Never waits for another module."""

    def next_tick(self) -> float | None:
        """When ``tick`` is wanted (monotonic seconds), or None. A ``tick`` must move this on."""
        return None

    def tick(self) -> None:
        """It is ``next_tick``."""

    def closed(self) -> None:
        """After the last letter, also when ``take`` raised: end rim threads, close doors."""

    def _until_tick(self) -> float | None:
        when = self.next_tick()
        return None if when is None else max(0.0, when - time.monotonic())
