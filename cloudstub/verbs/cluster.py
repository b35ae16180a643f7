"""The cluster as controllers see it: what is there, one write, and a wait for news. No HTTP in between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cloudstub.errors import NotFound
from cloudstub.store.records import Object
from cloudstub.verbs.binding import bind
from cloudstub.verbs.create import create
from cloudstub.verbs.delete import DeleteOptions, delete
from cloudstub.verbs.update import finalize, update, update_status
from cloudstub.verbs.world import Target, World

EVERY_KIND = "*"


class Cluster:
    """Fulfils the protocol of ``cloudstub.controllers.ports``."""

    def __init__(self, world: World) -> None:
        self._world = world

    def snapshot(self, *resources: str) -> dict[str, list[Object]]:
        """The committed objects by resource, to be read and not to be changed; ``*`` gives every resource that has some."""
        store = self._world.store
        wanted = store.resources() if EVERY_KIND in resources else resources
        return {resource: [record.value for record in store.ordered(resource)] for resource in wanted}

    async def perform(self, write: Any) -> None:
        """Do one write of ``cloudstub.controllers.writes``; after it a snapshot shows the result.

        Raises:
            ApiError: it was refused, and nothing changed.
        """
        # Told apart by name: verbs stand below the controllers and may not import their values.
        getattr(self, f"_{type(write).__name__.lower()}")(write)
        await self._world.store.committed()

    async def wait_change(self, after: int) -> int:
        """Wait until the revision is above ``after``; the revision now."""
        return await self._world.store.wait_change(after)

    def _create(self, write: Any) -> None:
        create(self._world, self._target(write.resource, write.namespace), write.object)

    def _update(self, write: Any) -> None:
        target = self._target_of(write)
        takes_finalizers = target.kind.resource == "namespaces" and (write.object.get("spec") or {}).get("finalizers") == []
        (finalize if takes_finalizers else update)(self._world, target, write.object)

    def _updatestatus(self, write: Any) -> None:
        update_status(self._world, self._target_of(write), write.object)

    def _delete(self, write: Any) -> None:
        target = self._target(write.resource, write.namespace, write.name)
        delete(self._world, target, DeleteOptions(write.grace_seconds, write.uid))

    def _bind(self, write: Any) -> None:
        body = {"metadata": {"name": write.pod, "uid": write.uid}, "target": {"kind": "Node", "name": write.node}}
        bind(self._world, self._target("pods", write.namespace, write.pod), body)

    def _target_of(self, write: Any) -> Target:
        metadata = write.object["metadata"]
        target = self._target(write.resource, metadata.get("namespace", ""), metadata["name"])
        stored_as = str(write.object.get("apiVersion", "")).rpartition("/")[2]
        if stored_as == target.version or stored_as not in target.kind.versions:
            return target
        # Stored before the storage version changed: controllers leave it in the version in which it is.
        return replace(target, kind=replace(target.kind, storage=stored_as), version=stored_as)

    def _target(self, resource: str, namespace: str, name: str = "") -> Target:
        kind = self._world.catalog.by_resource(resource)
        if kind is None:
            raise NotFound(f"the server could not find the requested resource {resource}")
        return Target(kind, kind.storage, namespace if kind.namespaced else "", name)
