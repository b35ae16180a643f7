"""A world to try verbs in: a store in a temporary directory, and a clock that stands still."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cloudstub.app import new_world
from cloudstub.store.database import Database
from cloudstub.store.store import Store
from cloudstub.verbs.create import create
from cloudstub.verbs.delete import PLAIN_DELETE, Deleted, DeleteOptions, delete
from cloudstub.verbs.patch import patch
from cloudstub.verbs.update import update, update_status
from cloudstub.verbs.world import PLAIN, Target, World, WriteOptions, Written

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
Object = dict[str, Any]


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Scene:
    """Short words for tests; every write is committed before it returns."""

    world: World
    clock: Clock

    def target(self, resource: str, name: str = "", namespace: str | None = "default", version: str = "") -> Target:
        kind = self.world.catalog.by_resource(resource)
        assert kind is not None, resource
        return Target(kind, version or kind.storage, namespace if kind.namespaced else "", name)

    async def create(self, resource: str, obj: Object, options: WriteOptions = PLAIN, namespace: str = "default") -> Object:
        return await self._done(create(self.world, self.target(resource, namespace=namespace), obj, options))

    async def update(self, resource: str, name: str, obj: Object) -> Object:
        return await self._done(update(self.world, self.target(resource, name), obj))

    async def update_status(self, resource: str, name: str, obj: Object) -> Object:
        return await self._done(update_status(self.world, self.target(resource, name), obj))

    async def patch(self, resource: str, name: str, sent: Any, media_type: str, subresource: str = "") -> Object:
        return await self._done(patch(self.world, self.target(resource, name), subresource, media_type, sent))

    async def delete(self, resource: str, name: str, options: DeleteOptions = PLAIN_DELETE) -> Deleted:
        deleted = delete(self.world, self.target(resource, name), options)
        await self.world.store.committed()
        return deleted

    def get(self, resource: str, name: str, namespace: str = "default") -> Object | None:
        record = self.world.store.get(self.target(resource, name, namespace).key)
        return record.value if record else None

    async def _done(self, written: Written) -> Object:
        await self.world.store.committed()
        value: Object = json.loads(written.body)
        return value


def play(tmp_path: Path, act: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a test in a world that has the namespace ``default``."""

    async def run() -> None:
        clock = Clock()
        store = Store(Database(tmp_path / "store.db"), now_ms=lambda: int(clock.now.timestamp() * 1000))
        scene = Scene(new_world(store, clock), clock)
        await scene.create("namespaces", {"metadata": {"name": "default"}})
        try:
            await act(scene)
        finally:
            store.close()

    asyncio.run(run())


def pod(name: str = "web", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "app:1"}], **spec}}


def deployment(name: str = "web", replicas: int = 1) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "app:1"}]}}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def definition(*, status: bool = True, versions: tuple[str, ...] = ("v1",)) -> Object:
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {"size": {"type": "integer", "minimum": 1}, "color": {"type": "string", "default": "red"}},
    }
    schema = {
        "type": "object",
        "properties": {"spec": spec, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    return {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == versions[0],
                    "schema": {"openAPIV3Schema": schema},
                    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                    **({"subresources": {"status": {}}} if status else {}),
                }
                for version in versions
            ],
        },
    }
