"""Writes down what nodes have acknowledged: in batches, off the hot path, the newest per object (contract 3.3, 3.6)."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass

from cloudcore.cluster import Cluster, Informer
from cloudcore.errors import KubeAlreadyExists, KubeConflict, KubeError, KubeInvalid, KubeNotFound
from cloudcore.objects import as_number, identity
from cloudcore.ports import JsonObject, Owed
from cloudcore.synccontroller.objectsync import Entry, entry_from, entry_of, object_of

logger = logging.getLogger(__name__)

_GATHER_SECONDS = 0.3
_RETRY_SECONDS = 2.0
_AT_ONCE = 16
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Pending:
    entry: Entry
    delete: bool = False


class SyncRecord:
    """A ``DeliveryRecord``. What waits to be written counts as known already."""

    def __init__(
        self,
        kube: Cluster,
        *,
        objectsyncs: Informer,
        clusterobjectsyncs: Informer,
        gather_seconds: float = _GATHER_SECONDS,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._kube = kube
        self._informers = (objectsyncs, clusterobjectsyncs)
        self._gather_seconds = gather_seconds
        self._retry_seconds = retry_seconds
        self._entries: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
        self._pending: defaultdict[str, dict[str, _Pending]] = defaultdict(dict)
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    async def start(self) -> None:
        for informer in self._informers:
            informer.follow(self._event)
        for informer in self._informers:
            await informer.synced.wait()
        self._task = asyncio.create_task(self._run(), name="delivery record")

    async def stop(self) -> None:
        """What waits is written first, if the API takes it at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._write_pending()

    def delivered(self, node: str, owed: Owed) -> None:
        if owed.removal:
            for known in self._current(node).values():
                if known.key == owed.key and (not owed.uid or known.uid == owed.uid):
                    self._put(_Pending(known, delete=True))
            return
        entry = entry_of(owed, node)
        if entry is None:
            return
        for known in self._current(node).values():
            if known.key == entry.key and known.uid != entry.uid:
                self._put(_Pending(known, delete=True))
        self._put(_Pending(entry))

    def known(self, node: str) -> dict[str, tuple[str, str]]:
        """Key to (uid, version). Of two records of one key the newer counts."""
        entries = sorted(self._current(node).values(), key=lambda entry: as_number(entry.version))
        return {entry.key: (entry.uid, entry.version) for entry in entries}

    def holdings(self, node: str) -> list[tuple[str, str, str]]:
        """(key, uid, version) of every record."""
        return [(entry.key, entry.uid, entry.version) for entry in self._current(node).values()]

    def nodes(self) -> list[str]:
        """Names of all nodes that have records."""
        return [node for node, entries in self._entries.items() if entries]

    def forget(self, node: str, uid: str = "") -> None:
        """Delete the record of one object, or of all of a node that is no more."""
        for entry in self._current(node).values():
            if not uid or entry.uid == uid:
                self._put(_Pending(entry, delete=True))

    def _put(self, pending: _Pending) -> None:
        waiting = self._pending[pending.entry.node].get(pending.entry.uid)
        if waiting is not None and not waiting.delete and not pending.delete and _is_older(pending.entry, waiting.entry):
            return
        self._pending[pending.entry.node][pending.entry.uid] = pending
        self._wake.set()

    def _current(self, node: str) -> dict[str, Entry]:
        """A copy."""
        current = dict(self._entries.get(node, {}))
        for uid, pending in self._pending.get(node, {}).items():
            if pending.delete:
                current.pop(uid, None)
            else:
                current[uid] = pending.entry
        return current

    def _event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        entry = entry_from(new if new is not None else old or {})
        if entry is None:
            return
        entries = self._entries[entry.node]
        known = entries.get(entry.uid)
        if known is not None and known.stored_at > entry.stored_at:
            return
        if new is not None:
            entries[entry.uid] = entry
            return
        entries.pop(entry.uid, None)
        if not entries:
            del self._entries[entry.node]

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._gather_seconds)
            self._wake.clear()
            if not await self._write_pending():
                await asyncio.sleep(self._retry_seconds)
                self._wake.set()

    async def _write_pending(self) -> bool:
        """False where something has to be tried again."""
        batch = [pending for of_node in self._pending.values() for pending in of_node.values()]
        results = await asyncio.gather(*map(self._write, batch), return_exceptions=True)
        failed = [result for result in results if isinstance(result, BaseException)]
        if failed and not self._failing:
            logger.warning("delivery records cannot be written now: %s", failed[0])
        self._failing = bool(failed)
        return not failed

    async def _write(self, pending: _Pending) -> None:
        async with self._room:
            try:
                if pending.delete:
                    await self._delete(pending.entry)
                else:
                    await self._store(pending.entry)
            except (KubeInvalid, KubeNotFound) as exc:
                logger.warning("record %s of %s is left out: %s", pending.entry.object_name, pending.entry.key, exc)
        of_node = self._pending[pending.entry.node]
        if of_node.get(pending.entry.uid) == pending:
            del of_node[pending.entry.uid]
        if not of_node:
            del self._pending[pending.entry.node]

    async def _delete(self, entry: Entry) -> None:
        try:
            await self._kube.delete(entry.resource, entry.namespace, entry.object_name)
        except KubeNotFound:
            pass
        self._entries.get(entry.node, {}).pop(entry.uid, None)

    async def _store(self, entry: Entry) -> None:
        """Create it where it is missing, then write the version, unless a newer one is there."""
        current = self._cached(entry)
        for _ in range(_ATTEMPTS):
            try:
                if current is None:
                    current = await self._kube.create(entry.resource, entry.namespace, object_of(entry))
                version = str((current.get("status") or {}).get("objectResourceVersion") or "")
                if as_number(version) < as_number(entry.version):
                    status = (current.get("status") or {}) | {"objectResourceVersion": entry.version}
                    current = await self._kube.update(entry.resource, entry.namespace, current | {"status": status}, subresource="status")
                self._event(None, current)
                return
            except (KubeConflict, KubeAlreadyExists):
                current = await self._kube.get(entry.resource, entry.namespace, entry.object_name)
            except KubeNotFound:
                if current is None:
                    raise
                current = None
        raise KubeError(f"{entry.resource.kind} {entry.object_name}: changed each time while it was written")

    def _cached(self, entry: Entry) -> JsonObject | None:
        informer = self._informers[0] if entry.namespace else self._informers[1]
        cached = informer.get(entry.namespace, entry.object_name)
        return cached if cached is not None and identity(cached)[1] else None


def _is_older(entry: Entry, other: Entry) -> bool:
    return as_number(entry.version) < as_number(other.version)
