"""The Lease of every connected node: how Kubernetes knows that a node lives. One loop for all of them."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable

from cloudcore.cluster import Clock, Cluster, Informer
from cloudcore.errors import KubeAlreadyExists, KubeError, KubeNotFound
from cloudcore.kube.resources import LEASES
from cloudcore.objects import micro_stamp, uid_of
from cloudcore.ports import JsonObject

logger = logging.getLogger(__name__)

NAMESPACE = "kube-node-lease"
PERIOD_SECONDS = 10.0
DURATION_SECONDS = 40
_AT_ONCE = 16
_SOON_SECONDS = 0.5
_IDLE_SECONDS = 3600.0


def lease(node: str, node_uid: str, renewed: str) -> JsonObject:
    """``renewed``: metav1.MicroTime. Owned by the Node, so that it goes with it."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": node, "namespace": NAMESPACE, "ownerReferences": [owner]},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": renewed},
    }


class Leases:
    """``alive(node)`` renews at once and then every ``period`` seconds (times differ by node as connections do), until ``gone(node)``."""

    def __init__(
        self, kube: Cluster, *, nodes: Informer, now: Clock, period: float = PERIOD_SECONDS, monotonic: Callable[[], float] | None = None
    ) -> None:
        self._kube = kube
        self._nodes = nodes
        self._now = now
        self._period = period
        self._monotonic = monotonic or (lambda: asyncio.get_running_loop().time())
        self._due: list[tuple[float, str]] = []
        self._turns: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._failing = False

    def alive(self, node: str) -> None:
        self._schedule(node, self._monotonic())
        self._wake.set()

    def gone(self, node: str) -> None:
        self._turns.pop(node, None)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            now = self._monotonic()
            batch = self._take_due(now)
            if batch:
                results = await asyncio.gather(*(self._renew(node) for node in batch), return_exceptions=True)
                self._judge(results)
                continue
            self._wake.clear()
            wait = self._due[0][0] - now if self._due else _IDLE_SECONDS
            try:
                async with asyncio.timeout(max(wait, 0.01)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _schedule(self, node: str, at: float) -> None:
        """A node has one turn; an older one that is still in the heap does not count any more."""
        self._turns[node] = at
        heapq.heappush(self._due, (at, node))

    def _take_due(self, now: float) -> list[str]:
        batch: list[str] = []
        while self._due and self._due[0][0] <= now and len(batch) < _AT_ONCE:
            due, node = heapq.heappop(self._due)
            if self._turns.get(node) == due:
                batch.append(node)
                self._schedule(node, max(due, now - self._period / 2) + self._period)
        return batch

    async def _renew(self, node: str) -> None:
        """By a patch: nothing has to be remembered of ten thousand leases, and no other writer can get in between."""
        known = self._nodes.get("", node)
        if known is None:
            self._again_soon(node)
            return
        wanted = lease(node, uid_of(known), micro_stamp(self._now()))
        try:
            await self._kube.patch(LEASES, NAMESPACE, node, {"spec": wanted["spec"]})
        except KubeNotFound:
            await self._create(node, wanted)

    async def _create(self, node: str, wanted: JsonObject) -> None:
        try:
            await self._kube.create(LEASES, NAMESPACE, wanted)
        except KubeAlreadyExists:
            self._again_soon(node)

    def _again_soon(self, node: str) -> None:
        """The Node is not registered yet, or another CloudCore wrote the Lease."""
        if node in self._turns:
            self._schedule(node, self._monotonic() + min(_SOON_SECONDS, self._period))

    def _judge(self, results: list[BaseException | None]) -> None:
        """Said once per outage."""
        errors = [result for result in results if isinstance(result, BaseException)]
        for error in errors:
            if not isinstance(error, KubeError):
                logger.error("a lease cannot be renewed", exc_info=error)
        if errors and not self._failing:
            logger.warning("leases of nodes cannot be renewed: %s", errors[0])
        elif not errors and self._failing:
            logger.info("leases of nodes are renewed again")
        self._failing = bool(errors)
