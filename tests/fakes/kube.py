"""An API server in memory for controllers: one revision counter, optimistic concurrency, watches, deletion with grace, status subresources.

Answers as ``cloudcore.kube.client.KubeClient`` does. ``fail`` may raise an error before a call; every call yields to the loop first, so
that concurrent writers really interleave.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from cloudcore.errors import KubeAlreadyExists, KubeConflict, KubeNotFound
from cloudcore.kube.client import Listing, WatchEvent
from cloudcore.kube.informer import Informer
from cloudcore.kube.resources import Resource

JsonObject = dict[str, Any]
_STATUS_APART = frozenset({"pods", "nodes", "objectsyncs", "clusterobjectsyncs", "devicerules", "nodeupgradejobs"})


class FakeKube:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], JsonObject] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.fail: Callable[[str, str, str], Exception | None] = lambda verb, plural, name: None
        self.revision = 100
        self.granted: list[JsonObject] = []
        self._uids = itertools.count(1)
        self._events: dict[str, list[tuple[int, WatchEvent]]] = {}
        self._moved = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # what a controller calls

    async def get(self, resource: Resource, namespace: str | None, name: str) -> JsonObject:
        await self._enter("get", resource, name)
        return copy.deepcopy(self._found(resource, namespace, name))

    async def create(self, resource: Resource, namespace: str | None, body: Mapping[str, Any], *, subresource: str = "") -> JsonObject:
        name = body["metadata"]["name"]
        if subresource:
            return await self._create_below(resource, namespace, body, subresource)
        await self._enter("create", resource, name)
        if (resource.plural, namespace or "", name) in self.objects:
            raise KubeAlreadyExists(f"{resource} {name} exists", code=409)
        obj = copy.deepcopy(dict(body))
        obj["metadata"].setdefault("uid", f"uid-{next(self._uids)}")
        obj["metadata"].setdefault("creationTimestamp", "2020-01-01T00:00:00Z")
        if namespace:
            obj["metadata"]["namespace"] = namespace
        if resource.plural in _STATUS_APART and resource.plural != "nodes":
            obj.pop("status", None)
        return self._store("ADDED", resource, obj)

    async def update(self, resource: Resource, namespace: str | None, body: Mapping[str, Any], *, subresource: str = "") -> JsonObject:
        name = body["metadata"]["name"]
        await self._enter(f"update {subresource}".strip(), resource, name)
        current = self._found(resource, namespace, name)
        wanted = copy.deepcopy(dict(body))
        if wanted["metadata"].get("resourceVersion") not in (None, current["metadata"]["resourceVersion"]):
            raise KubeConflict(f"{resource} {name}: the object has been modified", code=409)
        if wanted["metadata"].get("uid") not in (None, current["metadata"]["uid"]):
            raise KubeConflict(f"{resource} {name}: another uid", code=409)
        if subresource == "status":
            wanted = copy.deepcopy(current) | {"status": wanted.get("status", {})}
        elif resource.plural in _STATUS_APART and "status" in current:
            wanted["status"] = copy.deepcopy(current["status"])
        wanted["metadata"] |= {key: current["metadata"][key] for key in ("uid", "creationTimestamp")}
        if _plain(wanted) == _plain(current):
            return copy.deepcopy(current)
        return self._store("MODIFIED", resource, wanted)

    async def patch(self, resource: Resource, namespace: str | None, name: str, patch: Any) -> JsonObject:
        await self._enter("update", resource, name)
        return self._store("MODIFIED", resource, _laid_over(copy.deepcopy(self._found(resource, namespace, name)), patch))

    async def delete(
        self, resource: Resource, namespace: str | None, name: str, *, grace_seconds: int | None = None, uid: str = ""
    ) -> JsonObject:
        await self._enter("delete", resource, name)
        current = self._found(resource, namespace, name)
        if uid and uid != current["metadata"]["uid"]:
            raise KubeConflict(f"{resource} {name}: another uid", code=409)
        if resource.plural == "pods" and grace_seconds != 0 and (current.get("spec") or {}).get("nodeName"):
            dying = copy.deepcopy(current)
            dying["metadata"]["deletionTimestamp"] = "2020-01-01T00:01:00Z"
            return self._store("MODIFIED", resource, dying)
        del self.objects[resource.plural, namespace or "", name]
        return self._tell("DELETED", resource, copy.deepcopy(current))

    # what an informer calls

    async def list(self, resource: Resource) -> Listing:
        await self._enter("list", resource, "")
        return Listing(
            [copy.deepcopy(obj) for (plural, _, _), obj in self.objects.items() if plural == resource.plural], str(self.revision)
        )

    async def watch(self, resource: Resource, version: str) -> AsyncIterator[WatchEvent]:
        seen = int(version)
        while True:
            for revision, event in list(self._events.get(resource.plural, ())):
                if revision > seen:
                    seen = revision
                    yield WatchEvent(event.type, copy.deepcopy(event.object))
            moved = self._moved
            await moved.wait()

    # what a test calls

    def put(self, resource: Resource, obj: JsonObject) -> JsonObject:
        """Make it so at once, whatever was there, status included."""
        namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
        current = self.objects.get((resource.plural, namespace, name))
        wanted = copy.deepcopy(obj)
        wanted["metadata"].setdefault("uid", current["metadata"]["uid"] if current else f"uid-{next(self._uids)}")
        wanted["metadata"].setdefault("creationTimestamp", "2020-01-01T00:00:00Z")
        return self._store("MODIFIED" if current else "ADDED", resource, wanted)

    def peek(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        return self.objects.get((resource.plural, namespace, name))

    def informer(self, resource: Resource) -> Informer:
        """A real one, at work until ``stop``."""
        informer = Informer(self, resource)
        self._tasks.append(asyncio.create_task(informer.run()))
        return informer

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def written(self, plural: str) -> int:
        return sum(1 for verb, of, _ in self.calls if of == plural and verb.startswith(("create", "update", "delete")))

    async def _create_below(self, resource: Resource, namespace: str | None, body: Mapping[str, Any], subresource: str) -> JsonObject:
        """A TokenRequest: granted, and remembered in ``granted``."""
        await self._enter(f"create {subresource}", resource, body["metadata"]["name"])
        self._found(resource, namespace, body["metadata"]["name"])
        self.granted.append(copy.deepcopy(dict(body)))
        status = {"token": f"token-{len(self.granted)}", "expirationTimestamp": "2020-01-01T01:00:00Z"}
        return {**copy.deepcopy(dict(body)), "status": status}

    async def _enter(self, verb: str, resource: Resource, name: str) -> None:
        await asyncio.sleep(0)
        self.calls.append((verb, resource.plural, name))
        error = self.fail(verb, resource.plural, name)
        if error is not None:
            raise error

    def _found(self, resource: Resource, namespace: str | None, name: str) -> JsonObject:
        try:
            return self.objects[resource.plural, namespace or "", name]
        except KeyError:
            raise KubeNotFound(f"{resource} {name} not found", code=404) from None

    def _store(self, kind: str, resource: Resource, obj: JsonObject) -> JsonObject:
        self._tell(kind, resource, obj)
        self.objects[resource.plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]] = obj
        return copy.deepcopy(obj)

    def _tell(self, kind: str, resource: Resource, obj: JsonObject) -> JsonObject:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        self._events.setdefault(resource.plural, []).append((self.revision, WatchEvent(kind, copy.deepcopy(obj))))
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        return obj


def _laid_over(value: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        merged[key] = _laid_over(merged.get(key), item)
    return {key: item for key, item in merged.items() if item is not None}


def _plain(obj: JsonObject) -> JsonObject:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    return obj | {"metadata": metadata}
