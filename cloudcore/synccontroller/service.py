"""SyncController: finds and repairs what the edge missed, and keeps ObjectSync (contract 3.6, 3.7).

    record = SyncRecord(kube, objectsyncs=…, clusterobjectsyncs=…)                          # a DeliveryRecord, for CloudHub
    sync = SyncController(record, nodes=…, downlink=hub)          # sync.notice(node): something was offered to that node
    sync.watch([edge_controller, device_controller]); await sync.start()                # start() starts the record too

CloudHub calls ``sync.node_changed(node, connected)`` as it does for the controllers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from cloudcore.cluster import Informer
from cloudcore.errors import CloudCoreError
from cloudcore.objects import identity
from cloudcore.ports import Downlink, JsonObject, Owed
from cloudcore.synccontroller.compare import Action, Patience, Repair, as_update, compare
from cloudcore.synccontroller.record import SyncRecord

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 5.0
_SWEEP_ROUNDS = 60


class Source(Protocol):
    """A controller, as the SyncController sees it."""

    def holdings(self, node: str) -> Iterator[tuple[str, str, str]]: ...

    def owed_one(self, node: str, key: str) -> Owed | None: ...

    def removal(self, node: str, key: str, uid: str) -> Owed | None: ...


class SyncController:
    """Looks, every ``period`` seconds, at the nodes to which something was offered since all was well with them; and at each node once
    in a while, whatever is known of it."""

    def __init__(
        self,
        record: SyncRecord,
        *,
        nodes: Informer,
        downlink: Downlink,
        period: float = PERIOD_SECONDS,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._record = record
        self._nodes = nodes
        self._downlink = downlink
        self._period = period
        self._monotonic = monotonic or (lambda: asyncio.get_running_loop().time())
        self._sources: Sequence[Source] = ()
        self._suspects: set[str] = set()
        self._sweep: list[str] = []
        self._patience = Patience(first=period)
        self._task: asyncio.Task[None] | None = None

    def watch(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def notice(self, node: str) -> None:
        self._suspects.add(node)

    def node_changed(self, node: str, connected: bool) -> None:
        if connected:
            self._suspects.add(node)
        else:
            self._suspects.discard(node)
            self._patience.forget(node)

    async def start(self) -> None:
        await self._record.start()
        await self._nodes.synced.wait()
        for node in self._record.nodes():
            if self._nodes.get("", node) is None:
                self._record.forget(node)
        self._nodes.follow(self._node_event)
        self._task = asyncio.create_task(self._run(), name="sync controller")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._record.stop()

    async def look(self) -> None:
        """One round."""
        connected = self._downlink.connected()
        for node in [*self._suspects, *self._next_of_sweep(connected)]:
            if node not in connected:
                self._suspects.discard(node)
                continue
            try:
                self._look_at(node)
            except CloudCoreError as exc:
                logger.debug("node %s is not compared now: %s", node, exc)
            except Exception:
                # One node must not end the repairs of all the others (D8).
                logger.exception("node %s cannot be compared", node)
            await asyncio.sleep(0)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._period)
            await self.look()

    def _next_of_sweep(self, connected: frozenset[str]) -> list[str]:
        """A slice of all nodes, so that each has its turn within ``_SWEEP_ROUNDS`` rounds."""
        if not self._sweep:
            self._sweep = sorted(connected)
        size = max(1, -(-len(connected) // _SWEEP_ROUNDS))
        chosen = list(islice(self._sweep, size))
        del self._sweep[:size]
        return [node for node in chosen if node not in self._suspects]

    def _look_at(self, node: str) -> None:
        owed = [holding for source in self._sources for holding in source.holdings(node)]
        repairs = compare(owed, self._record.holdings(node))
        if repairs:
            self._suspects.add(node)
        else:
            self._suspects.discard(node)
        due = self._patience.due(node, repairs, self._monotonic())
        if due:
            logger.info("node %s lacks %d of %d acknowledgements, saying them again", node, len(due), len(owed))
        for repair in due:
            self._repair(node, repair)

    def _repair(self, node: str, repair: Repair) -> None:
        if repair.action is Action.FORGET:
            self._record.forget(node, repair.uid)
            return
        for source in self._sources:
            if repair.action is Action.REMOVE:
                owed = source.removal(node, repair.key, repair.uid)
            else:
                owed = source.owed_one(node, repair.key)
            if owed is not None:
                self._downlink.offer(node, as_update(owed) if repair.action is Action.RENEW else owed)
                return

    def _node_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        """The records of a node go with it (bug C13)."""
        if new is None and old is not None:
            self._record.forget(identity(old)[1])
