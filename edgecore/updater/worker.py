"""Does the one order that there is, step by step, from wherever the journal says it is."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from edgecore.errors import UpdateError
from edgecore.updater import machine
from edgecore.updater.debian import Deb, needed
from edgecore.updater.health import Seen, Watch
from edgecore.updates.files import UpdateFolder
from edgecore.updates.order import Before, Journal, Order, Result, Source, Step

logger = logging.getLogger(__name__)

LOOK_AGAIN = 3.0
TRY_AGAIN = 10.0


class Packages(Protocol):
    """``debian.Debian``; every method may raise UpdateError."""

    def installed(self) -> dict[str, str]: ...
    def is_whole(self) -> bool: ...
    def fetch_by_apt(self, names: Sequence[str], version: str, into: Path) -> None: ...
    def fetch_by_address(self, packages: Sequence[tuple[str, str]], into: Path) -> None: ...
    def fetch_from_folder(self, source: Path, into: Path) -> None: ...
    def debs(self, folder: Path) -> list[Deb]: ...
    def room(self, folder: Path) -> None: ...
    def others(self, folder: Path) -> None: ...
    def install(self, folder: Path) -> None: ...
    def install_plainly(self, folder: Path) -> None: ...
    def mend(self) -> None: ...
    def find(self, wanted: Mapping[str, str], places: Sequence[Path]) -> list[Path]: ...


class BoardDoor(Protocol):
    """``board.Board``."""

    def look(self) -> Seen: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def check(self, items: tuple[str, ...]) -> None: ...


class DatabaseDoor(Protocol):
    """``database.DatabaseCopy``."""

    def keep(self, live: Path) -> None: ...
    def is_wanted(self, live: Path) -> bool: ...
    def put_back(self, live: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Clock:
    """``now``: seconds that only grow; ``wall``: since the epoch."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Worker:
    def __init__(
        self,
        folder: UpdateFolder,
        packages: Packages,
        board: Callable[[str], BoardDoor],
        database: DatabaseDoor,
        clock: Clock | None = None,
    ) -> None:
        """``board``: made with the socket that the order names."""
        self._folder = folder
        self._packages = packages
        self._board = board
        self._database = database
        self._clock = clock or Clock()

    def run(self) -> Result | None:
        """Until the order is done; None where there is none."""
        order = self._folder.order()
        if order is None:
            self._folder.finish()
            return None
        journal = self._folder.journal()
        if journal is None or journal.order != order.id:
            journal = machine.with_before(machine.begun(order, self._version()), _seen(self._board(order.socket)).as_before())
        elif journal.step is not Step.END:
            logger.warning("update %s was cut in the step %s", order.id, journal.step)
            journal = machine.resumed(journal)
        self._folder.keep_journal(journal)
        while journal.step is not Step.END:
            journal = self._step(order, journal)
            self._folder.keep_journal(journal)
        result = Result(order.id, journal.end, journal.reason, journal.was, journal.version, int(self._clock.wall()), order.job)
        self._folder.keep_result(result)
        self._folder.finish()
        logger.info("update %s: %s %s", order.id, result.state, result.reason)
        return result

    def _step(self, order: Order, journal: Journal) -> Journal:
        logger.info("update %s from %s to %s: %s", order.id, journal.was, journal.version or "what the packages are", journal.step)
        try:
            return machine.done(self._perform(order, journal))
        except (UpdateError, OSError) as exc:
            logger.error("update %s: %s: %s", order.id, journal.step, exc)
            after = machine.failed(journal, str(exc))
            if after.step is journal.step:
                self._clock.sleep(TRY_AGAIN)
            return after

    def _perform(self, order: Order, journal: Journal) -> Journal:
        match journal.step:
            case Step.FETCH:
                return self._fetch(order, journal)
            case Step.KEEP:
                self._keep()
            case Step.CHECK:
                return self._check(order, journal)
            case Step.SWITCH:
                self._packages.install(self._folder.new)
                self._start(order, journal)
            case Step.WATCH:
                self._watch(order, journal.before)
            case Step.PROMOTE:
                self._folder.promote()
            case Step.BACK:
                self._back(order, journal)
                self._start(order, journal)
            case Step.SETTLE:
                # The link may be what failed in the first place, and then says nothing against the version that was good.
                self._watch(order, replace(journal.before, connected=False), after_another=True)
        return journal

    def _fetch(self, order: Order, journal: Journal) -> Journal:
        """Into a folder beside ``new``, of which only what this machine needs goes on."""
        if not self._packages.is_whole():
            self._packages.mend()
        installed = self._packages.installed()
        fetched = self._folder.path / "fetching"
        shutil.rmtree(fetched, ignore_errors=True)
        match order.source:
            case Source.APT:
                self._packages.fetch_by_apt(sorted(installed), order.version, fetched)
            case Source.DEB:
                self._packages.fetch_by_address(order.packages, fetched)
            case Source.FOLDER:
                self._packages.fetch_from_folder(Path(order.folder), fetched)
        debs = needed(self._packages.debs(fetched), installed)
        version = _one_version(debs, order.version, installed)
        self._folder.fill(self._folder.new, [deb.file for deb in debs])
        shutil.rmtree(fetched)
        return replace(journal, version=version)

    def _keep(self) -> None:
        """The packages of what is installed now, in ``present``."""
        wanted = self._packages.installed()
        folder = self._folder
        try:
            kept = {deb.name: deb.version for deb in self._packages.debs(folder.present)} if folder.present.exists() else {}
        except UpdateError as exc:
            logger.warning("what is kept of the present version cannot be used: %s", exc)
            kept = {}
        if kept == wanted:
            return
        try:
            found = self._packages.find(wanted, [place for place in (folder.previous,) if place.exists()])
        except UpdateError as exc:
            text = f"there would be no way back to what runs now: {exc}. Give its packages to: edgecore update keep FOLDER"
            raise UpdateError(text) from exc
        folder.fill(folder.present, found)

    def _check(self, order: Order, journal: Journal) -> Journal:
        self._packages.room(self._folder.new)
        board = self._board(order.socket)
        board.check(order.checks)
        self._packages.others(self._folder.new)
        if order.database:
            self._database.keep(Path(order.database))
        found = machine.with_before(journal, self._started(order, board).as_before())
        logger.info("update %s: asked for afterwards: %s", order.id, found.before)
        return found

    def _started(self, order: Order, board: BoardDoor) -> Seen:
        """One whose EdgeCore is about to run is not taken for one where it is off, of which nothing would be asked afterwards."""
        end = self._clock.now() + order.timeout
        while (seen := _seen(board, starting=True)).starting and self._clock.now() < end:
            self._clock.sleep(LOOK_AGAIN)
        return board.look() if seen.starting else seen

    def _watch(self, order: Order, before: Before, *, after_another: bool = False) -> None:
        board, watch = self._board(order.socket), Watch(before, after_another=after_another)
        end = self._clock.now() + order.timeout
        while True:
            watch.see(_seen(board), self._clock.now())
            now = self._clock.now()
            if watch.is_well(now):
                return
            if watch.hopeless or now >= end:
                raise UpdateError(watch.missing if watch.hopeless else f"not well within {order.timeout} s: {watch.missing or 'unsteady'}")
            self._clock.sleep(LOOK_AGAIN)

    def _start(self, order: Order, journal: Journal) -> None:
        """No failure of the step: whether EdgeCore comes up is what is watched next."""
        board = self._board(order.socket)
        try:
            if journal.before.active and not board.look().active:
                board.start()
        except UpdateError as exc:
            logger.warning("update %s: EdgeCore could not be started: %s", order.id, exc)

    def _back(self, order: Order, journal: Journal) -> None:
        kept = {deb.version for deb in self._packages.debs(self._folder.present)} if self._folder.present.exists() else set()
        if kept != {journal.was}:
            raise UpdateError(f"the packages of {journal.was} are not kept here")
        self._packages.mend()
        self._packages.install_plainly(self._folder.present)
        if order.database and self._database.is_wanted(Path(order.database)):
            logger.warning("update %s: the database has the form of %s; the copy from before takes its place", order.id, journal.version)
            self._board(order.socket).stop()
            self._database.put_back(Path(order.database))

    def _version(self) -> str:
        """Of what is installed; where a cut or a person left several, the one of the agent."""
        installed = self._packages.installed()
        return installed.get("bramble-edgecore", "") or next(iter(installed.values()), "")


def _seen(board: BoardDoor, *, starting: bool = False) -> Seen:
    """A board that is too busy to say how it is may be well a moment later. ``starting``: what to take such a one for."""
    try:
        return board.look()
    except UpdateError as exc:
        logger.warning("%s", exc)
        return Seen(restarts=-1, starting=starting)


def _one_version(debs: Sequence[Deb], wanted: str, installed: Mapping[str, str]) -> str:
    """The version of ``debs``, which must be one, the ``wanted`` one where one is, and there for all that is installed."""
    versions = {deb.version for deb in debs}
    missing = sorted(set(installed) - {deb.name for deb in debs})
    if missing:
        raise UpdateError(f"the packages lack {', '.join(missing)}, which this board has")
    if len(versions) != 1:
        raise UpdateError(f"the packages are of several versions: {', '.join(sorted(versions))}")
    version = versions.pop()
    if wanted not in ("", version):
        raise UpdateError(f"the packages are of version {version}, not {wanted}")
    return version
