"""SyncController: finds and repairs what the edge missed, and keeps ObjectSync (contract 3.6, 3.7).

    record = SyncRecord(kube, objectsyncs=…, clusterobjectsyncs=…)                          # a DeliveryRecord, for CloudHub
    sync = SyncController(record, nodes=…, downlink=hub)   # sync.notice(node, key): what that node should hold under key has changed
    sync.watch([edge_controller, device_controller]); await sync.start()                # start() starts the record too

CloudHub calls ``sync.node_changed(node, connected)`` as it does for the controllers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from cloudcore.cluster import Informer
from cloudcore.errors import CloudCoreError
from cloudcore.keeper import keep
from cloudcore.objects import identity
from cloudcore.ports import Downlink, Holding, JsonObject, Owed
from cloudcore.readings import Reading, counts, gauge
from cloudcore.synccontroller.compare import Action, Patience, Repair, as_update, compare, is_brambles_alone
from cloudcore.synccontroller.record import SyncRecord

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 5.0
_EDGE_LABEL = "node-role.kubernetes.io/edge"
_SWEPT_AT_ONCE = 20
_KEYS_AT_ONCE = 200


class Source(Protocol):
    """A controller, as the SyncController sees it."""

    def holdings(self, node: str) -> Iterator[Holding]: ...

    def holding(self, node: str, key: str) -> Holding | None: ...

    def owed_one(self, node: str, key: str) -> Owed | None: ...

    def removal(self, node: str, key: str, uid: str) -> Owed | None: ...


class SyncController:
    """Looks, every ``period`` seconds, at the keys that are in doubt: those that changed, or whose record was touched, since all was well
    with them. All that a node holds is compared when CloudCore starts and when the node connects, and of all nodes a few in each round."""

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
        self._doubts: dict[str, dict[str, None]] = {}
        self._unseen: dict[str, None] = {}
        self._sweep: list[str] = []
        self._patience = Patience(first=period)
        self._repaired: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    def watch(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def notice(self, node: str, key: str) -> None:
        self._doubts.setdefault(node, {})[key] = None

    def node_changed(self, node: str, connected: bool) -> None:
        self._patience.forget(node)
        if connected:
            self._unseen[node] = None

    async def start(self) -> None:
        await self._record.start(self.notice)
        await self._nodes.synced.wait()
        for node in self._record.nodes():
            if self._nodes.get("", node) is None:
                self._record.forget(node)
        self._unseen.update((name, None) for name in (identity(node)[1] for node in self._nodes.values()) if self._is_edge(name))
        self._nodes.follow(self._node_event)
        self._task = keep(self._run, "sync controller")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._record.stop()

    def readings(self) -> Iterator[Reading]:
        yield gauge("sync_doubts", "Objects of nodes of which it has to be seen whether the node has them", self._doubt_count())
        yield counts("sync_repaired", "Differences between nodes and the API that were set right", "action", self._repaired)
        yield gauge("sync_records_unwritten", "ObjectSyncs that wait to be written", self._record.unwritten)

    async def look(self) -> None:
        """One round."""
        connected = self._downlink.connected()
        unseen, self._unseen = self._unseen, {}
        for node in (*unseen, *self._next_of_sweep()):
            if node in connected or self._is_edge(node):
                await self._doubt_all(node)
        for node in list(self._doubts):
            if node not in connected and not self._is_edge(node):
                self._forget(node)
                continue
            keys = list(self._doubts.get(node, ()))
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                self._guarded(self._look_at, node, keys[start : start + _KEYS_AT_ONCE], node in connected)
                await asyncio.sleep(0)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._period)
            await self.look()

    def _guarded(self, work: Callable[..., None], node: str, *more: object) -> None:
        """One node must not end the repairs of all the others (D8)."""
        try:
            work(node, *more)
        except CloudCoreError as exc:
            logger.debug("node %s is not compared now: %s", node, exc)
        except Exception:
            logger.exception("node %s cannot be compared", node)

    def _next_of_sweep(self) -> list[str]:
        """A few nodes in each round, however many there are."""
        if not self._sweep:
            self._sweep = [identity(node)[1] for node in self._nodes.values()]
        chosen, self._sweep = self._sweep[-_SWEPT_AT_ONCE:], self._sweep[:-_SWEPT_AT_ONCE]
        return chosen

    async def _doubt_all(self, node: str) -> None:
        owed: list[Holding] = []
        await asyncio.sleep(0)
        try:
            for source in self._sources:
                for holding in source.holdings(node):
                    owed.append(holding)
                    if len(owed) % _KEYS_AT_ONCE == 0:
                        await asyncio.sleep(0)
        except CloudCoreError as exc:
            logger.debug("node %s is not compared now: %s", node, exc)
            return
        self._guarded(self._doubt, node, owed)

    def _doubt(self, node: str, owed: list[Holding]) -> None:
        for repair in compare(owed, self._record.holdings(node), acknowledges_devices=self._acknowledges_devices(node)):
            self.notice(node, repair.key)

    def _look_at(self, node: str, keys: Iterable[str], connected: bool) -> None:
        now, said = self._monotonic(), 0
        for key in keys:
            repairs = self._differences(node, key)
            due = self._patience.due(node, key, repairs, now)
            for repair in due:
                said += self._repair(node, repair, connected)
            if not repairs:
                self._record.caught_up(node, key)
            if not repairs or (due and not connected):
                # A node that is away is compared anew when it comes back.
                self._patience.forget(node, key)
                self._settled(node, key)
        if said:
            logger.info("node %s lacks %d acknowledgements, saying them again", node, said)

    def _differences(self, node: str, key: str) -> list[Repair]:
        owed = (source.holding(node, key) for source in self._sources)
        known = self._record.holdings_of(node, key)
        devices = is_brambles_alone(key) and (bool(known) or self._acknowledges_devices(node))
        return compare((holding for holding in owed if holding is not None), known, acknowledges_devices=devices)

    def _acknowledges_devices(self, node: str) -> bool:
        return self._downlink.acknowledges_devices(node) or self._record.acknowledges_devices(node)

    def _repair(self, node: str, repair: Repair, connected: bool) -> bool:
        """Write down that it is behind, and set it right where that is possible. True: it was said again."""
        if repair.action is Action.FORGET:
            self._record.forget(node, repair.uid)
            self._repaired[repair.action.name.lower()] += 1
            return False
        owed = self._message(node, repair)
        if repair.action is Action.REMOVE:
            self._record.behind(node, repair.uid)
        elif owed is not None:
            self._record.missing(node, owed)
        if owed is None or not connected or self._downlink.owes(node, repair.key):
            return False
        self._repaired[repair.action.name.lower()] += 1
        return self._downlink.offer(node, as_update(owed) if repair.action is Action.RENEW else owed)

    def _message(self, node: str, repair: Repair) -> Owed | None:
        for source in self._sources:
            if repair.action is Action.REMOVE:
                owed = source.removal(node, repair.key, repair.uid)
            else:
                owed = source.owed_one(node, repair.key)
            if owed is not None:
                return owed
        return None

    def _settled(self, node: str, key: str) -> None:
        keys = self._doubts.get(node, {})
        keys.pop(key, None)
        if not keys:
            self._doubts.pop(node, None)

    def _forget(self, node: str) -> None:
        self._doubts.pop(node, None)
        self._patience.forget(node)

    def _doubt_count(self) -> int:
        return sum(map(len, self._doubts.values()))

    def _is_edge(self, name: str) -> bool:
        """Also while it is away; nodes that a kubelet serves are none of ours."""
        node = self._nodes.get("", name) or {}
        return _EDGE_LABEL in ((node.get("metadata") or {}).get("labels") or {})

    def _node_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        """The records of a node go with it (bug C13)."""
        if new is None and old is not None:
            self._forget(identity(old)[1])
            self._record.forget(identity(old)[1])
