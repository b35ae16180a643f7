"""Keeps the proxy's table equal to the Services and the pods of this board. One thread, woken by whoever knows of a change.

The cloud is not asked: Services come from the store, who is behind them is what the pod workers see.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from edgecore.edgemesh import links
from edgecore.edgemesh.proxy.table import written
from edgecore.edgemesh.serving import Resident, Shortcoming, mesh
from edgecore.errors import Busy, NoAnswer, StoreError
from viaduct.vocabulary import ResourceType

logger = logging.getLogger(__name__)

ANSWER_LIMIT = 20.0
"""Seconds that the first pods wait for the proxy; after that they ask the node's own servers."""
SETTLE_LIMIT = 10.0
"""Seconds after the start in which every pod should have been looked at once."""
_JOIN_LIMIT = 3.0
_AGAIN = 1.0
_LONGEST = 60.0


@dataclass(frozen=True, slots=True)
class Presence:
    """One pod worker's part. ``resident`` None: its pod has not been looked at yet. ``pids``: of its running containers."""

    resident: Resident | None
    pids: tuple[int, ...] = ()


class Proxy(Protocol):
    """``edgecore.edgemesh.child.ProxyChild``."""

    def lay(self, text: str) -> dict[str, str]: ...
    def alive(self) -> bool: ...
    def adopt(self) -> bool: ...
    def descriptor(self) -> int | None: ...


class Store(Protocol):
    def stored(self, type_: str) -> list[dict[str, Any]]: ...


class Naming:
    """``nameserver()`` and ``links()`` from pod workers; ``changed()`` and ``services_changed()`` from any thread."""

    def __init__(
        self,
        meta: Store,
        proxy: Proxy,
        *,
        address: str,
        domain: str,
        presences: Callable[[], list[Presence]],
        say: Callable[[str, str], object],
    ) -> None:
        """``address``: where names are asked for. ``say(reason, text)``: what a person should hear."""
        self.domain = domain
        self._meta = meta
        self._proxy = proxy
        self._address = address
        self._presences = presences
        self._say = say
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._answered = threading.Event()
        self._needed = False
        self._closed = False
        self._nameserver = ""
        self._services: list[dict[str, Any]] = []
        self._endpoints: list[dict[str, Any]] = []
        self._stale = True
        self._laid = ""
        self._said: frozenset[str] = frozenset()
        self._pause = _AGAIN
        self._thread = threading.Thread(target=self._run, name="services", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """The proxy goes on, as the containers do."""
        self._closed = True
        self.changed()
        if self._thread.is_alive():
            self._thread.join(_JOIN_LIMIT)

    def changed(self) -> None:
        """Something about a pod of this board."""
        os.eventfd_write(self._wake, 1)

    def services_changed(self) -> None:
        self._stale = True
        self.changed()

    def nameserver(self) -> str:
        """Whom pods ask, empty where the proxy does not work: then the node's own servers are better than none."""
        if not self._needed:
            self._needed = True
            self.changed()
        self._answered.wait(ANSWER_LIMIT)
        return self._nameserver

    def links(self, namespace: str) -> dict[str, str]:
        """The environment variables that name the Services of ``namespace``.

        Raises: Busy, NoAnswer, StoreError.
        """
        return links.links(self._meta.stored(ResourceType.SERVICE), namespace)

    def _run(self) -> None:
        settled_by = time.monotonic() + SETTLE_LIMIT
        while not self._closed:
            wait = None
            try:
                if self._needed:
                    wait = self._look(settled=time.monotonic() > settled_by)
            except (Busy, NoAnswer, StoreError) as exc:
                logger.debug("Services cannot be read yet: %s", exc)
                wait = _AGAIN
            except OSError as exc:
                wait = self._failed(str(exc))
            except Exception:
                logger.exception("Services are not served: this is a bug; tried again")
                wait = _LONGEST
            self._sleep(wait)

    def _look(self, *, settled: bool) -> float | None:
        """Bring the proxy up to date. Seconds until the next look, None: until woken."""
        presences = self._presences()
        if not (self._laid or settled) and any(one.resident is None for one in presences) and self._proxy.adopt():
            # What an earlier EdgeCore laid is better than what we know so far.
            self._decide({})
            return _AGAIN
        if self._stale:
            self._stale = False
            try:
                self._services, self._endpoints = self._meta.stored(ResourceType.SERVICE), self._meta.stored(ResourceType.ENDPOINTS)
            except (Busy, NoAnswer, StoreError):
                self._stale = True
                raise
        made = mesh(self._services, self._endpoints, [one.resident for one in presences if one.resident is not None], domain=self.domain)
        made.table.dns = self._address
        made.table.edgecore = os.getpid()
        made.table.serve = {pid for one in presences for pid in one.pids}
        text = written(made.table)
        if text != self._laid or not self._proxy.alive():
            failures = self._proxy.lay(text)
            self._laid = text
            self._decide(failures)
            self._complain(made.shortcomings, failures)
        return None

    def _decide(self, failures: dict[str, str]) -> None:
        self._pause = _AGAIN
        self._nameserver = "" if failures.keys() & {f"dns {self._address}", f"address {self._address}"} else self._address
        self._answered.set()

    def _failed(self, why: str) -> float:
        self._laid, self._nameserver = "", ""
        self._answered.set()
        self._tell({f"Services are not served: {why}"})
        self._pause, pause = min(self._pause * 2, _LONGEST), self._pause
        return pause

    def _complain(self, shortcomings: Iterable[Shortcoming], failures: dict[str, str]) -> None:
        texts = {f"Service {one.key}: {one.text}" for one in shortcomings}
        self._tell(texts | {_in_words(what, why) for what, why in failures.items()})

    def _tell(self, texts: set[str]) -> None:
        """Each once, until it holds no more."""
        for text in sorted(texts - self._said):
            logger.warning("%s", text)
            self._say("ServiceNotServed", text)
        self._said = frozenset(texts)

    def _sleep(self, seconds: float | None) -> None:
        """Until woken, or the proxy ends, or ``seconds`` are over."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        proxy = self._proxy.descriptor()
        try:
            if proxy is not None:
                poll.register(proxy, select.POLLIN)
            poll.poll(None if seconds is None else seconds * 1000)
        finally:
            if proxy is not None:
                os.close(proxy)
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return


def _in_words(what: str, why: str) -> str:
    kind, _, rest = what.partition(" ")
    if kind == "listen":
        protocol, address, port = rest.split()
        return f"nobody can be served at {address} port {port}/{protocol}: {why}"
    return f"the address {rest} cannot be taken for {'names' if kind == 'dns' else 'a Service'}: {why}"
