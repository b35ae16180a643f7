"""Takes pods that were to go, and have ended at their node, out of the API (contract 4.4). One loop."""

from __future__ import annotations

import asyncio
import logging

from cloudcore.cluster import Cluster
from cloudcore.edgecontroller.podstatus import has_ended
from cloudcore.errors import KubeConflict, KubeError, KubeNotFound
from cloudcore.kube.resources import PODS
from cloudcore.objects import identity, uid_of
from cloudcore.ports import JsonObject

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0


class Endings:
    """``look_at`` every pod whose status or metadata changed: the deletion may come before the last status, or after it."""

    def __init__(self, kube: Cluster, *, retry_seconds: float = _RETRY_SECONDS) -> None:
        self._kube = kube
        self._retry_seconds = retry_seconds
        self._ended: dict[str, tuple[str, str]] = {}
        self._wake = asyncio.Event()

    def look_at(self, pod: JsonObject) -> None:
        if has_ended(pod) and (pod.get("spec") or {}).get("nodeName"):
            self._ended[uid_of(pod)] = identity(pod)
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for uid, (namespace, name) in list(self._ended.items()):
                await self._delete(uid, namespace, name)
            if self._ended:
                await asyncio.sleep(self._retry_seconds)
                self._wake.set()

    async def _delete(self, uid: str, namespace: str, name: str) -> None:
        try:
            await self._kube.delete(PODS, namespace, name, grace_seconds=0, uid=uid)
        except (KubeNotFound, KubeConflict):
            logger.debug("pod %s/%s is gone already", namespace, name)
        except KubeError as exc:
            logger.warning("pod %s/%s has ended but cannot be deleted now: %s", namespace, name, exc)
            return
        else:
            logger.info("pod %s/%s has ended at its node and is deleted", namespace, name)
        self._ended.pop(uid, None)
