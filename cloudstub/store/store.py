"""The store: committed objects for readers, a staged view for writers, one commit for all that wrote in one turn of the loop."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator

from cloudstub.errors import Gone
from cloudstub.store.broadcast import Broadcast, Subscription
from cloudstub.store.database import Database, LoggedChange
from cloudstub.store.history import replay, state_at
from cloudstub.store.records import ADDED, DELETED, MODIFIED, Change, Key, Object, Record, encode, with_revision
from cloudstub.store.shelf import Shelf

logger = logging.getLogger(__name__)


class Store:
    """Readers see only what is committed. A write verb reads with ``peek``, stages with ``put`` and ``remove`` without
    awaiting in between, and awaits ``committed()`` before it answers; so it needs no lock and no retry.
    """

    def __init__(self, database: Database, *, now_ms: Callable[[], int]) -> None:
        """``now_ms`` tells epoch milliseconds; it dates the change log."""
        self._database = database
        self._now_ms = now_ms
        self._shelves: defaultdict[str, Shelf] = defaultdict(Shelf)
        self._staged: dict[Key, Record | None] = {}
        self._changes: list[Change] = []
        self._commit_done: asyncio.Future[None] | None = None
        self._moved = asyncio.Event()
        self.observers: list[Callable[[list[Change]], None]] = []
        self.broadcast = Broadcast()
        for record in database.records():
            self._shelves[record.key.resource].put(record.key[1:], record)
        self.revision = self._last_given = database.revision()
        self.compacted = database.compacted()

    # -- what is committed

    def get(self, key: Key) -> Record | None:
        shelf = self._shelves.get(key.resource)
        return shelf.get(key[1:]) if shelf else None

    def ordered(self, resource: str, namespace: str | None = None) -> Iterator[Record]:
        """Current records by namespace and name."""
        shelf = self._shelves.get(resource)
        return shelf.ordered(namespace) if shelf else iter(())

    def ordered_at(self, revision: int, resource: str, namespace: str | None = None) -> Iterator[Record]:
        """Records as they were at an older revision.

        Raises:
            Gone: the log no longer reaches back that far.
        """
        if revision == self.revision:
            return self.ordered(resource, namespace)
        changes = self._logged_after(revision, resource)
        return iter(state_at(self.ordered(resource, namespace), changes, namespace))

    def resources(self) -> list[str]:
        """Every resource that has objects."""
        return [resource for resource, shelf in self._shelves.items() if len(shelf)]

    def count(self, resource: str) -> int:
        shelf = self._shelves.get(resource)
        return len(shelf) if shelf else 0

    # -- what is being written in this turn

    def peek(self, key: Key) -> Record | None:
        """The record as the writes staged in this turn leave it."""
        return self._staged[key] if key in self._staged else self.get(key)

    def peek_all(self, resource: str) -> list[Record]:
        """Every record of a resource as the staged writes leave it, in no order."""
        committed = self._shelves[resource].values()
        staged = [r for key, r in self._staged.items() if key.resource == resource and r is not None]
        return [r for r in committed if r.key not in self._staged] + staged

    def put(self, key: Key, value: Object) -> Record:
        """Stage a new version. The caller's object is not kept."""
        before = self.peek(key)
        after = self._record(key, value)
        self._stage(Change(MODIFIED if before else ADDED, before, after), after)
        return after

    def remove(self, key: Key) -> Record:
        """Stage the end of an object that ``peek`` shows; gives its last state."""
        before = self.peek(key)
        if before is None:
            raise KeyError(key)
        after = self._record(key, before.value)
        self._stage(Change(DELETED, before, after), None)
        return after

    async def committed(self) -> None:
        """Return when what was staged until now is on the disk.

        Raises:
            StorageFull: it is not, and nothing of it was kept.
        """
        if self._commit_done is not None:
            await asyncio.shield(self._commit_done)

    def _record(self, key: Key, value: Object) -> Record:
        revision = self._last_given + 1
        body = encode(with_revision(value, revision))
        self._last_given = revision
        return Record(key, value["metadata"]["uid"], revision, body)

    def _stage(self, change: Change, current: Record | None) -> None:
        if self._commit_done is None:
            loop = asyncio.get_running_loop()
            self._commit_done = loop.create_future()
            loop.call_soon(self._commit)
        self._changes.append(change)
        self._staged[change.key] = current

    def _commit(self) -> None:
        done, self._commit_done = self._commit_done, None
        changes, self._changes = self._changes, []
        self._staged = {}
        assert done is not None
        try:
            self._database.write(changes, at_ms=self._now_ms())
        except Exception as exc:
            # Whatever it was: nothing of it is on the disk, and those who wait must be told.
            self._last_given = self.revision
            logger.error("%d changes were refused: %s", len(changes), exc)
            done.set_exception(exc)
            # Those who staged may have gone away; the future must not complain about an error nobody fetched.
            done.exception()
            return
        self._take_over(changes)
        done.set_result(None)

    def _take_over(self, changes: list[Change]) -> None:
        for change in changes:
            shelf = self._shelves[change.key.resource]
            if change.type == DELETED:
                shelf.remove(change.key[1:])
            else:
                shelf.put(change.key[1:], change.after)
        self.revision = changes[-1].revision
        for observe in self.observers:
            try:
                observe(changes)
            except Exception:
                # The changes are on the disk: whoever waits for them, and all who watch, must hear of it.
                logger.exception("an observer failed at revision %d", self.revision)
        self.broadcast.tell(changes)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    # -- what changes

    async def wait_change(self, after: int) -> int:
        """Wait until the committed revision is above ``after``; gives the revision then."""
        while self.revision <= after:
            await self._moved.wait()
        return self.revision

    def subscribe(self, subscription: Subscription, *, after: int) -> None:
        """Tell the subscription every change after revision ``after``: first from the log, then as they come.

        Raises:
            Gone: the log no longer reaches back that far.
        """
        if after < self.revision:
            logged = self._logged_after(after, subscription.resource)
            for change in replay(logged, self.get):
                subscription.offer(change)
        self.broadcast.add(subscription)

    def compact(self, *, keep_newest: int, max_age_ms: int) -> None:
        """Forget old changes; watches that ask for them afterwards are told to list again."""
        self.compacted = self._database.compact(keep_newest=keep_newest, older_than_ms=self._now_ms() - max_age_ms)

    def _logged_after(self, revision: int, resource: str) -> list[LoggedChange]:
        if revision < self.compacted:
            raise Gone(f"too old resource version: {revision} ({self.compacted})")
        return self._database.changes_after(revision, resource)

    def close(self) -> None:
        self.broadcast.end_all()
        self._database.close()
