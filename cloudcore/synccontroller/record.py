"""Writes down what nodes have acknowledged: in batches, off the hot path, the newest per object (contract 3.3, 3.6).

Correctness does not rest on these records; people read them with kubectl, and a KubeEdge edge, which does not say what it holds, is judged
by them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace

from cloudcore.cluster import Cluster, Informer
from cloudcore.errors import KubeAlreadyExists, KubeConflict, KubeError, KubeInvalid, KubeNotFound
from cloudcore.keeper import keep
from cloudcore.objects import as_number, identity
from cloudcore.ports import Holding, JsonObject, Notice, Owed
from cloudcore.synccontroller.objectsync import DEVICE_KIND, NEVER, Entry, entry_from, entry_of, object_of, status_of
from cloudcore.synccontroller.records import Pending, Records

logger = logging.getLogger(__name__)

_GATHER_SECONDS = 0.3
_RETRY_SECONDS = 2.0
_AT_ONCE = 4
_ATTEMPTS = 5


class SyncRecord:
    """A ``DeliveryRecord``. ``changed(node, key)``: somebody else took a record away or set it back."""

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
        self._nodes: dict[str, Records] = {}
        self._unwritten: dict[str, Records] = {}
        self._changed: Notice = lambda node, key: None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    async def start(self, changed: Notice) -> None:
        for informer in self._informers:
            informer.follow(self._event)
        for informer in self._informers:
            await informer.synced.wait()
        self._changed = changed
        self._task = keep(self._run, "delivery record")

    async def stop(self) -> None:
        """What waits is written first, if the API takes it at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._write_pending(paced=False)

    def delivered(self, node: str, owed: Owed) -> None:
        records = self._of(node)
        entry = None if owed.removal else entry_of(owed, node)
        for known in records.of_key(owed.key):
            if (entry is not None and known.uid != entry.uid) or (owed.removal and owed.uid in ("", known.uid)):
                self._put(Pending(known, delete=True))
        if entry is not None:
            self._put(Pending(entry))

    def behind(self, node: str, uid: str) -> None:
        """``node`` has an older version of what is recorded under ``uid``, or should hold it no more."""
        known = self._of(node).get(uid)
        if known is not None and not known.behind:
            self._put(Pending(replace(known, behind=True)))

    def missing(self, node: str, owed: Owed) -> None:
        """``node`` does not have ``owed`` at its version, or not at all."""
        entry = entry_of(owed, node)
        if entry is None or owed.removal:
            return
        if self._of(node).get(entry.uid) is not None:
            self.behind(node, entry.uid)
        else:
            self._put(Pending(replace(entry, version=NEVER, behind=True)))

    def caught_up(self, node: str, key: str) -> None:
        """``node`` has what it should have under ``key``."""
        records = self._nodes.get(node)
        for known in records.of_key(key) if records is not None else ():
            if known.behind:
                self._put(Pending(replace(known, behind=False)))

    def known(self, node: str) -> dict[str, tuple[str, str]]:
        """Key to (uid, version). Of two records of one key the newer counts."""
        entries = sorted(self._nodes.get(node, ()), key=lambda entry: as_number(entry.version))
        return {entry.key: (entry.uid, entry.version) for entry in entries}

    def holdings(self, node: str) -> list[Holding]:
        """Every record."""
        return [_holding(entry) for entry in self._nodes.get(node, ())]

    def holdings_of(self, node: str, key: str) -> list[Holding]:
        records = self._nodes.get(node)
        return [_holding(entry) for entry in records.of_key(key)] if records is not None else []

    def acknowledges_devices(self, node: str) -> bool:
        """KubeEdge's edge never does."""
        return any(entry.kind == DEVICE_KIND and as_number(entry.version) for entry in self._nodes.get(node, ()))

    def nodes(self) -> list[str]:
        """Names of all nodes that have records."""
        return [node for node, records in self._nodes.items() if records]

    @property
    def unwritten(self) -> int:
        return sum(len(records.pending) for records in self._unwritten.values())

    def forget(self, node: str, uid: str = "") -> None:
        """Delete the record of one object, or of all of a node that is no more."""
        for entry in list(self._nodes.get(node, ())):
            if not uid or entry.uid == uid:
                self._put(Pending(entry, delete=True))

    def _of(self, node: str) -> Records:
        return self._nodes.setdefault(node, Records())

    def _put(self, pending: Pending) -> None:
        node = pending.entry.node
        records = self._of(node)
        if records.put(pending):
            self._unwritten[node] = records
            self._wake.set()

    def _event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        entry = entry_from(new if new is not None else old or {})
        if entry is None:
            return
        records = self._of(entry.node)
        if records.seen(entry) if new is not None else records.vanished(entry):
            self._changed(entry.node, entry.key)
        self._tidy(entry.node)

    def _tidy(self, node: str) -> None:
        records = self._nodes.get(node)
        if records is not None and not records.pending:
            self._unwritten.pop(node, None)
            if not records:
                del self._nodes[node]

    async def _run(self) -> None:
        if self._unwritten:
            self._wake.set()
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._gather_seconds)
            self._wake.clear()
            if not await self._write_pending():
                await asyncio.sleep(self._retry_seconds)
                self._wake.set()

    async def _write_pending(self, *, paced: bool = True) -> bool:
        """False where something has to be tried again.

        Paced, it rests for as long as it worked: after a change for ten thousand nodes their deliveries go first.
        """
        failures: list[BaseException] = []
        clock = asyncio.get_running_loop().time
        for part in _parts(self._batch()):
            began = clock()
            results = await asyncio.gather(*map(self._write, part), return_exceptions=True)
            failures += [result for result in results if isinstance(result, BaseException)]
            if paced:
                await asyncio.sleep(clock() - began)
        if failures and not self._failing:
            logger.warning("delivery records cannot be written now: %s", failures[0])
        self._failing = bool(failures)
        return not failures

    def _batch(self) -> list[Pending]:
        return [pending for records in self._unwritten.values() for pending in records.pending.values()]

    async def _write(self, pending: Pending) -> None:
        entry = pending.entry
        records = self._of(entry.node)
        if records.pending.get(entry.uid) != pending:
            return
        try:
            if pending.delete:
                await self._delete(entry)
            else:
                await self._store(entry)
        except (KubeInvalid, KubeNotFound) as exc:
            logger.warning("record %s of %s is left out: %s", entry.object_name, entry.key, exc)
        records.written(pending)
        self._tidy(entry.node)

    async def _delete(self, entry: Entry) -> None:
        try:
            await self._kube.delete(entry.resource, entry.namespace, entry.object_name)
        except KubeNotFound:
            pass

    async def _store(self, entry: Entry) -> None:
        """Create it where it is missing, then write the version, unless a newer one is there."""
        current = self._cached(entry)
        for _ in range(_ATTEMPTS):
            try:
                if current is None:
                    current = await self._kube.create(entry.resource, entry.namespace, object_of(entry))
                status = status_of(entry, current)
                if status is not None:
                    current = await self._kube.update(entry.resource, entry.namespace, current | {"status": status}, subresource="status")
                self._written(current)
                return
            except (KubeConflict, KubeAlreadyExists):
                current = await self._kube.get(entry.resource, entry.namespace, entry.object_name)
            except KubeNotFound:
                if current is None:
                    raise
                current = None
        raise KubeError(f"{entry.resource.kind} {entry.object_name}: changed each time while it was written")

    def _written(self, obj: JsonObject) -> None:
        entry = entry_from(obj)
        if entry is not None:
            self._of(entry.node).seen(entry)

    def _cached(self, entry: Entry) -> JsonObject | None:
        informer = self._informers[0] if entry.namespace else self._informers[1]
        cached = informer.get(entry.namespace, entry.object_name)
        return cached if cached is not None and identity(cached)[1] else None


def _holding(entry: Entry) -> Holding:
    return entry.key, entry.uid, entry.version


def _parts(batch: list[Pending]) -> Iterator[list[Pending]]:
    for start in range(0, len(batch), _AT_ONCE):
        yield batch[start : start + _AT_ONCE]
