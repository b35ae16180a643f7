"""EdgeCore's database across an exchange: a copy from before, for the case that the other version has changed its form.

An older EdgeCore does not open the database of a later one. So going back over such a change puts the copy in place: what was said in the
minutes between is found again by the inventories (D5). Where the form is the same nothing is put back and nothing is lost.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from edgecore.errors import UpdateError
from edgecore.updates.files import sync_folder

_BUSY = 30.0


class DatabaseCopy:
    """``copy``: where it lies. Every method may raise UpdateError."""

    def __init__(self, copy: Path) -> None:
        self._copy = copy

    def keep(self, live: Path) -> None:
        """Of a database in use, as of one moment. Where there is none, none is kept."""
        self._copy.unlink(missing_ok=True)
        if not live.exists():
            return
        draft = self._copy.with_name(f"{self._copy.name}~")
        draft.unlink(missing_ok=True)
        try:
            with closing(_opened(live)) as source, closing(sqlite3.connect(draft)) as target:
                source.backup(target)
        except sqlite3.Error as exc:
            raise UpdateError(f"{live} cannot be copied: {exc}") from exc
        draft.chmod(0o600)
        _sync(draft)
        os.rename(draft, self._copy)
        sync_folder(self._copy.parent)

    def is_wanted(self, live: Path) -> bool:
        """Whether ``live`` has a later form than the copy."""
        return self._copy.exists() and live.exists() and _form(live) > _form(self._copy)

    def put_back(self, live: Path) -> None:
        """EdgeCore must not run. One rename over a database without a write-ahead log: a cut leaves the one or the other, whole."""
        draft = live.with_name(f"{live.name}.back~")
        draft.write_bytes(self._copy.read_bytes())
        draft.chmod(0o600)
        _sync(draft)
        try:
            with closing(_opened(live)) as connection:
                # Its log must not be taken for one of the copy.
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.Error as exc:
            raise UpdateError(f"{live}: {exc}") from exc
        if mode != "delete":
            raise UpdateError(f"{live} is in use")
        os.rename(draft, live)
        sync_folder(live.parent)


def _form(file: Path) -> int:
    try:
        with closing(_opened(file)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as exc:
        raise UpdateError(f"{file}: {exc}") from exc


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=_BUSY, isolation_level=None)


def _sync(file: Path) -> None:
    with open(file, "rb") as stream:
        os.fsync(stream.fileno())
