"""Pods that the cluster marked not ready while their board was away, and that are ready again when it is back. One loop.

A cluster's node controller takes ``Ready`` from every pod of a node that it does not hear of, and leaves it to the kubelet to say again how
they are. A board says a status once, when it changes (contract 4.3), so what it said last holds; what changed meanwhile is on its way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from cloudcore.cluster import Clock, Cluster, Informer
from cloudcore.edgecontroller.interest import Place, node_of
from cloudcore.edgecontroller.nodestatus import is_ready
from cloudcore.edgecontroller.podstatus import is_doubted, trusted
from cloudcore.errors import KubeConflict, KubeError, KubeNotFound
from cloudcore.kube.resources import PODS
from cloudcore.objects import identity
from cloudcore.ports import JsonObject

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0
"""Between two rounds, so that nobody who insists is fought with faster."""


class Readiness:
    """``follow`` the caches; ``alive(node)`` while it is connected here, until ``gone(node)``. ``pods_of`` names the pods of a node."""

    def __init__(
        self,
        kube: Cluster,
        *,
        pods: Informer,
        nodes: Informer,
        pods_of: Callable[[str], Iterable[Place]],
        now: Clock,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._kube = kube
        self._pods = pods
        self._nodes = nodes
        self._pods_of = pods_of
        self._now = now
        self._pause_seconds = pause_seconds
        self._connected: set[str] = set()
        self._doubted: set[Place] = set()
        self._wake = asyncio.Event()

    def follow(self) -> None:
        self._pods.follow(lambda old, new: self._look_at(new))
        self._nodes.follow(self._node_event)

    def alive(self, node: str) -> None:
        self._connected.add(node)
        self._look_at_all(node)

    def gone(self, node: str) -> None:
        self._connected.discard(node)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for place in list(self._doubted):
                await self._trust(place)
            await asyncio.sleep(self._pause_seconds)
            if self._doubted:
                self._wake.set()

    def _node_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        if new is not None and is_ready(new) and (old is None or not is_ready(old)):
            self._look_at_all(identity(new)[1])

    def _look_at_all(self, node: str) -> None:
        for place in list(self._pods_of(node)):
            self._look_at(self._pods.get(*place))

    def _look_at(self, pod: JsonObject | None) -> None:
        if pod is not None and self._is_wrong(pod):
            self._doubted.add(identity(pod))
            self._wake.set()

    def _is_wrong(self, pod: JsonObject) -> bool:
        node = node_of(pod)
        return is_doubted(pod) and node in self._connected and is_ready(self._nodes.get("", node) or {})

    async def _trust(self, place: Place) -> None:
        """A pod that others write meanwhile comes again by its event."""
        pod = self._pods.get(*place)
        try:
            if pod is not None and self._is_wrong(pod):
                await self._kube.update(PODS, place[0], trusted(pod, self._now()), subresource="status")
                logger.info("pod %s/%s is ready as its node %s said, which is back", *place, node_of(pod))
        except (KubeConflict, KubeNotFound):
            logger.debug("pod %s/%s has changed meanwhile", *place)
        except KubeError as exc:
            logger.warning("pod %s/%s cannot be marked ready now: %s", *place, exc)
            return
        self._doubted.discard(place)
