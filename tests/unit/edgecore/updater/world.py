"""A board for the updater: packages that are files with a name, an EdgeCore that runs with some versions, and a power supply that fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from edgecore.errors import UpdateError
from edgecore.updater.debian import Deb
from edgecore.updater.health import RUNNING, Seen
from edgecore.updater.worker import Clock, Worker
from edgecore.updates import files
from edgecore.updates.files import UpdateFolder
from edgecore.updates.order import Order, Result

NAMES = ("bramble-common", "bramble-edgecore")
OLD, NEW = "1.0", "2.0"


class Cut(BaseException):
    """The power fails."""


class World:
    """``broken``: versions with which EdgeCore does not run. ``migrates``: an older one does not open the database of a later one.
    ``archive``: versions that apt has. ``cut_after``: steps until the power fails. ``boots``: looks until all is up again after
    that: half of them until EdgeCore runs, the others until it has its link and its containers."""

    def __init__(self, path: Path) -> None:
        self.folder = UpdateFolder(path)
        self.folder.make()
        self.installed_now = dict.fromkeys(NAMES, OLD)
        self.whole = True
        self.broken: set[str] = set()
        self.refused: set[str] = set()
        self.archive = {OLD, NEW}
        self.connected = True
        self.migrates = False
        self.written, self.copied = OLD, ""
        self.cut_after: int | None = None
        self.boots = 0
        self.time = 0.0
        self.started = 0

    def run(self) -> Result | None:
        clock = Clock(lambda: self.time, lambda: 1_000_000.0, self._sleep)
        return Worker(self.folder, self, lambda socket: self, self, clock).run()

    def run_through_cuts(self, order: Order, cuts: Sequence[int]) -> Result:
        """Give ``order``; after each number of steps the power fails; then it stays."""
        with self._failing_disk():
            assert self.folder.place(order)
            for self.cut_after in cuts:
                try:
                    self.run()
                except Cut:
                    self.boots = 4
            self.cut_after = None
            self.run()
            self.boots = 0
        found = self.folder.result(order.id)
        assert found is not None
        return found

    def step(self) -> None:
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after < 0:
                raise Cut

    # what the worker sees of dpkg

    def installed(self) -> dict[str, str]:
        return dict(self.installed_now)

    def is_whole(self) -> bool:
        return self.whole

    def fetch_by_apt(self, names: Sequence[str], version: str, into: Path) -> None:
        if version not in self.archive:
            raise UpdateError(f"apt has no {version}")
        into.mkdir()
        for name in names:
            self.step()
            (into / f"{name}_{version}.deb").write_text("")

    def fetch_by_address(self, packages: Sequence[tuple[str, str]], into: Path) -> None:
        raise UpdateError("no network")

    def fetch_from_folder(self, source: Path, into: Path) -> None:
        shutil.copytree(source, into)

    def debs(self, folder: Path) -> list[Deb]:
        parts = [(file, *file.stem.split("_")) for file in sorted(folder.glob("*.deb"))]
        return [Deb(file, name, version) for file, name, version in parts]

    def room(self, folder: Path) -> None:
        self.step()

    def others(self, folder: Path) -> None:
        self.step()

    def install(self, folder: Path) -> None:
        self.install_plainly(folder)

    def install_plainly(self, folder: Path) -> None:
        for deb in self.debs(folder):
            if deb.version in self.refused:
                raise UpdateError("dpkg: error")
            self.step()
            self.whole = False
            self.installed_now[deb.name] = deb.version
        self.step()
        self.whole = True
        self.step()

    def mend(self) -> None:
        self.step()

    def find(self, wanted: Mapping[str, str], places: Sequence[Path]) -> list[Path]:
        spare = self.folder.path / "fetched"
        shutil.rmtree(spare, ignore_errors=True)
        spare.mkdir()
        for name, version in wanted.items():
            if version not in self.archive:
                raise UpdateError(f"no archive has {name} {version}")
            self.step()
            (spare / f"{name}_{version}.deb").write_text("")
        return sorted(spare.iterdir())

    # what it sees of the board

    def look(self) -> Seen:
        self.step()
        runs = self.installed_now[NAMES[1]]
        active = self.whole and not self.broken & set(self.installed_now.values()) and (self.written <= runs or not self.migrates)
        if self.whole and self.migrates:
            self.written = max(self.written, runs)
        self.boots = max(0, self.boots - 1)
        if active and self.boots >= 2:
            return Seen(starting=True)
        if active and self.boots:
            return Seen(True, 7, 0, True, pods=frozenset({"default/web"}))
        if not active:
            return Seen(False, 0, self.started)
        return Seen(True, 7, 0, True, self.connected, frozenset({"default/web"}), {"default/web/nginx": RUNNING})

    def start(self) -> None:
        self.started += 1

    def stop(self) -> None:
        self.step()

    # what it sees of the database: the version that wrote it

    def keep(self, live: Path) -> None:
        self.step()
        self.copied = self.written

    def is_wanted(self, live: Path) -> bool:
        return self.copied != "" and self.written > self.copied

    def put_back(self, live: Path) -> None:
        self.step()
        self.written = self.copied

    def check(self, items: tuple[str, ...]) -> None:
        if "mem" in items:
            raise UpdateError("mem: none")

    def kept(self) -> set[str]:
        return {deb.version for deb in self.debs(self.folder.present)} if self.folder.present.exists() else set()

    def _sleep(self, seconds: float) -> None:
        self.step()
        self.time += seconds

    @contextmanager
    def _failing_disk(self) -> Iterator[None]:
        """The power may fail before each call that changes the disk; what was done by then is there."""

        def before(real: Any) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                self.step()
                return real(*args, **kwargs)

            return call

        with (
            mock.patch.object(files.os, "fsync", lambda handle: self.step()),
            mock.patch.object(files.os, "rename", before(os.rename)),
            mock.patch.object(files.shutil, "copyfile", before(shutil.copyfile)),
        ):
            yield
