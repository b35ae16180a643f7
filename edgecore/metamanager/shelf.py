"""What MetaManager knows without asking the disk: (uid, version) of each key, as they will be when the queued writes are done.

The values themselves stay on disk. A failed write is taken back by reading its key again.
"""

from __future__ import annotations

from edgecore.metamanager.decisions import Known
from edgecore.store import metadata
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow, Tombstone
from edgecore.store.transaction import Transaction

TOMBSTONES_KEPT = 1000


class Shelf:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._stored: dict[str, Known] = {}
        self._buried: dict[str, Known] = {}

    def load(self) -> None:
        """Raises StoreError."""
        self._stored, self._buried = self._database.read(_everything)

    def stored(self, key: str) -> Known | None:
        return self._stored.get(key)

    def buried(self, key: str) -> Known | None:
        return self._buried.get(key)

    def put(self, key: str, known: Known) -> None:
        self._stored[key] = known

    def remove(self, key: str) -> None:
        self._stored.pop(key, None)

    def bury(self, key: str, known: Known) -> list[str]:
        """Remember the deletion. Returns the keys of tombstones that are forgotten for it."""
        self._buried.pop(key, None)
        self._buried[key] = known
        surplus = list(self._buried)[: max(0, len(self._buried) - TOMBSTONES_KEPT)]
        for old in surplus:
            del self._buried[old]
        return surplus

    def reload(self, key: str) -> None:
        """A write about ``key`` failed: what is on disk counts. Raises StoreError."""
        row, stones = self._database.read(lambda tx: (metadata.load(tx, key), metadata.load_tombstone(tx, key)))
        self._stored.pop(key, None)
        self._buried.pop(key, None)
        if row is not None:
            self._stored[key] = known_of(row)
        if stones is not None:
            self._buried[key] = _stone(stones)


def known_of(row: MetaRow) -> Known:
    return Known(row.uid, int(row.version) if row.version else None)


def _stone(tombstone: Tombstone) -> Known:
    return Known(tombstone.uid, int(tombstone.version) if tombstone.version else None)


def _everything(tx: Transaction) -> tuple[dict[str, Known], dict[str, Known]]:
    stored = {row.key: known_of(row) for row in metadata.load_keys(tx)}
    return stored, {stone.key: _stone(stone) for stone in metadata.load_tombstones(tx)}
