"""EdgeController: pods, the configuration that they name and DeviceRules down, statuses up (contract 4).

    EdgeController(kube, pods=…, nodes=…, configmaps=…, secrets=…, services=…, endpoints=…, rules=…, downlink=hub, now=utc_clock, …)

``pods`` … ``rules`` are informers (``cloudcore.cluster.Informer``). ``await start()`` waits until their caches are filled; let no node
connect before it returns, because a node is told to drop what nobody owes it. ``await stop()`` ends its tasks. An ``Uplink``, and
``may_read(node, resource)`` is what CloudHub's admission asks.

Services go to Bramble's boards only (P5.10); the lists that KubeEdge pushes to every node for EdgeMesh are not sent. ``kubelet``: where API
servers find the kubelets of nodes, written into each Node.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from cloudcore.cluster import Clock, Cluster, Informer
from cloudcore.edgecontroller.downstream import Downstream
from cloudcore.edgecontroller.endings import Endings
from cloudcore.edgecontroller.leases import Leases
from cloudcore.edgecontroller.readiness import Readiness
from cloudcore.edgecontroller.upstream import Upstream
from cloudcore.errors import KubeUnreachable, Refused
from cloudcore.keeper import keep
from cloudcore.ports import Downlink, Holding, KubeletEndpoint, Notice, Owed
from viaduct.errors import MalformedResource
from viaduct.message import Message

logger = logging.getLogger(__name__)

RULES_PATIENCE = 5.0
"""Seconds."""


class EdgeController:
    def __init__(
        self,
        kube: Cluster,
        *,
        pods: Informer,
        nodes: Informer,
        configmaps: Informer,
        secrets: Informer,
        services: Informer,
        endpoints: Informer,
        rules: Informer,
        downlink: Downlink,
        now: Clock,
        noticed: Notice = lambda node, key: None,
        kubelet: Callable[[], KubeletEndpoint | None] = lambda: None,
    ) -> None:
        self._informers = (pods, nodes, configmaps, secrets, services, endpoints)
        self._downstream = Downstream(
            pods=pods,
            configmaps=configmaps,
            secrets=secrets,
            services=services,
            endpoints=endpoints,
            rules=rules,
            downlink=downlink,
            now=now,
            noticed=noticed,
        )
        self._endings = Endings(kube)
        self._upstream = Upstream(
            kube, pods=pods, nodes=nodes, downstream=self._downstream, downlink=downlink, endings=self._endings, now=now, kubelet=kubelet
        )
        self._leases = Leases(kube, nodes=nodes, now=now)
        self._readiness = Readiness(kube, pods=pods, nodes=nodes, pods_of=self._downstream.interest.pods_of, now=now)
        self._pods = pods
        self._rules = rules
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._downstream.follow()
        self._pods.follow(lambda old, new: self._endings.look_at(new) if new is not None else None)
        self._readiness.follow()
        self._tasks = [
            keep(self._leases.run, "leases of nodes"),
            keep(self._readiness.run, "readiness of pods"),
            keep(self._endings.run, "ended pods"),
        ]
        for informer in self._informers:
            await informer.synced.wait()
        await self._await_rules()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def holdings(self, node: str) -> Iterator[Holding]:
        """What ``node`` should hold. Raises KubeUnreachable before the caches are filled: an empty answer would empty the board."""
        self._check_synced()
        return self._downstream.holdings(node)

    def holding(self, node: str, key: str) -> Holding | None:
        """The one under ``key``, or None where ``node`` should hold nothing there."""
        return self._downstream.holding(node, key)

    def owed_one(self, node: str, key: str) -> Owed | None:
        return self._downstream.owed_one(node, key)

    def removal(self, node: str, key: str, uid: str) -> Owed | None:
        return self._downstream.removal(key, uid)

    async def take(self, node: str, message: Message) -> Message | None:
        try:
            return await self._upstream.take(node, message)
        except MalformedResource as exc:
            raise Refused(str(exc)) from exc

    def may_read(self, node: str, resource: str) -> bool:
        try:
            return self._upstream.may_read(node, resource)
        except MalformedResource:
            return False

    def node_changed(self, node: str, connected: bool) -> None:
        for part in (self._leases, self._readiness):
            if connected:
                part.alive(node)
            else:
                part.gone(node)

    async def _await_rules(self) -> None:
        """Pods wait for no rules: a cluster whose rbac.yaml is older does not let us list them. Boards then keep those that they have."""
        try:
            await asyncio.wait_for(self._rules.synced.wait(), RULES_PATIENCE)
        except TimeoutError:
            logger.warning("DeviceRules are not listed yet: boards keep the rules that they have (rights: packaging/manifests/rbac.yaml)")

    def _check_synced(self) -> None:
        for informer in self._informers:
            if not informer.synced.is_set():
                raise KubeUnreachable("the objects of the cluster are not listed yet")
