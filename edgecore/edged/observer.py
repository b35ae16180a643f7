"""Rim threads that watch the container engine: its event stream, and a slow look at everything in case an event was missed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edgecore.containers import labels
from edgecore.containers.model import Container, Happening, Sandbox
from edgecore.containers.runtime import Runtime
from edgecore.errors import EngineError

logger = logging.getLogger(__name__)

RELIST_EVERY = 60.0
_NEWS = frozenset({"died", "remove", "oom", "exited"})
"""Actions that a worker did not cause itself, or wants to know the outcome of."""


@dataclass(frozen=True, slots=True)
class Relisted:
    """Everything with our label, by pod uid."""

    containers: dict[str, list[Container]]
    sandboxes: dict[str, list[Sandbox]]


@dataclass(frozen=True, slots=True)
class EngineChanged:
    """The engine answers (``version``) or does not (``error``)."""

    version: str
    error: str


class Observer:
    """``deliver`` gets Relisted, EngineChanged and Happening; it is called from two threads and may wait a little."""

    def __init__(self, runtime: Callable[[], Runtime], instance: str, deliver: Callable[[object], object]) -> None:
        self._runtime = runtime
        self._instance = instance
        self._deliver = deliver
        self._closed = threading.Event()
        self._look = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="engine-events", daemon=True).start()
        threading.Thread(target=self._relist, name="engine-relist", daemon=True).start()

    def look_now(self) -> None:
        self._look.set()

    def close(self) -> None:
        self._closed.set()
        self._look.set()

    def _watch(self) -> None:
        error = ""
        while not self._closed.is_set():
            try:
                runtime = self._runtime()
                version = runtime.version()
                for happening in runtime.happenings():
                    error = self._take(happening, version, error)
                    if self._closed.is_set():
                        return
            except EngineError as exc:
                if str(exc) != error:
                    logger.warning("container engine: %s", exc)
                    error = str(exc)
                    self._deliver(EngineChanged("", error))
            self._closed.wait(1.0)

    def _take(self, happening: Happening | None, version: str, error: str) -> str:
        if happening is None:
            if error:
                logger.info("container engine answers again")
            self._deliver(EngineChanged(version, ""))
            self._look.set()
            return ""
        if happening.action in _NEWS and labels.is_ours(happening.labels, self._instance):
            self._deliver(happening)
        return error

    def _relist(self) -> None:
        while not self._closed.is_set():
            self._look.wait(RELIST_EVERY)
            self._look.clear()
            if self._closed.is_set():
                return
            try:
                runtime = self._runtime()
                containers, sandboxes = runtime.containers(), runtime.sandboxes()
            except EngineError as exc:
                logger.debug("relist: %s", exc)
                continue
            found = Relisted({}, {})
            for container in containers:
                if labels.is_ours(container.labels, self._instance) and container.label(labels.POD_UID):
                    found.containers.setdefault(container.label(labels.POD_UID), []).append(container)
            for sandbox in sandboxes:
                uid = sandbox.labels.get(labels.POD_UID, "")
                if labels.is_ours(sandbox.labels, self._instance) and uid:
                    found.sandboxes.setdefault(uid, []).append(sandbox)
            self._deliver(found)
