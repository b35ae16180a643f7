"""Fetches images, each in a thread of its own, so that a dead registry delays nobody but who asked for it (promise I1).

A worker asks, goes on with its life, and is woken when there is news.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from edgecore.containers.arrivals import Arrivals
from edgecore.containers.images import PullPolicy, full_name
from edgecore.containers.progress import NOTHING, Fetched, PullBoard
from edgecore.containers.runtime import Runtime
from edgecore.errors import EngineError, ImagePullError

logger = logging.getLogger(__name__)

FIRST_DELAY = 10.0
LONGEST_DELAY = 300.0


@dataclass(frozen=True, slots=True)
class Present:
    """``name`` is what the engine calls it. ``size``: bytes, of one that was fetched here."""

    name: str
    id: str
    size: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Pulling:
    """On its way. Who asked is woken when it is here, or when that failed."""

    fetched: Fetched = NOTHING


@dataclass(frozen=True, slots=True)
class Failed:
    """The last try failed with ``error``; the next one is due at ``retry_at`` (monotonic). ``never``: the policy forbids to try."""

    error: str
    retry_at: float
    never: bool = False


Answer = Present | Pulling | Failed


@dataclass(slots=True)
class _Pull:
    """``first``: what it brings may be seen before it may be used."""

    running: bool = False
    first: bool = False
    failures: int = 0
    error: str = ""
    retry_at: float = 0.0
    fetched: Fetched = NOTHING
    waiting: list[Callable[[], None]] = field(default_factory=list)


class Pulls:
    """One for the whole node. ``stall``: seconds that a layer may stand still. What is on its way shows on ``board``."""

    def __init__(
        self,
        runtime: Callable[[], Runtime],
        *,
        stall: float,
        board: PullBoard | None = None,
        arrivals: Arrivals | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.arrivals = arrivals or Arrivals(runtime)
        self._runtime = runtime
        self._stall = stall
        self._board = board or PullBoard()
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Present] = {}
        self._fetched_ids: set[str] = set()
        self._pulls: dict[tuple[str, str], _Pull] = {}
        self._fetched: set[tuple[str, str]] = set()
        self._checks: dict[str, list[Callable[[], None]]] = {}

    def want(self, name: str, policy: PullPolicy, *, credentials: str, asker: str, wake: Callable[[], None]) -> Answer:
        """Where the image stands now. ``asker`` (a pod's uid) gets at most one fetch by ``Always``; ``wake`` is called at news.

        Who comes with other ``credentials`` has tries of its own: a wrong password is nobody else's trouble.

        Raises:
            EngineError: the engine cannot say whether the image is here.
        """
        fetch = policy is PullPolicy.ALWAYS and (asker, name) not in self._fetched
        here = self._present(name)
        if here is not None and self.arrivals.is_doubtful(full_name(name)):
            return self._check(name, here, wake)
        if here is not None and not fetch:
            return self._coming(name, wake) or here
        if policy is PullPolicy.NEVER:
            return Failed(f'Container image "{name}" is not present with pull policy of Never', self._clock() + LONGEST_DELAY, never=True)
        with self._lock:
            pull = self._pulls.setdefault((name, credentials), _Pull())
            if pull.running:
                if wake not in pull.waiting:
                    pull.waiting.append(wake)
                return Pulling(pull.fetched)
            if pull.failures and fetch and here is not None:
                logger.warning("image %s cannot be fetched (%s): the one on this node is used", name, pull.error)
                self._fetched.add((asker, name))
                return here
            if pull.failures and self._clock() < pull.retry_at:
                return Failed(pull.error, pull.retry_at)
            pull.running = True
            pull.first = here is None
            pull.waiting = [wake]
        threading.Thread(target=self._pull, args=(name, credentials, asker, pull), name=f"pull-{name[:40]}", daemon=True).start()
        return Pulling()

    def forget(self, name: str) -> None:
        """The engine says that the image is gone after all."""
        self._known.pop(name, None)

    def fetched_ids(self) -> set[str]:
        """Of the images that were fetched here since the start."""
        return set(self._fetched_ids)

    def forget_all(self) -> None:
        """Images came or went without us: everything is looked at again, and what failed may be tried at once."""
        self._known.clear()
        with self._lock:
            for pull in self._pulls.values():
                pull.retry_at = 0.0

    def forget_asker(self, asker: str) -> None:
        with self._lock:
            self._fetched = {pair for pair in self._fetched if pair[0] != asker}

    def _present(self, name: str) -> Present | None:
        known = self._known.get(name)
        if known is None:
            runtime = self._runtime()
            for candidate in dict.fromkeys((name, full_name(name))):
                if image := runtime.image(candidate):
                    known = self._known[name] = Present(candidate, image)
                    break
        return known

    def _coming(self, name: str, wake: Callable[[], None]) -> Pulling | None:
        """An image that was not here before may be seen while it is not on the disk yet."""
        with self._lock:
            for (coming, _), pull in self._pulls.items():
                if coming == name and pull.running and pull.first:
                    if wake not in pull.waiting:
                        pull.waiting.append(wake)
                    return Pulling(pull.fetched)
        return None

    def _check(self, name: str, here: Present, wake: Callable[[], None]) -> Pulling:
        with self._lock:
            waiting = self._checks.setdefault(name, [])
            begun = bool(waiting)
            if wake not in waiting:
                waiting.append(wake)
        if not begun:
            threading.Thread(target=self._look_through, args=(name, here), name=f"check-{name[:40]}", daemon=True).start()
        return Pulling()

    def _look_through(self, name: str, here: Present) -> None:
        logger.info("image %s is looked through: EdgeCore ended while it came", name)
        try:
            if not self.arrivals.keep(full_name(name), [here.name]):
                self.forget(name)
        except EngineError as exc:
            logger.debug("image %s: %s", name, exc)
        with self._lock:
            waiting = self._checks.pop(name)
        for wake in waiting:
            wake()

    def _pull(self, name: str, credentials: str, asker: str, pull: _Pull) -> None:
        started, error = self._clock(), ""
        logger.info("pulling image %s", name)
        pull.fetched = NOTHING

        def heard(fetched: Fetched) -> None:
            pull.fetched = fetched
            self._board.note(name, fetched)

        heard(NOTHING)
        try:
            full = full_name(name)
            fetch = partial(self._runtime().pull, full, credentials=credentials, stall=self._stall, heard=heard)
            image = self.arrivals.bring(full, fetch, lambda _: [full])
            self._known[name] = Present(full, image.id, image.size)
            self._fetched_ids.add(image.id)
        except ImagePullError as exc:
            error = exc.reason
        except EngineError as exc:
            error = str(exc)
        except Exception as exc:
            logger.exception("image %s: this is a bug; tried again", name)
            error = f"{type(exc).__name__}: {exc}"
        self._board.wipe(name)
        with self._lock:
            pull.running = False
            waiting, pull.waiting = pull.waiting, []
            if error:
                self._failed(pull, name, error)
            else:
                self._pulls.pop((name, credentials), None)
                self._fetched.add((asker, name))
                logger.info("image %s is here after %.1f s", name, self._clock() - started)
        for wake in waiting:
            wake()

    def _failed(self, pull: _Pull, name: str, error: str) -> None:
        """A line that breaks now and then is no reason to wait longer each time: a layer that has come need not come again."""
        if pull.fetched.layers:
            pull.failures = 0
        pull.error = error
        pull.retry_at = self._clock() + min(FIRST_DELAY * 2.0**pull.failures, LONGEST_DELAY)
        pull.failures += 1
        logger.warning("image %s: %s", name, error)
