"""Tells the owner of a Device what is wrong with it: a log line and a Kubernetes Event, once per text."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict
from datetime import datetime

from cloudcore.cluster import Clock, Cluster
from cloudcore.errors import KubeError
from cloudcore.kube.resources import EVENTS
from cloudcore.objects import identity, stamp, uid_of, version_of
from cloudcore.ports import JsonObject

logger = logging.getLogger(__name__)

_REMEMBERED = 1000


def warning_event(device: JsonObject, reason: str, text: str, now: datetime) -> JsonObject:
    """A core/v1 Event about the Device."""
    namespace, name = identity(device)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": "devices.kubeedge.io/v1alpha1",
            "kind": "Device",
            "namespace": namespace,
            "name": name,
            "uid": uid_of(device),
            "resourceVersion": version_of(device),
        },
        "type": "Warning",
        "reason": reason,
        "message": text,
        "source": {"component": "devicecontroller"},
        "firstTimestamp": stamp(now),
        "lastTimestamp": stamp(now),
        "count": 1,
    }


class Complaints:
    def __init__(self, kube: Cluster, *, now: Clock) -> None:
        self._kube = kube
        self._now = now
        self._said: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def say(self, device: JsonObject, reason: str, text: str) -> None:
        if (uid_of(device), text) in self._said:
            return
        self._said[uid_of(device), text] = None
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        logger.warning("device %s/%s: %s", *identity(device), text)
        task = asyncio.create_task(self._write(warning_event(device, reason, text, self._now())))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, event: JsonObject) -> None:
        try:
            await self._kube.create(EVENTS, event["metadata"]["namespace"], event)
        except KubeError as exc:
            logger.debug("event %s cannot be written: %s", event["reason"], exc)
