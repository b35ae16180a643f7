"""The informers of one process: one per resource, shared by everyone who asks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from cloudcore.keeper import keep
from cloudcore.kube.informer import Informer, Source, Transform, without_managed_fields
from cloudcore.kube.resources import Resource

logger = logging.getLogger(__name__)


class Informers:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._informers: dict[Resource, Informer] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def get(self, resource: Resource, transform: Transform = without_managed_fields) -> Informer:
        """The informer of ``resource``; ask before ``start()``. ``transform``, of who asks first: what it keeps of an object."""
        if resource not in self._informers:
            self._informers[resource] = Informer(self._source, resource, transform=transform)
        return self._informers[resource]

    def start(self) -> None:
        started = {task.get_name() for task in self._tasks}
        for resource, informer in self._informers.items():
            name = f"informer {resource}"
            if name not in started:
                self._tasks.append(keep(informer.run, name))

    async def wait_synced(self, *, but: Sequence[Resource] = ()) -> None:
        """Returns when every cache has its first full list, however long the API is away. ``but``: those that are not waited for."""
        for resource, informer in self._informers.items():
            if resource not in but:
                await informer.synced.wait()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
