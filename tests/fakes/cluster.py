"""An in-memory cluster for controllers: one revision counter, optimistic concurrency, graceful deletion of bound pods."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cloudstub.controllers.objects import text_of
from cloudstub.controllers.writes import Bind, Create, Delete, Update, UpdateStatus, Write
from cloudstub.errors import AlreadyExists, ApiError, Conflict, NotFound

Key = tuple[str, str, str]


class FakeCluster:
    """Fulfils ``cloudstub.controllers.ports.Cluster``; ``refuse`` may raise an error for a write before it is done."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.revision = 0
        self.writes: list[Write] = []
        self.snapshots = 0
        self.refuse: Callable[[Write], ApiError | None] = lambda write: None
        self._now = now
        self._moved = asyncio.Condition()
        self._uids = itertools.count(1)

    def snapshot(self, *resources: str) -> dict[str, list[dict[str, Any]]]:
        self.snapshots += 1
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in resources if name != "*"}
        for (resource, _, _), obj in sorted(self.objects.items()):
            if resource in found or "*" in resources:
                found.setdefault(resource, []).append(obj)
        return found

    async def wait_change(self, after: int) -> int:
        async with self._moved:
            await self._moved.wait_for(lambda: self.revision > after)
            return self.revision

    async def perform(self, write: Write) -> None:
        self.writes.append(write)
        refused = self.refuse(write)
        if refused is not None:
            raise refused
        await asyncio.sleep(0)
        match write:
            case Create():
                self._create(write)
            case Update():
                self._replace(write.resource, write.object, keeps="status")
            case UpdateStatus():
                self._replace(write.resource, write.object, keeps="spec")
            case Delete():
                self._delete(write)
            case Bind():
                self._bind(write)
        await self._tell()

    async def put(self, resource: str, obj: dict[str, Any]) -> dict[str, Any]:
        """Store an object as a client would; gives what is stored."""
        metadata = obj["metadata"]
        key = (resource, metadata.get("namespace", ""), metadata["name"])
        stored = self._store(key, obj)
        await self._tell()
        return stored

    async def remove(self, resource: str, namespace: str, name: str) -> None:
        """Take an object away for good, as a node's final delete does."""
        del self.objects[resource, namespace, name]
        self.revision += 1
        await self._tell()

    def get(self, resource: str, namespace: str, name: str) -> dict[str, Any]:
        return self.objects[resource, namespace, name]

    def listed(self, resource: str) -> list[dict[str, Any]]:
        return self.snapshot(resource)[resource]

    async def until(self, holds: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait for ``holds``, looking after every change and now and then between."""
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.005)

    def _create(self, write: Create) -> None:
        key = (write.resource, write.namespace, write.object["metadata"]["name"])
        if key in self.objects:
            raise AlreadyExists(f"{key} already exists")
        self._store(key, {**write.object, "metadata": {**write.object["metadata"], "namespace": write.namespace}})

    def _replace(self, resource: str, obj: dict[str, Any], *, keeps: str) -> None:
        key, current = self._current(resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if obj["metadata"].get("resourceVersion") != current["metadata"]["resourceVersion"]:
            raise Conflict(f"{key} has been modified")
        merged = {**obj, keeps: current[keeps]} if keeps in current else {k: v for k, v in obj.items() if k != keeps}
        if keeps == "status" and merged.get("spec") != current.get("spec"):
            generation = current["metadata"].get("generation", 1) + 1
            merged = {**merged, "metadata": {**merged["metadata"], "generation": generation}}
        if merged["metadata"].get("deletionTimestamp") and _is_free(resource, merged):
            self.objects.pop(key)
            self.revision += 1
            return
        self._store(key, merged)

    def _delete(self, write: Delete) -> None:
        key, current = self._current(write.resource, write.namespace, write.name)
        if current["metadata"]["uid"] != write.uid:
            raise Conflict(f"{key} is another object now")
        bound = write.resource == "pods" and current.get("spec", {}).get("nodeName") and write.grace_seconds != 0
        if bound or not _is_free(write.resource, current):
            metadata = {**current["metadata"], "deletionTimestamp": text_of(self._now())}
            self._store(key, {**current, "metadata": metadata})
        else:
            self.objects.pop(key)
            self.revision += 1

    def _bind(self, write: Bind) -> None:
        key, current = self._current("pods", write.namespace, write.pod)
        if current["spec"].get("nodeName"):
            raise Conflict(f"{key} is bound")
        self._store(key, {**current, "spec": {**current["spec"], "nodeName": write.node}})

    def _current(self, resource: str, namespace: str, name: str) -> tuple[Key, dict[str, Any]]:
        key = (resource, namespace, name)
        if key not in self.objects:
            raise NotFound(f"{key} not found")
        return key, self.objects[key]

    def _store(self, key: Key, obj: dict[str, Any]) -> dict[str, Any]:
        self.revision += 1
        fresh = copy.deepcopy(obj)
        metadata = fresh["metadata"]
        metadata.setdefault("uid", f"uid-{next(self._uids)}")
        metadata.setdefault("generation", 1)
        metadata.setdefault("creationTimestamp", text_of(self._now()))
        metadata["resourceVersion"] = str(self.revision)
        self.objects[key] = fresh
        return fresh

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()


def _is_free(resource: str, obj: dict[str, Any]) -> bool:
    held = obj["metadata"].get("finalizers")
    return not held and not (resource == "namespaces" and (obj.get("spec") or {}).get("finalizers"))
