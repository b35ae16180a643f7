"""Keeps modules running (promise I2): one thread each; a module that raises is made again after a back-off, the others go on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from edgecore.beehive.backoff import Backoff
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard

logger = logging.getLogger(__name__)

HEALTHY_AFTER = 60.0
"""A module that ran so long (seconds) before it failed starts its back-off anew."""


@dataclass(slots=True)
class Kept:
    """One module's fate, for ``edgecore get status`` and the watchdog."""

    name: str
    restarts: int = 0
    running: bool = False
    last_error: str = ""
    thread: threading.Thread | None = field(default=None, repr=False)
    module: Module | None = field(default=None, repr=False)


class Keeper:
    """Starts modules in the order given, stops them in the reverse order."""

    def __init__(self, switchboard: Switchboard, *, first_delay: float = 0.5, max_delay: float = 30.0) -> None:
        self._switchboard = switchboard
        self._first_delay = first_delay
        self._max_delay = max_delay
        self._stopping = threading.Event()
        self._kept: dict[str, Kept] = {}

    def keep(self, name: str, group: str, make: Callable[[], Module]) -> None:
        """Run what ``make`` gives, and again whenever it fails."""
        self._switchboard.register(name, group)
        kept = self._kept[name] = Kept(name)
        kept.thread = threading.Thread(target=self._run, args=(kept, group, make), name=name, daemon=True)

    def start(self) -> None:
        for kept in self._kept.values():
            if kept.thread is not None:
                kept.thread.start()

    def module(self, name: str) -> Module | None:
        """What runs under ``name`` now."""
        kept = self._kept.get(name)
        return kept.module if kept is not None else None

    def report(self) -> list[Kept]:
        return list(self._kept.values())

    def silent(self) -> list[str]:
        """Knock at every module. Returns the names of those that still owe the answer to the knock before, and of those that nobody keeps.

        A module that waits for its next start owes nothing.
        """
        silent = []
        for kept in self._kept.values():
            mailbox = self._switchboard.register(kept.name, "")
            kept_no_longer = kept.thread is None or not kept.thread.is_alive()
            if kept_no_longer or (kept.running and not mailbox.answered):
                silent.append(kept.name)
            mailbox.knock()
        return silent

    def stop(self, timeout: float = 20.0) -> list[str]:
        """Close every mailbox and wait. Returns the names of modules that did not end within ``timeout`` seconds altogether."""
        self._stopping.set()
        deadline = time.monotonic() + timeout
        for kept in reversed(self._kept.values()):
            self._switchboard.register(kept.name, "").close()
        for kept in reversed(self._kept.values()):
            if kept.thread is not None and kept.thread.is_alive():
                kept.thread.join(max(0.0, deadline - time.monotonic()))
        return [kept.name for kept in self._kept.values() if kept.thread is not None and kept.thread.is_alive()]

    def _run(self, kept: Kept, group: str, make: Callable[[], Module]) -> None:
        mailbox = self._switchboard.register(kept.name, group)
        backoff = Backoff(self._first_delay, self._max_delay)
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                kept.running = True
                kept.module = make()
                kept.module.run(mailbox)
            except Exception as exc:
                kept.last_error = f"{type(exc).__name__}: {exc}"
                logger.exception("module %s failed", kept.name)
            finally:
                kept.running = False
            if self._stopping.is_set():
                return
            if time.monotonic() - started > HEALTHY_AFTER:
                backoff.reset()
            kept.restarts += 1
            delay = backoff.next()
            logger.warning("module %s starts again in %.1f s", kept.name, delay)
            self._stopping.wait(delay)
