"""A cache of one resource, kept by list and watch, that tells its followers what changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from sys import intern
from typing import Any, Protocol

from cloudcore.errors import KubeError, KubeGone, KubeUnreachable
from cloudcore.kube.backoff import Backoff
from cloudcore.kube.client import Listing, WatchEvent
from cloudcore.kube.resources import Resource

logger = logging.getLogger(__name__)

JsonObject = dict[str, Any]
Handler = Callable[[JsonObject | None, JsonObject | None], None]
"""``handler(old, new)``: added where old is None, deleted where new is None. Objects are shared: never change them."""

Transform = Callable[[JsonObject], JsonObject]
Place = tuple[str, str]

_SHORT_WATCH_SECONDS = 1.0


class Source(Protocol):
    """What an informer needs of a KubeClient."""

    async def list(self, resource: Resource) -> Listing: ...

    def watch(self, resource: Resource, version: str) -> AsyncGenerator[WatchEvent, None]: ...


def without_managed_fields(obj: JsonObject) -> JsonObject:
    """Nobody at the edge reads who last wrote which field, and it is half of the object."""
    meta = obj.get("metadata")
    if isinstance(meta, dict):
        meta.pop("managedFields", None)
    compacted: JsonObject = compact(obj)
    return compacted


def compact(value: Any) -> Any:
    """The same JSON value with every key in memory once: each event of a watch is parsed by itself, with keys of its own."""
    if isinstance(value, dict):
        return {intern(key): compact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [compact(item) for item in value]
    return value


class Informer:
    """``synced`` is set once the first list is in. ``run()`` goes on until cancelled; nothing the API or a handler does ends it."""

    def __init__(
        self,
        source: Source,
        resource: Resource,
        *,
        transform: Transform = without_managed_fields,
        backoff: Backoff | None = None,
    ) -> None:
        self.resource = resource
        self.synced = asyncio.Event()
        self._source = source
        self._transform = transform
        self._backoff = backoff or Backoff()
        self._objects: dict[Place, JsonObject] = {}
        self._handlers: list[Handler] = []
        self._version = ""
        self._failing = False

    def get(self, namespace: str, name: str) -> JsonObject | None:
        """The object, or None. ``namespace`` is ``""`` for cluster-scoped ones."""
        return self._objects.get((namespace, name))

    def values(self) -> Iterator[JsonObject]:
        """Every object, as a copy of the list: safe while the cache changes."""
        return iter(list(self._objects.values()))

    def __len__(self) -> int:
        return len(self._objects)

    def follow(self, handler: Handler) -> None:
        """Call ``handler`` for each change from now on; what is already there is told at once as added."""
        self._handlers.append(handler)
        for obj in self.values():
            self._call(handler, None, obj)

    async def run(self) -> None:
        while True:
            try:
                await self._once()
            except KubeGone:
                logger.info("%s: the watch fell behind, listing again", self.resource)
                self._version = ""
                await asyncio.sleep(self._backoff.next())
            except KubeError as exc:
                await self._failed(exc)

    async def _once(self) -> None:
        if not self._version:
            self._replace(await self._source.list(self.resource))
            self.synced.set()
            self._works()
        await self._follow_changes()

    async def _follow_changes(self) -> None:
        started = asyncio.get_running_loop().time()
        seen = 0
        async with aclosing(self._source.watch(self.resource, self._version)) as events:
            async for event in events:
                self._apply(event)
                seen += 1
                self._works()
        if not seen and asyncio.get_running_loop().time() - started < _SHORT_WATCH_SECONDS:
            await asyncio.sleep(self._backoff.next())

    async def _failed(self, exc: KubeError) -> None:
        """Said once per outage. An error that is an answer may mean a version that the server does not know: list again."""
        if not isinstance(exc, KubeUnreachable):
            self._version = ""
        if not self._failing:
            self._failing = True
            logger.warning("%s: %s; trying again until it works", self.resource, exc)
        await asyncio.sleep(self._backoff.next())

    def _works(self) -> None:
        self._backoff.reset()
        if self._failing:
            self._failing = False
            logger.info("%s: the API answers again", self.resource)

    def _replace(self, listing: Listing) -> None:
        """Take a full list: what is no longer in it was deleted while nobody watched."""
        listed = {_place(obj): obj for obj in map(self._transform, listing.items)}
        for place in [place for place in self._objects if place not in listed]:
            self._tell(self._objects.pop(place), None)
        for place, obj in listed.items():
            self._put(place, obj)
        self._version = listing.version

    def _apply(self, event: WatchEvent) -> None:
        version = str(event.object.get("metadata", {}).get("resourceVersion") or "")
        if event.type in ("ADDED", "MODIFIED"):
            obj = self._transform(event.object)
            self._put(_place(obj), obj)
        elif event.type == "DELETED":
            self._remove(self._transform(event.object))
        self._version = version or self._version

    def _put(self, place: Place, obj: JsonObject) -> None:
        old = self._objects.get(place)
        if old is not None and _identity(old) == _identity(obj):
            return
        self._objects[place] = obj
        if old is not None and _uid(old) != _uid(obj):
            self._tell(old, None)
            old = None
        self._tell(old, obj)

    def _remove(self, last: JsonObject) -> None:
        """``last`` is how the object was when it went; followers see that one, whose version is the newest."""
        if self._objects.pop(_place(last), None) is not None:
            self._tell(last, None)

    def _tell(self, old: JsonObject | None, new: JsonObject | None) -> None:
        for handler in self._handlers:
            self._call(handler, old, new)

    def _call(self, handler: Handler, old: JsonObject | None, new: JsonObject | None) -> None:
        try:
            handler(old, new)
        except Exception:
            logger.exception("%s: a follower failed on %s", self.resource, _place(new or old or {}))


def _place(obj: JsonObject) -> Place:
    meta = obj.get("metadata") or {}
    return str(meta.get("namespace") or ""), str(meta.get("name") or "")


def _uid(obj: JsonObject) -> str:
    return str((obj.get("metadata") or {}).get("uid") or "")


def _identity(obj: JsonObject) -> tuple[str, str]:
    return _uid(obj), str((obj.get("metadata") or {}).get("resourceVersion") or "")
