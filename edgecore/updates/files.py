"""The updater's folder: the one order, the journal, the results, and the packages of three versions.

Every file is written beside its place, brought to the disk and renamed, so that a power cut leaves the old one or the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edgecore.errors import UpdateError
from edgecore.updates.order import Journal, Order, Result, as_json, journal_from, order_from, result_from

DEFAULT = Path("/var/lib/bramble/updates")
MOST_RESULTS = 20


class UpdateFolder:
    """``present``: packages of the last good version, which runs or is gone back to. ``previous``: those before it. ``new``: those that
    are to come. ``database``: EdgeCore's, as it was before the exchange."""

    def __init__(self, path: Path = DEFAULT) -> None:
        self.path = path
        self.present, self.previous, self.new = path / "present", path / "previous", path / "new"
        self.program = path / "updater.pyz"
        self.database = path / "edgecore.db"
        self._order, self._journal, self._results = path / "order.json", path / "journal.json", path / "results.json"

    def make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def has_order(self) -> bool:
        return self._order.exists()

    def order(self) -> Order | None:
        return order_from(_load(self._order))

    def place(self, order: Order) -> bool:
        """False: there is an order already. From now on the updater works."""
        draft = self.path / f"order.{os.getpid()}~"
        _write(draft, as_json(order))
        try:
            os.link(draft, self._order)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        sync_folder(self.path)
        return True

    def journal(self) -> Journal | None:
        return journal_from(_load(self._journal))

    def keep_journal(self, journal: Journal) -> None:
        replace(self._journal, as_json(journal))

    def results(self) -> list[Result]:
        """The newest last."""
        found = _load(self._results)
        return [result for entry in found if (result := result_from(entry)) is not None] if isinstance(found, list) else []

    def result(self, order: str) -> Result | None:
        return next((result for result in self.results() if result.order == order), None)

    def keep_result(self, result: Result) -> None:
        others = [other for other in self.results() if other.order != result.order]
        replace(self._results, [as_json(one) for one in [*others, result][-MOST_RESULTS:]])

    def finish(self) -> None:
        """The order is done. Before the journal, so that a journal without its order never begins anything."""
        for file in (self._order, self._journal, self.database):
            with contextlib.suppress(FileNotFoundError):
                file.unlink()
            sync_folder(self.path)

    def fill(self, folder: Path, files: Iterable[Path]) -> None:
        """``folder`` has exactly copies of ``files`` afterwards, on the disk; a cut leaves it as it was, or without anything."""
        draft = folder.with_name(f"{folder.name}~")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        for file in files:
            shutil.copyfile(file, draft / file.name)
        self.exchange(draft, folder)

    def exchange(self, draft: Path, folder: Path) -> None:
        """Put ``draft``, whose files come to the disk first, into the place of ``folder``."""
        for file in draft.iterdir():
            _sync(file)
        sync_folder(draft)
        if folder.exists():
            shutil.rmtree(folder)
        os.rename(draft, folder)
        sync_folder(self.path)

    def promote(self) -> None:
        """What was new is present, what was present is previous. Done again after a cut, it ends the same."""
        if not self.new.exists():
            return
        if self.present.exists():
            shutil.rmtree(self.previous, ignore_errors=True)
            os.rename(self.present, self.previous)
            sync_folder(self.path)
        os.rename(self.new, self.present)
        sync_folder(self.path)


def replace(file: Path, value: Any) -> None:
    """``file`` holds ``value`` as JSON, or what it held before.

    Raises:
        UpdateError: it could not be written.
    """
    draft = file.with_name(f"{file.name}~")
    _write(draft, value)
    os.rename(draft, file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _reported(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise UpdateError(f"{what}: {exc.strerror or exc}") from exc


def _write(file: Path, value: Any) -> None:
    text = json.dumps(value, indent=1)
    with _reported(str(file)), open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _load(file: Path) -> Any:
    """None where it is not there, or is nothing that can be read."""
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
