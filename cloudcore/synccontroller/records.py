"""The records of one node: what the API has of them, and what waits to be written there. What waits counts as known already. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudcore.objects import as_number
from cloudcore.synccontroller.objectsync import Entry


@dataclass(frozen=True, slots=True)
class Pending:
    entry: Entry
    delete: bool = False


class Records:
    __slots__ = ("_stored", "_uids", "pending")

    def __init__(self) -> None:
        self._stored: dict[str, Entry] = {}
        self._uids: dict[str, tuple[str, ...]] = {}
        """Of each key; mostly one."""
        self.pending: dict[str, Pending] = {}

    def __iter__(self) -> Iterator[Entry]:
        """Every record; safe while they change."""
        for uid in (*self._stored, *(uid for uid in self.pending if uid not in self._stored)):
            entry = self.get(uid)
            if entry is not None:
                yield entry

    def __bool__(self) -> bool:
        return bool(self._stored or self.pending)

    def get(self, uid: str) -> Entry | None:
        waiting = self.pending.get(uid)
        if waiting is not None:
            return None if waiting.delete else waiting.entry
        return self._stored.get(uid)

    def of_key(self, key: str) -> list[Entry]:
        """Two, where an object was made anew under its old name."""
        found = (self.get(uid) for uid in self._uids.get(key, ()))
        return [entry for entry in found if entry is not None]

    def put(self, pending: Pending) -> bool:
        """To be written. False: what waits already is newer."""
        waiting = self.pending.get(pending.entry.uid)
        both = waiting is not None and not waiting.delete and not pending.delete
        if waiting is not None and both and as_number(pending.entry.version) < as_number(waiting.entry.version):
            return False
        self.pending[pending.entry.uid] = pending
        self._index(pending.entry)
        return True

    def written(self, pending: Pending) -> None:
        """Done, unless something newer waits by now."""
        if self.pending.get(pending.entry.uid) == pending:
            del self.pending[pending.entry.uid]
        if pending.delete:
            self._stored.pop(pending.entry.uid, None)
        self._drop(pending.entry)

    def seen(self, entry: Entry) -> bool:
        """The API has it so. True: it is less than what was believed, so that somebody else has changed it."""
        known = self._stored.get(entry.uid)
        if known is not None and known.stored_at > entry.stored_at:
            return False
        self._stored[entry.uid] = entry
        self._index(entry)
        return known is not None and as_number(entry.version) < as_number(known.version)

    def vanished(self, entry: Entry) -> bool:
        """The API has it no more. True: nobody here meant that."""
        known = self._stored.get(entry.uid)
        if known is None or known.stored_at > entry.stored_at:
            return False
        del self._stored[entry.uid]
        waiting = self.pending.get(entry.uid)
        self._drop(entry)
        return waiting is None or not waiting.delete

    def _index(self, entry: Entry) -> None:
        uids = self._uids.get(entry.key, ())
        if entry.uid not in uids:
            self._uids[entry.key] = (*uids, entry.uid)

    def _drop(self, entry: Entry) -> None:
        if entry.uid in self._stored or entry.uid in self.pending:
            return
        rest = tuple(uid for uid in self._uids.get(entry.key, ()) if uid != entry.uid)
        if rest:
            self._uids[entry.key] = rest
        else:
            self._uids.pop(entry.key, None)
